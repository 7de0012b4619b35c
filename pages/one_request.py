"""One request at an address of its own."""

from __future__ import annotations

from typing import Final

from dash import html, register_page

from components import one_request, panels
from components.access import context as present_context
from servescope.queries import requests as log

register_page(
    __name__,
    path_template="/requests/<request_id>",
    name="One request",
    title="One request · Servescope",
)

LONGEST_ID: Final = 18
"""Digits of an id: those of SQLite have 19 at most."""


def layout(request_id: object = "", **_query: object) -> html.Div:
    """The request of this id, or why it is not here."""
    text = str(request_id)
    is_id = text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID
    detail_id = int(text) if is_id else 0
    context = present_context().process.local
    row = log.one(context, detail_id)
    if row is None:
        return one_request.not_kept(detail_id, log.kept(context))
    around = log.surroundings(context, row)
    return html.Div(
        className="no-live one-request",
        children=[
            one_request.heading(row),
            panels.columns(
                one_request.time_panel(row, around),
                one_request.origin_panel(row),
                one_request.answer_panel(row),
            ),
        ],
    )
