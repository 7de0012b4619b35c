"""Send a request again to a listener that is hosted here, and compare the two."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, dcc, html

from components import access, captured_request, panels
from components.action_bar import action_bar
from components.listener_choices import choices, hint, standing
from components.one_request import address_of
from components.page_links import Linked, linked
from components.status import sentence
from components.tables import figure_table
from servescope.actions.send_again import RequestAgain, is_recorded, needs_confirmation
from servescope.errors import ServescopeError
from servescope.figures import units
from servescope.queries import captures
from servescope.queries import requests as log
from servescope.queries.request_words import route_words, status_words
from servescope.recording.detail_layout import TEXT_LIMITS, DetailTexts
from servescope.recording.secret_names import MASK
from servescope.whole_numbers import HIGHEST_ID

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from servescope.actions.send_again import Answer
    from servescope.queries.context import QueryContext
    from servescope.queries.rows import LogRow

SHOWN_WITHIN_S: Final = 4.0
"""How long the request that was sent again is waited for: the log has it with the next second."""

LONGEST_TARGET: Final = TEXT_LIMITS[DetailTexts._fields.index("target")]
"""Bytes of a target that the request log keeps."""

HELP: Final = (
    "To a listener that is hosted here, and to nowhere else. The two are compared as the server "
    "recorded them."
)
NOT_RECORDED: Final = "Its method and its target were not recorded, so it cannot be sent again."
_STEP_S: Final = 0.1


def panel(context: QueryContext, row: LogRow, document: dict[str, Any] | None) -> dmc.Card:
    """The choice of a listener, the button, and a place for the comparison."""
    if document is None and not is_recorded(row.method, row.target):
        return panels.panel("Send again", HELP, html.P(NOT_RECORDED), wide=True)
    reason = access.why_not()
    told = linked(sentence(reason)) if reason else ""
    listeners = standing(context.process.listeners())
    names = [one.name for one in listeners]
    return panels.panel(
        "Send again",
        HELP,
        html.P(_extent(row, document)),
        dcc.Store(id="again-request", data={"id": row.id}),
        html.Div(
            action_bar(
                dmc.Select(
                    id="again-listener",
                    label="To the listener",
                    data=choices(listeners),
                    value=row.listener if row.listener in names else None,
                    w=220,
                ),
                dmc.Button("Send again", id="again-send", disabled=bool(reason)),
            ),
            className="actions",
        ),
        hint("again", listeners),
        dmc.Checkbox(
            id="again-confirmed",
            label=f"Send it although {row.method} may change something",
            checked=False,
            mt="xs",
            display="block" if needs_confirmation(row.method) else "none",
        ),
        dmc.Text(told, id="again-message", size="sm", c="red"),
        html.Div(id="again-compared", role="status"),
        wide=True,
    )


def _extent(row: LogRow, document: dict[str, Any] | None) -> str:
    """How far the request that is sent is the one that came."""
    parts = []
    if document is None:
        cut = len(row.target.encode()) >= LONGEST_TARGET
        parts.append(
            "It was not captured, so only its method and its target are sent"
            + (f", cut after {LONGEST_TARGET} bytes" if cut else "")
        )
    else:
        why = captured_request.why_not_whole(document)
        parts.append(
            "It is sent as it was captured" + (f", without its body: {why}" if why else "")
        )
    if MASK in row.target or (document is not None and MASK in document["request"]["head"]):
        parts.append(f"secrets that were masked are sent as {MASK}")
    return "; ".join(parts) + "."


def request_again(
    row: LogRow, document: dict[str, Any] | None, *, is_confirmed: bool
) -> RequestAgain:
    """The request as far as it is known."""
    if document is None:
        return RequestAgain(row.method, row.target, is_confirmed=is_confirmed)
    return RequestAgain(
        document["method"],
        document["target"],
        captured_request.head_fields(document),
        b"" if captured_request.why_not_whole(document) else captured_request.content(document),
        is_confirmed,
    )


def connect() -> None:
    """Register the callback; once, by the page that shows the panel."""

    @callback(
        Output("again-message", "children"),
        Output("again-compared", "children"),
        Input("again-send", "n_clicks"),
        State("again-request", "data"),
        State("again-listener", "value"),
        State("again-confirmed", "checked"),
        prevent_initial_call=True,
        running=[(Output("again-send", "loading"), True, False)],
    )
    def send(
        _clicks: object, told: dict[str, Any] | None, listener: object, confirmed: object
    ) -> tuple[Linked, Component | str]:
        """Send the request again; what came of it, or why it was not sent."""
        context = access.context().process.local
        number = (told or {}).get("id")
        row = None
        if type(number) is int and 0 < number <= HIGHEST_ID:
            row = log.one(context, number)
        if row is None:
            return "The request is no longer kept.", ""
        try:
            document = captures.captured(context, row.capture_id) if row.capture_id else None
            request = request_again(row, document, is_confirmed=bool(confirmed))
            answer = access.dashboard().send_again(listener, request)
            again = _recorded(context, answer)
        except ServescopeError as error:
            return linked(sentence(error)), ""
        return "", compared(row, again, answer)


def _recorded(context: QueryContext, answer: Answer) -> LogRow | None:
    """The request in the log, once it is there; None when the sample left it out."""
    give_up = time.monotonic() + SHOWN_WITHIN_S
    while time.monotonic() < give_up:
        again = log.of_trace(context, answer.trace_id)
        if again is not None:
            return again
        time.sleep(_STEP_S)
    return None


def compared(row: LogRow, again: LogRow | None, answer: Answer) -> html.Div:
    """The two side by side: status, stages, size."""
    told = (
        f"Answered with {answer.status} after {units.text(answer.took_s, 's')}, as its client saw "
        f"it; {units.text(answer.size_bytes, 'By')} of content"
        + (", cut off there." if answer.is_cut else ".")
    )
    if again is None:
        return html.Div(
            [
                html.P(told),
                html.P("The request log, which is a sample, does not show it: try once more."),
            ]
        )
    rows: list[tuple[Component | str | units.Duration, ...]] = [
        ("status", status_words(row.status), str(again.status)),
        ("route", route_words(row.route), route_words(again.route)),
        ("sent", units.text(row.bytes_sent, "By"), units.text(again.bytes_sent, "By")),
        ("whole", units.Duration(row.total_s), units.Duration(again.total_s)),
    ]
    rows += [
        (stage, units.Duration(seconds), units.Duration(again.stages_s.get(stage)))
        for stage, seconds in row.stages_s.items()
    ]
    return html.Div(
        [
            html.P(told),
            figure_table(("", "This request", "Sent again"), rows, empty=""),
            dcc.Link("Open the request that was sent again", href=address_of(again.id)),
        ]
    )
