"""The control that switches the capture of requests on and off, with how far it has come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, ctx, html

from components import access
from components.action_bar import action_bar, needs_connection
from components.help import BUTTON
from components.page_links import linked
from components.status import sentence
from servescope.actions.captures import LONGEST_S, MOST_REQUESTS, CaptureRequest
from servescope.errors import ServescopeError
from servescope.figures import units
from servescope.queries.traffic import listener_names
from servescope.records.captures import CaptureState

if TYPE_CHECKING:
    from components.live import Props
    from servescope.queries.context import QueryContext
    from servescope.records.captures import Capture

DEFAULT_COUNT: Final = 20
DEFAULT_SECONDS: Final = 60
_FIELDS: Final = ("count", "seconds", "listener", "route", "header", "slower")
_ENDS: Final = {
    CaptureState.COMPLETE: "complete",
    CaptureState.EXPIRED: "its time is over",
    CaptureState.STOPPED: "stopped",
}


def state_text(capture: Capture | None, now_s: float) -> str:
    """How far a capture has come, in a few words; empty where there was none."""
    if capture is None:
        return ""
    order = capture.order
    if capture.state is CaptureState.CAPTURING:
        left = units.text(max(round(order.until_s - now_s), 0), "s")
        return f"capturing: {capture.captured} of {order.count}, ends in {left}"
    return f"captured {capture.captured} of {order.count}: {_ENDS[capture.state]}"


def props(context: QueryContext) -> Props:
    """The state of the capture, as of now."""
    newest = context.process.snapshots.get("capture", context.process.control.captures.newest)
    is_on = newest is not None and newest.state is CaptureState.CAPTURING
    return {
        "capture-state": {"children": state_text(newest, time.time())},
        "capture-stop": {"display": "block" if is_on else "none"},
        "capture-listener": {"data": listener_names(context.process.home)},
    }


def capture_control() -> html.Div:
    """The button with its form behind it, the state beside it."""
    reason = access.why_not()
    told = linked(sentence(reason)) if reason else ""
    fields = [
        dmc.Group(
            [
                _number("count", "Requests", DEFAULT_COUNT, MOST_REQUESTS),
                _number("seconds", "For at most, s", DEFAULT_SECONDS, int(LONGEST_S)),
            ],
            grow=True,
        ),
        dmc.Select(
            id="capture-listener",
            label="Listener",
            data=[],
            placeholder="Any",
            clearable=True,
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(id="capture-route", label="Route", placeholder="Any, or as /notes/<id>"),
        dmc.TextInput(
            id="capture-header",
            label="Request header",
            placeholder="Any, or as X-Debug: yes",
            description="A name, or a name with a part of its value",
        ),
        dmc.TextInput(id="capture-slower", label="Slower than, ms", placeholder="Any duration"),
        dmc.Checkbox(id="capture-query", label="Mask every value of a query", checked=False),
        dmc.Text(
            "Credentials, cookies and fields named like passwords or tokens are masked before "
            "anything is written. Content that is no text, form or JSON is not kept.",
            size="xs",
            c="dimmed",
        ),
        action_bar(
            dmc.Button("Start", id="capture-start", disabled=bool(reason)),
            dmc.Text(told, id="capture-message", size="sm", c="red"),
        ),
    ]
    return html.Div(
        [
            needs_connection(
                dmc.Popover(
                    [
                        dmc.PopoverTarget(
                            "Capture", boxWrapperProps=BUTTON | {"className": "menu-button"}
                        ),
                        dmc.PopoverDropdown(dmc.Stack(fields, gap="xs")),
                    ],
                    id="capture-popover",
                    width=320,
                    position="bottom-end",
                    shadow="md",
                    withinPortal=False,
                    keepMounted=True,
                )
            ),
            html.Span(id="capture-state", role="status", className="capture-state"),
            action_bar(
                dmc.Button(
                    "Stop",
                    id="capture-stop",
                    size="compact-sm",
                    variant="default",
                    display="none",
                    disabled=bool(reason),
                )
            ),
        ],
        className="capture-control",
    )


def _number(name: str, label: str, value: int, most: int) -> dmc.NumberInput:
    return dmc.NumberInput(
        id=f"capture-{name}",
        label=label,
        value=value,
        min=1,
        max=most,
        clampBehavior="none",
        allowDecimal=False,
    )


def connect() -> None:
    """Register the control's callbacks; once, by the page that shows it."""

    @callback(
        Output("capture-message", "children"),
        Output("capture-popover", "opened"),
        Input("capture-start", "n_clicks"),
        Input("capture-stop", "n_clicks"),
        *(State(f"capture-{name}", "value") for name in _FIELDS),
        State("capture-query", "checked"),
        prevent_initial_call=True,
    )
    def change(_start: object, _stop: object, *values: object) -> tuple[str, bool]:
        """Start or stop; the answer is why it was refused, empty when it was not."""
        try:
            if ctx.triggered_id == "capture-stop":
                access.dashboard().stop_capture()
            else:
                access.dashboard().start_capture(CaptureRequest(*values))
        except ServescopeError as error:
            return sentence(error), True
        return "", False
