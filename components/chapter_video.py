"""A video that a chapter's page plays from the listener `files`, and the requests for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dash import html

from components.delivery.security_headers import media_hosts
from components.help import attributes
from components.reach import reach
from components.status import sentence
from components.tables import figure_table
from servescope.demo.search import SITE
from servescope.figures import units
from servescope.queries import request_search
from servescope.queries.request_search import Search
from servescope.queries.span import Span
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from components.client import Visitor
    from servescope.queries.context import QueryContext
    from servescope.queries.rows import LogRow

LISTENER: Final = "files"
SHOWN_S: Final = 300
"""How far back the requests go."""

MOST_ROWS: Final = 10


def video_view(context: QueryContext, target: str, visitor: Visitor) -> list[Component]:
    """The player, and a link to the video; or why there is none."""
    heading = html.H3("A video, fetched in ranges", className="chapter-heading")
    status = next((one for one in context.process.listeners() if one.name == LISTENER), None)
    if status is None or status.state is not ListenerState.RUNNING:
        return [heading, html.P("The listener files would serve it, and does not run now.")]
    if Path(status.app) != SITE:
        return [heading, html.P("The listener files serves another folder than the one with it.")]
    reached = reach(status, visitor)
    if not reached.href:
        return [heading, html.P(sentence(reached.obstacle or "No browser reaches it"))]
    url = reached.href.rstrip("/") + target
    player: list[Component] = []
    if urlsplit(url).hostname in media_hosts(visitor):  # else our policy keeps it off the page
        player = [
            html.Video(
                src=url,
                controls=True,
                muted=True,
                preload="none",
                className="chapter-video",
                **attributes(aria_label="Requests that wait in a queue, as a film"),
            )
        ]
    return [
        heading,
        html.P(
            "Play it, and drag to another place: the browser asks the listener files for ranges of "
            "bytes. Its requests stand below, some seconds after the browser has its answer."
        ),
        *player,
        html.P(["Or ", html.A("play it in a tab of its own", href=url, target="_blank"), "."]),
    ]


def video_log(context: QueryContext, target: str) -> html.Div:
    """The requests for the video that the log has kept of late, the newest first."""
    newest = context.newest()
    rows: tuple[LogRow, ...] = ()
    if newest is not None:
        span = Span(newest - SHOWN_S, newest, 1)
        search = Search(listener=LISTENER, text=target, rows=MOST_ROWS)
        rows = request_search.find(context, span, search).rows
    return figure_table(
        ("Request", "Answered", "Status", "Bytes sent", "Took"),
        [
            (
                f"{row.method} {row.target}",
                html.Span(className="moment", **attributes(data_epoch_seconds=f"{row.end_s:.6f}")),
                str(row.status),
                units.text(row.bytes_sent, "By"),
                units.text(row.total_s, "s"),
            )
            for row in rows
        ],
        empty="No request for it in the last five minutes.",
        words=1,
        label="Requests for the video",
    )
