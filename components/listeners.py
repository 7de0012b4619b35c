"""The listeners hosted here, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from components.reach import notes, reach
from components.tables import CARDS, named_cell
from servescope.records.listeners import ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.client import Visitor
    from components.reach import Reach
    from servescope.records.listeners import ListenerStatus


def listener_table(listeners: Sequence[ListenerStatus], visitor: Visitor) -> html.Div:
    """Name, link, state, from where it is reached, model, app, and what there is to say."""
    if not listeners:
        return html.Div("No listener has been started yet.", className="dimmed")
    titles = ("Name", "Address", "State", "Reached from", "Model", "App")
    head = html.Tr([html.Th(text) for text in titles])
    rows = [_row(one, reach(one, visitor)) for one in listeners]
    return html.Div(
        [
            html.Div(
                html.Table([html.Thead(head), html.Tbody(rows)], className=f"{CARDS} listeners"),
                className="rows",
            ),
            *reach_notes(listeners, visitor),
        ]
    )


def link(found: Reach) -> html.A | str:
    """The listener's URL as a link where this visitor can open it, else as a text."""
    if not found.href:
        return found.place
    return html.A(found.place, href=found.href, target="_blank", rel="noreferrer")


def reach_notes(listeners: Sequence[ListenerStatus], visitor: Visitor) -> list[html.Div]:
    """Why this visitor cannot reach some of them, and what changes that."""
    return [html.Div(text, className="reach-note") for text in notes(listeners, visitor)]


def _row(status: ListenerStatus, found: Reach) -> html.Tr:
    return html.Tr(
        [
            html.Td(html.B(status.name), className="name"),
            html.Td(link(found)),
            html.Td(
                html.Span(status.state.value, className=f"state {status.state.value}"),
                className="of-state",
            ),
            named_cell(found.origin, "Reached from"),
            named_cell(ConcurrencyModel(status.model).label, "Model"),
            named_cell(_app(status), "App"),
        ]
    )


def _app(status: ListenerStatus) -> html.Div:
    said = [html.Div(status.message, className="dimmed")] if status.message else []
    return html.Div([html.Span(short_app(status.app), title=status.app), *said])


def short_app(app: str) -> str:
    """An import name as it is; of a folder its last part."""
    return app if ":" in app else f"…/{app.rstrip('/').rpartition('/')[2]}/"
