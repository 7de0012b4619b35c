"""Small tables of figures that a poll replaces as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import html

from components.help import attributes
from components.page_links import linked
from servescope.figures.units import with_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash.development.base_component import Component

    from servescope.figures.units import Duration

    Cell = str | Component

MOST_CHARACTERS: Final = 35
"""Characters of headings and figures that a phone has room for; with more a row is a card there."""

FIGURE_CHARACTERS: Final = 7
"""Of a column of figures, such as 12.3 ms, whatever its heading."""

CARDS: Final = "by-card"
"""The class of a table whose rows are cards on a phone: texts first, then what has a name."""


def figure_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell | Duration]],
    *,
    empty: str,
    words: int = 1,
    label: str = "",
) -> html.Div:
    """A table that scrolls inside its panel; the first `words` columns are text, the rest figures.

    Durations among the cells are written as everywhere. `empty` stands in its place when there are
    no rows. With a `label` it takes the focus, so that it can be scrolled by keyboard where a
    window cannot hold it. On a phone each row is a card where its columns are many or wide.
    """
    if not rows:
        return html.Div(linked(empty), className="dimmed")
    kinds = ["" if index < words else "number" for index in range(len(headings))]
    head = html.Tr(
        [html.Th(text, className=kind) for text, kind in zip(headings, kinds, strict=True)]
    )
    names = ["" if index < words else text for index, text in enumerate(headings)]
    body = [named_row(row, names, kinds) for row in with_texts(rows)]
    table = html.Table(
        [html.Thead(head), html.Tbody(body)],
        className=CARDS if _is_wide(headings) else "",
    )
    return html.Div(table, className="rows", **scrolled(label))


def _is_wide(headings: Sequence[str]) -> bool:
    return sum(max(len(text), FIGURE_CHARACTERS) for text in headings) > MOST_CHARACTERS


def named_row(cells: Sequence[Cell], names: Sequence[str], kinds: Sequence[str]) -> html.Tr:
    """A row of cells with their names and classes (see `named_cell`)."""
    return html.Tr([named_cell(*one) for one in zip(cells, names, kinds, strict=True)])


def named_cell(cell: Cell, name: str, kind: str = "") -> html.Td:
    """A cell; in a card, where no heading stands above it, its `name` does."""
    return html.Td(cell, className=kind, **(attributes(data_name=name) if name else {}))


def scrolled(label: str) -> dict[str, Any]:
    """Properties of what scrolls by keyboard, too; none without a label."""
    if not label:
        return {}
    return {"tabIndex": 0, "role": "region", **attributes(aria_label=label)}


def swatch(text: str, colour: str) -> html.Span:
    """A name with the colour it has in the graphs."""
    return html.Span([html.I(className="swatch", style={"background": colour}), text])
