"""The listeners hosted here, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from servescope.records.listeners import UNIX, ConcurrencyModel, ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records.listeners import ListenerStatus


def listener_table(listeners: Sequence[ListenerStatus]) -> html.Div:
    """Name, link, state, model, app, and what there is to say."""
    if not listeners:
        return html.Div("No listener has been started yet.", className="dimmed")
    head = html.Tr([html.Th(text) for text in ("Name", "Address", "State", "Model", "App")])
    return html.Div(
        html.Table([html.Thead(head), html.Tbody([_row(one) for one in listeners])]),
        className="rows",
    )


def _row(status: ListenerStatus) -> html.Tr:
    url = status.url
    has_link = status.state is ListenerState.RUNNING and not url.startswith(UNIX)
    link = html.A(url, href=url, target="_blank", rel="noreferrer") if has_link else url
    return html.Tr(
        [
            html.Td(html.B(status.name)),
            html.Td(link),
            html.Td(html.Span(status.state.value, className=f"state {status.state.value}")),
            html.Td(ConcurrencyModel(status.model).label),
            html.Td(
                [
                    html.Span(short_app(status.app), title=status.app),
                    *([html.Div(status.message, className="dimmed")] if status.message else []),
                ]
            ),
        ]
    )


def short_app(app: str) -> str:
    """An import name as it is; of a folder its last part."""
    return app if ":" in app else f"…/{app.rstrip('/').rpartition('/')[2]}/"
