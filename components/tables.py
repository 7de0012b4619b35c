"""Small tables of figures that a poll replaces as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash.development.base_component import Component

    Cell = str | Component


def figure_table(
    headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str, words: int = 1
) -> html.Div:
    """A table that scrolls inside its panel; the first `words` columns are text, the rest figures.

    `empty` stands in its place when there are no rows.
    """
    if not rows:
        return html.Div(empty, className="dimmed")
    kinds = ["" if index < words else "number" for index in range(len(headings))]
    head = html.Tr(
        [html.Th(text, className=kind) for text, kind in zip(headings, kinds, strict=True)]
    )
    body = [
        html.Tr([html.Td(cell, className=kind) for cell, kind in zip(row, kinds, strict=True)])
        for row in rows
    ]
    return html.Div(html.Table([html.Thead(head), html.Tbody(body)]), className="rows")


def swatch(text: str, colour: str) -> html.Span:
    """A name with the colour it has in the graphs."""
    return html.Span([html.I(className="swatch", style={"background": colour}), text])
