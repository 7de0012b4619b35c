"""Cards: one figure with its unit, and what it says when it is bad."""

from __future__ import annotations

import re
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from components.help import help_mark
from servescope.figures import units

Props = dict[str, dict[str, Any]]

GOOD: Final = ""
WARN: Final = "warn"
BAD: Final = "bad"

_BEFORE_UNIT: Final = re.compile(r"(?<=\d) (?=(?:µs|ms|s|min|h|d|%)(?!\w))")


def stat_card(card_id: str, label: str, explained: str) -> dmc.Card:
    """A dimmed label above a large figure; `stat` fills it."""
    return dmc.Card(
        withBorder=True,
        padding="sm",
        className="stat-card",
        children=[
            html.Div(
                [dmc.Text(label, size="sm", c="dimmed"), help_mark(explained)],
                className="card-heading",
            ),
            html.Div(
                [
                    html.Span(units.NOTHING, id=f"{card_id}-value", className="stat-value"),
                    html.Span(id=f"{card_id}-unit", className="stat-unit"),
                ],
                className="stat-figure",
            ),
            html.Div(id=f"{card_id}-note", className="stat-note"),
            html.Div(className="as-of"),
        ],
    )


def stat(
    card_id: str,
    value: float | None,
    unit: str,
    *,
    bound: str = "",
    state: str = GOOD,
    note: str = "",
    note_state: str = GOOD,
) -> Props:
    """Properties of a card; the figure takes colour only when its `state` is not good.

    The note has the colour of `note_state` where what it tells is not good, else the figure's.
    `bound` stands before the figure: `≥ ` where it is a lower bound. No line of the note ends
    between a number and its unit.
    """
    note = _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", note)
    number, suffix = units.quantity(value, unit)
    return {
        f"{card_id}-value": {
            "children": f"{bound}{number}",
            "className": f"stat-value {state}".strip(),
        },
        f"{card_id}-unit": {"children": suffix},
        f"{card_id}-note": {
            "children": note,
            "className": f"stat-note {note_state or state}".strip(),
        },
    }
