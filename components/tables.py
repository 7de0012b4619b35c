"""Small tables of figures that a poll replaces as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from components.help import attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash.development.base_component import Component

    Cell = str | Component


def figure_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    empty: str,
    words: int = 1,
    label: str = "",
) -> html.Div:
    """A table that scrolls inside its panel; the first `words` columns are text, the rest figures.

    `empty` stands in its place when there are no rows. With a `label` it takes the focus, so that
    it can be scrolled by keyboard where a phone cannot hold it.
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
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)]), className="rows", **scrolled(label)
    )


def scrolled(label: str) -> dict[str, Any]:
    """Properties of what scrolls by keyboard, too; none without a label."""
    if not label:
        return {}
    return {"tabIndex": 0, "role": "region", **attributes(aria_label=label)}


def swatch(text: str, colour: str) -> html.Span:
    """A name with the colour it has in the graphs."""
    return html.Span([html.I(className="swatch", style={"background": colour}), text])
