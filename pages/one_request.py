"""One request at an address of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import html, register_page

from components import captured_request, one_request, panels, send_again
from components.access import context as present_context
from components.status import sentence
from servescope.errors import CaptureError
from servescope.queries import captures
from servescope.queries import requests as log
from servescope.queries.traffic import server_kinds
from servescope.whole_numbers import HIGHEST_ID, read_whole_number

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import LogRow
    from servescope.records.listeners import ListenerStatus

register_page(
    __name__,
    path_template="/requests/<request_id>",
    name="One request",
    title="One request · Servescope",
)

NOT_CAPTURED: Final = (
    "This request was not captured. Switch Capture on, on the page Requests, and the next requests "
    "that match are kept with their bytes and steps."
)
NO_LONGER_CAPTURED: Final = (
    "It was captured, but that is no longer kept: the settings bound how many captured requests "
    "are kept, how large and how long. Or it is being written right now: load the page again."
)

send_again.connect()


def layout(request_id: object = "", **_query: object) -> html.Div:
    """The request of this id, or why it is not here."""
    detail_id = read_whole_number(str(request_id), HIGHEST_ID)
    if not detail_id:
        return one_request.no_number()
    context = present_context().process.local
    row = log.one(context, detail_id)
    if row is None:
        return one_request.not_kept(detail_id, log.kept(context))
    around = log.surroundings(context, row)
    listeners = context.process.listeners()
    listener = next((one for one in listeners if one.name == row.listener), None)
    return html.Div(
        className="no-live one-request",
        children=[
            one_request.heading(row),
            panels.columns(
                one_request.time_panel(row, around),
                one_request.origin_panel(row),
                one_request.answer_panel(row, server_kinds(context)(row.listener)),
            ),
            *_captured(context, row, listener),
        ],
    )


def _captured(
    context: QueryContext, row: LogRow, listener: ListenerStatus | None
) -> list[Component]:
    """The captured parts of the request, or why there are none; and the panel to send it again."""
    document, why = None, NOT_CAPTURED
    if row.capture_id:
        try:
            document, why = captures.captured(context, row.capture_id), NO_LONGER_CAPTURED
        except CaptureError as error:
            why = sentence(error)
    if document is None:
        shown = captured_request.not_captured(why, row, listener)
    else:
        shown = captured_request.captured(document, listener)
    return [shown, send_again.panel(context, row, document)]
