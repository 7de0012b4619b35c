"""A video that a chapter's page plays from the listener `files`, and the requests for it.

The log knows no range: it would cost each request of each server. Those that a person has captured
are whole, and tell theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import dash_mantine_components as dmc
from dash import html

from components import forms
from components.delivery.security_headers import media_hosts
from components.help import attributes
from components.reach import reach
from components.status import sentence
from components.tables import figure_table
from servescope.actions.captures import CaptureRequest
from servescope.demo.search import SITE
from servescope.errors import CaptureError
from servescope.figures import units
from servescope.queries import captures, request_search
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
RANGES: Final = "chapter-ranges"
"""The id of the button that has the next requests captured."""

RANGES_ANSWER: Final = "chapter-ranges-answer"
RANGES_CAPTURE: Final = CaptureRequest(
    count=20, seconds=120, listener=LISTENER, route="", header="range"
)
"""The next requests that ask for a range."""


def video_view(
    context: QueryContext, target: str, visitor: Visitor, why_not: str
) -> list[Component]:
    """The player, a link to the video, and the button for its ranges; or why there is none.

    `why_not` says why this visitor may capture nothing.
    """
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
            "The film shows requests that wait in a queue. Play it, and drag to another place: "
            "the browser asks the listener “files” for ranges of bytes. Its requests stand in a "
            "table below, some seconds after the browser has its answer. The request log does not "
            "keep which range was asked for. To see that too, press this button before you play."
        ),
        forms.actions(
            dmc.Button("Capture the ranges", id=RANGES, variant="default", disabled=bool(why_not)),
            answer_id=RANGES_ANSWER,
            why_not=why_not,
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
        ("Request", "Answered", "Status", "Range: asked, answered", "Bytes sent", "Took"),
        [
            (
                f"{row.method} {row.target}",
                html.Span(className="moment", **attributes(data_epoch_seconds=f"{row.end_s:.6f}")),
                str(row.status),
                _ranges(context, row.capture_id),
                units.text(row.bytes_sent, "By"),
                units.Duration(row.total_s),
            )
            for row in rows
        ],
        empty="No request for it in the last five minutes.",
        words=1,
        label="Requests for the video",
    )


def _ranges(context: QueryContext, capture_id: int) -> str:
    """The fields Range and Content-Range of a captured request; or that it was not captured."""
    if not capture_id:
        return "not captured"
    try:
        document = captures.captured(context, capture_id)
    except CaptureError:
        document = None
    if document is None:
        return "no longer kept"
    asked = _field(document["request"]["head"], "range") or "none"
    return f"{asked}, {_field(document['response']['head'], 'content-range') or 'none'}"


def _field(head: str, name: str) -> str:
    """The value of a header field, empty without one."""
    for line in head.split("\r\n")[1:]:
        known, _, value = line.partition(":")
        if known.lower() == name:
            return value.strip()
    return ""
