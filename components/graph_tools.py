"""The tools of a graph: its toolbar, the choice of events drawn, what a screen reader is told.

`assets/graph_*.js` carry them out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from dash import html

from components.help import attributes
from servescope.records.dashboard import EventKind

if TYPE_CHECKING:
    from components.live import LiveGraph

KEYS: Final = "graph-keys"
"""The id of the sentence about a graph's keys."""


def graph_tools(graph: LiveGraph) -> html.Div:
    """The toolbar of a graph, out of sight until the graph is pointed at or has the focus.

    `assets/graph_tools.js` makes its buttons with the graph: here each were a component, over which
    Dash takes as long as over any other.
    """
    return html.Div(
        className="graph-tools",
        role="toolbar",
        **attributes(aria_label=f"Tools of {graph.title}", data_graph=graph.id),
    )


def event_filter() -> html.Details:
    """The menu of events on graphs: the kinds that are drawn, and links to the load of the span.

    The browser makes both, and remembers the choice of kinds.
    """
    kinds = json.dumps([[kind, kind.label] for kind in EventKind])
    return html.Details(
        [
            html.Summary("Events", className="menu-button"),
            html.Div(
                [
                    html.Div(className="event-kinds", **attributes(data_kinds=kinds)),
                    html.Div(className="event-loads"),
                ],
                className="event-menu",
            ),
        ],
        className="event-filter",
    )


def announcement() -> html.Div:
    """The text about graphs for a screen reader: their keys, and the values at the cursor."""
    return html.Div(
        [
            html.P(
                "Left and right move the cursor, with shift ten points. Plus and minus zoom, 0 "
                "goes back to live. F fills the page with the graph, Escape goes back.",
                id=KEYS,
            ),
            html.P(id="graph-announcement", role="status"),
        ],
        className="visually-hidden",
    )
