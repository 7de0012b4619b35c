"""The listeners hosted here, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import html

from servescope.records import ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records import ListenerStatus

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - read, not bound
_MODELS: Final = {"thread_pool": "thread pool", "asyncio": "event loop"}


def listener_url(status: ListenerStatus) -> str:
    """Where a browser on this machine finds the listener."""
    address = _EVERYWHERE.get(status.address, status.address)
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    return f"http://{host}:{status.port}/"


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
    running = status.state is ListenerState.RUNNING
    url = listener_url(status)
    link = html.A(url, href=url, target="_blank", rel="noreferrer") if running else url
    return html.Tr(
        [
            html.Td(html.B(status.name)),
            html.Td(link),
            html.Td(html.Span(status.state.value, className=f"state {status.state.value}")),
            html.Td(_MODELS.get(status.model, status.model)),
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
