"""The time bar: which span every graph and figure of a page is of, and how to reach another one.

The view lives in the browser: `assets/live_view.js` keeps it in the address, one history entry a
step, and answers all that is pressed here. `servescope.queries.span.View` reads it.
"""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, clientside_callback, html

from components.help import BUTTON, attributes
from components.live import VIEW
from components.status import HIDDEN, OWN_HOST
from servescope.queries.span import DEFAULT_RANGE, RANGES, Compared

TIME_FORMS: Final = "14:03, 2026-11-28 14:03:10, now-15m, now/d, today or now"
"""Ways to write a time; `assets/clock.js` reads them."""

NO_COMPARISON: Final = " "
"""The value of comparing with nothing: a choice needs one."""

COMPARISONS: Final = (
    (NO_COMPARISON, "Nothing"),
    (Compared.BEFORE, "The span before"),
    (Compared.DAY_BEFORE, "The day before"),
)
STEPS: Final = (
    ("time-back", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "Step back by the span"),
    ("time-forward", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}", "Step forward by the span"),
    ("time-out", "\N{MINUS SIGN}", "Zoom out"),
)
"""Buttons that move the span: id, sign, meaning."""


def time_bar() -> html.Div:
    """Ranges and steps, the span that is shown, and the form for any other one."""
    return html.Div(
        id="time-bar",
        className="time-bar",
        role="group",
        **attributes(aria_label="Time"),
        children=[
            html.Div(  # it scrolls, not the control, whose mark would not scroll with it
                dmc.SegmentedControl(
                    id="range",
                    value=DEFAULT_RANGE.key,
                    data=[{"value": entry.key, "label": entry.label} for entry in RANGES],
                    size="sm",
                    **attributes(aria_label="Range"),
                ),
                id="ranges",
                className="ranges",
            ),
            dmc.Button(
                "Pause", id="pause", variant="default", size="sm", miw=92, className="pause"
            ),
            html.Div(
                [*(_step(*one) for one in STEPS), _other_spans()],
                className="time-steps",
            ),
            dmc.Text(
                "Drag to zoom, double-click for live, space to pause",
                size="xs",
                c="dimmed",
                visibleFrom="lg",
                className="hint",
            ),
            html.Div(
                dmc.Select(
                    id="host",
                    data=[],
                    value=OWN_HOST,
                    size="sm",
                    w=240,
                    allowDeselect=False,
                    searchable=True,
                    **attributes(aria_label="Host"),
                ),
                id="host-picker",
                style=HIDDEN,
            ),
            dmc.Text(id="span-text", size="sm", c="dimmed", className="span-text"),
            html.Div(
                [
                    html.Span(id="view-text", role="status"),
                    html.A(id="view-requests", href="#", className="way-on", hidden=True),
                ],
                className="view-banner",
            ),
            html.Div(id="time-said", className="time-said", role="status"),
            dmc.Text(id="promise", size="xs", c="dimmed"),
        ],
    )


def connect() -> None:
    """Register the browser's callbacks."""
    clientside_callback(
        ClientsideFunction("view", "choose"),
        Output(VIEW, "data"),
        Input("range", "value"),
        Input("pause", "n_clicks"),
        Input("host", "value"),
    )
    clientside_callback(
        ClientsideFunction("view", "step"),
        Output("time-said", "children"),
        *(Input(name, "n_clicks") for name, _, _ in STEPS),
        Input("time-all", "n_clicks"),
        Input("time-run", "n_clicks"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("view", "apply"),
        Output("time-error", "children"),
        Input("time-apply", "n_clicks"),
        Input("time-from", "n_submit"),
        Input("time-to", "n_submit"),
        Input("time-from", "value"),
        Input("time-to", "value"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("view", "opened"),
        Output("time-from", "value"),
        Output("time-to", "value"),
        Input("time-popover", "opened"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("view", "compare"),
        Output("time-compare", "value"),
        Input("time-compare", "value"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("view", "zone"),
        Output("time-zone", "value"),
        Input("time-zone", "value"),
    )


def _step(button_id: str, sign: str, meaning: str) -> dmc.Button:
    return dmc.Button(
        sign,
        id=button_id,
        variant="default",
        size="sm",
        px=10,
        attributes={"root": {"title": meaning}},
        **attributes(aria_label=meaning),
    )


def _other_spans() -> dmc.Popover:
    """The form: from and to, whole spans, comparison, time zone."""
    fields: list[Any] = [
        dmc.TextInput(id=name, label=label, size="sm", autoComplete="off", spellCheck=False)
        for name, label in (("time-from", "From"), ("time-to", "To"))
    ]
    return dmc.Popover(
        [
            dmc.PopoverTarget("Span…", boxWrapperProps=BUTTON | {"className": "menu-button"}),
            dmc.PopoverDropdown(
                [
                    html.Div(fields, className="time-fields"),
                    dmc.Text(f"Write {TIME_FORMS}.", size="xs", c="dimmed", mt=4),
                    html.Div(id="time-error", className="time-said", role="alert"),
                    dmc.Group(
                        [
                            dmc.Button("Apply", id="time-apply", size="sm"),
                            dmc.Button(
                                "Since the start", id="time-all", size="sm", variant="default"
                            ),
                            dmc.Button("This run", id="time-run", size="sm", variant="default"),
                        ],
                        gap="xs",
                        mt="xs",
                    ),
                    _choice("Dashed lines in the graphs", "time-compare", COMPARISONS),
                    _choice(
                        "Times are of", "time-zone", (("local", "This browser"), ("utc", "UTC"))
                    ),
                ],
                id="time-form",
            ),
        ],
        id="time-popover",
        position="bottom-end",
        shadow="md",
        width=340,
        withinPortal=False,
        trapFocus=False,
    )


def _choice(label: str, control_id: str, choices: tuple[tuple[str, str], ...]) -> html.Div:
    return html.Div(
        [
            dmc.Text(label, size="sm", fw=500),
            dmc.SegmentedControl(
                id=control_id,
                value=choices[0][0],
                data=[{"value": value, "label": text} for value, text in choices],
                size="xs",
                fullWidth=True,
                **attributes(aria_label=label),
            ),
        ],
        className="time-choice",
    )
