"""The form that starts a load run: four fields, and below them schedule, mix, rules and file.

The rows of the mix are the browser's (`assets/load_form.js`), which keeps them in a store. While
the field of the file holds text, that text says what is sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, clientside_callback, dcc, html, no_update

from components import forms
from components.help import attributes
from components.listener_choices import choices, hint, preferred
from components.load_run import DEFAULT_REQUEST, SUGGESTED
from components.start_button import start_actions
from components.status import sentence
from servescope.actions.fields import number_of
from servescope.actions.load_runs import LoadRunRequest, read_scenario
from servescope.errors import ServescopeError
from servescope.figures import units
from servescope.queries import recorded_traffic
from servescope.queries.span import View
from servescope.records.scenarios import BodyKind
from servescope.scenarios import bounds, rules
from servescope.scenarios.checks import check_factor
from servescope.scenarios.flow_checks import METHODS
from servescope.scenarios.scenario_file import ScenarioFile, to_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.page_links import Linked
    from servescope.queries.context import QueryContext
    from servescope.records.listeners import ListenerStatus

FIELDS: Final = ("load-listener", "load-target", "load-rate", "load-seconds")
"""Ids of the fields that each run has, in the order of LoadRunRequest."""

KIND: Final = "load-kind"
SCHEDULE: Final = {
    "load-from-rate": "from_rate",
    "load-step-rates": "rates",
    "load-peak-rate": "peak_rate",
    "load-peak-at": "peak_at",
    "load-peak-seconds": "peak_seconds",
    "load-users": "users",
    "load-think-seconds": "think_seconds",
}
"""Ids of the fields that some schedules have, and what a request calls them."""

FILE: Final = "load-file"
SHOW: Final = "load-show-file"
RECORD: Final = "load-record"
FACTOR: Final = "load-factor"
"""How many times as many requests a recording sends."""

MIX: Final = "load-mix"
KEEP_ALIVE: Final = "load-keep-alive"
RULES: Final = "load-rules"
AUTO_STOP: Final = "load-auto-stop"
ANSWER: Final = "load-answer"
STATES: Final = (
    *(State(field, "value") for field in (*FIELDS, KIND, *SCHEDULE, RULES, FILE)),
    State(KEEP_ALIVE, "checked"),
    State(AUTO_STOP, "checked"),
    State(MIX, "data"),
)
"""All that the form says; `request` takes the values in this order."""

NAMED_HOSTS: Final = "Named hosts"
RECORDED_APPS: Final = "Apps that record here"

_KINDS: Final = (
    ("constant", "Constant: evenly spaced"),
    ("poisson", "Poisson: as independent visitors come"),
    ("ramp", "Ramp: from one rate to another"),
    ("steps", "Steps: one rate after the other"),
    ("spike", "Spike: a burst within a constant rate"),
    ("users", "Users: the closed model"),
)


def load_form(
    listeners: Sequence[ListenerStatus],
    apps: Sequence[str],
    load_hosts: Sequence[str],
    bounds_text: str,
    why_not: str,
) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be started.

    `apps` record here under other servers; `bounds_text` are the sentences on the bounds of a run.
    """
    chosen = preferred(listeners, str(DEFAULT_REQUEST.listener))
    fields = [
        dmc.Select(
            id="load-listener",
            label=aim_label(apps, load_hosts),
            data=aims(choices(listeners) or [chosen], apps, load_hosts),
            value=chosen,
            allowDeselect=False,
            **room_for(load_hosts),
        ),
        dmc.Autocomplete(
            id="load-target",
            label="Path and query",
            data=SUGGESTED.get(chosen, ["/"]),
            value=DEFAULT_REQUEST.target,
            className="of-fields",
        ),
        _number("load-rate", "Requests per second", DEFAULT_REQUEST.rate, 100, "of-fields of-rate"),
        _number("load-seconds", "Seconds", DEFAULT_REQUEST.seconds, 10, "of-fields"),
        html.Div(
            [
                html.P("The scenario file under More says what is sent."),
                _button("Use the fields again", data_clear=FILE),
            ],
            className="of-file",
        ),
        _more(bounds_text),
    ]
    return html.Div(
        [
            forms.form(fields, ANSWER, "load-start"),
            hint("load", listeners),
            start_actions("load", "Start", "Stop", answer_id=ANSWER, why_not=why_not),
        ],
        id="load-form",
        className="schedule-constant",
    )


def room_for(load_hosts: Sequence[str]) -> dict[str, Any]:
    """Properties of a Select of `aims`: an origin is long, and never cut."""
    if not load_hosts:
        return {}
    return {
        "className": "wide",
        "comboboxProps": {"width": "max-content", "position": "bottom-start"},
    }


def aim_label(apps: Sequence[str], load_hosts: Sequence[str]) -> str:
    """The label of a Select of `aims`: the kinds of servers that it offers."""
    kinds = ["Listener", *(["app"] if apps else []), *(["host"] if load_hosts else [])]
    return " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))


def aims(
    listeners: Sequence[Any], apps: Sequence[str] = (), load_hosts: Sequence[str] = ()
) -> list[Any]:
    """The choices of where load aims, in groups where there is more than listeners.

    `listeners` as `listener_choices.choices` gives them; `apps` record here under other servers,
    `load_hosts` are origins that the operator named.
    """
    groups = {"Listeners": listeners, RECORDED_APPS: apps, NAMED_HOSTS: load_hosts}
    if not (apps or load_hosts):
        return list(listeners)
    return [{"group": name, "items": list(items)} for name, items in groups.items() if items]


def request(*values: object) -> LoadRunRequest:
    """The load run that the form describes, by the values of STATES, in their order."""
    told = dict(zip((state.component_id for state in STATES), values, strict=True))
    mix = told[MIX]
    rows = mix.get("rows") if isinstance(mix, dict) else None
    is_mix = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    listener, target, rate, seconds = (told[field] for field in FIELDS)
    return LoadRunRequest(
        listener,
        target,
        rate,
        seconds,
        schedule={"kind": told[KIND], **{name: told[field] for field, name in SCHEDULE.items()}},
        requests=tuple(rows) if is_mix and rows else (),
        keep_alive=told[KEEP_ALIVE] is not False,
        rules=told[RULES] or "",
        auto_stop=told[AUTO_STOP] is True,
        file=told[FILE] or "",
    )


def as_file(asked: LoadRunRequest) -> tuple[Any, Linked, str]:
    """The scenario of a request as the text of a file, and the answer; or why there is none."""
    try:
        text = to_toml(ScenarioFile(read_scenario(asked)))
    except ServescopeError as error:
        return no_update, *forms.refused(sentence(error))
    return text, *forms.done("The scenario file has what the fields say; Start sends what it says.")


def recorded(
    context: QueryContext, listener: object, factor: object, view: object
) -> tuple[Any, Linked, str]:
    """The last minute of a view of a listener's traffic as the text of a file, and the answer."""
    try:
        times = number_of("times", "the factor", factor)
        found = recorded_traffic.recorded_minute(context, str(listener), times, View.read(view))
        check_factor(times)
    except ServescopeError as error:
        return no_update, *forms.refused(sentence(error))
    return to_toml(ScenarioFile(found.scenario)), *forms.done(found.told)


def connect() -> None:
    """Have the browser show the fields of the chosen schedule and the rows of the mix by itself."""
    forms.forget_refusals(*FIELDS, KIND, *SCHEDULE, RULES, FILE, FACTOR)
    clientside_callback(
        ClientsideFunction("load_form", "shape"),
        Output("load-form", "className"),
        Input(KIND, "value"),
        Input(FILE, "value"),
    )
    clientside_callback(ClientsideFunction("load_form", "show"), Input(MIX, "data"))


def _more(bounds_text: str) -> html.Details:
    return html.Details(
        [
            html.Summary("More: schedule, mix, rules, file"),
            html.Div(
                [
                    dmc.Select(
                        id=KIND,
                        label="Schedule",
                        data=[{"value": kind, "label": label} for kind, label in _KINDS],
                        value="constant",
                        allowDeselect=False,
                        className="wide",
                    ),
                    _number("load-from-rate", "From requests per second", 0, 100, "of-ramp"),
                    dmc.TextInput(
                        id="load-step-rates",
                        label="Requests per second, one by one",
                        value="100, 200, 400",
                        className="of-steps wide",
                        description="Each for an equal part of the seconds.",
                    ),
                    _number("load-peak-rate", "At the peak, per second", 1_000, 100, "of-spike"),
                    _number("load-peak-at", "Peak begins after, seconds", 10, 1, "of-spike"),
                    _number("load-peak-seconds", "Peak lasts, seconds", 5, 1, "of-spike"),
                    _number("load-users", "Users", 10, 1, "of-users"),
                    _number("load-think-seconds", "Think time, seconds", 1, 1, "of-users"),
                    html.P(
                        "Each user waits for the answer and thinks before the next request: a slow "
                        "server is asked less often, and its latencies look better than those "
                        "that people would have.",
                        className="of-users wide dimmed",
                    ),
                    dmc.Switch(
                        id=KEEP_ALIVE,
                        label="Keep connections alive",
                        checked=True,
                        className="wide",
                    ),
                ],
                className="load-form of-fields",
            ),
            html.Div(
                id="load-mix-rows",
                className="of-fields",
                **attributes(
                    data_mix=MIX,
                    data_methods=json.dumps(METHODS),
                    data_body_kinds=json.dumps([kind.value for kind in BodyKind]),
                ),
            ),
            _button("Add a request to the mix", data_mix_add=MIX),
            dcc.Store(id=MIX, data={"rows": []}),
            html.Div(
                [
                    dmc.Textarea(
                        id=RULES,
                        label="Rules, one a line",
                        description="The run shows which of them pass. To judge one request of "
                        "the mix alone, write its name and a colon before the rule.",
                        placeholder="\n".join(rules.EXAMPLES),
                        autosize=True,
                        minRows=3,
                        maxRows=rules.MOST_RULES,
                        value="",
                    ),
                    dmc.Switch(
                        id=AUTO_STOP,
                        label="Stop the run when a rule can no longer pass",
                        checked=False,
                        mt=10,
                    ),
                ],
                className="of-fields",
            ),
            dmc.Textarea(
                id=FILE,
                label="Scenario file (TOML)",
                description="Says what the fields cannot: flows of several steps, carried "
                "values, data and WebSockets. While it is empty, the fields above say what is "
                "sent.",
                autosize=True,
                minRows=2,
                maxRows=16,
                value="",
                mt=10,
            ),
            html.Div(
                [
                    html.Button(
                        "Show the fields as a file",
                        id=SHOW,
                        type="button",
                        className="card-action of-fields",
                    ),
                    _button("Open a file…", data_open=FILE, data_answer_id=ANSWER),
                    _button("Save as a file", data_save=FILE, data_answer_id=ANSWER),
                ],
                className="card-actions",
            ),
            html.Div(
                [
                    _number(FACTOR, "Recorded traffic, times", 1, 0.5),
                    html.Button(
                        "Record a minute",
                        id=RECORD,
                        type="button",
                        className="card-action",
                    ),
                    html.P(
                        "The last minute that the graphs show of this listener, second by second "
                        "and route by route; choose another one in the time bar. It may be sent "
                        f"{bounds.MIN_FACTOR:g} to {bounds.MAX_FACTOR:g} times.",
                        className="wide dimmed",
                    ),
                ],
                className="load-form",
            ),
            html.P(bounds_text, className="dimmed"),
        ],
        className="more",
    )


def bounds_text(max_rate: int, max_seconds: int) -> str:
    """The bounds of a run, in two sentences."""
    return (
        f"A schedule has at most {max_rate:,} requests/s; of users the rate follows from the "
        f"answers, and has no bound of its own. A run has at most {max_seconds:,} s and "
        f"{bounds.MAX_REQUESTS:,} requests, {bounds.MAX_CONNECTIONS:,} connections or users, "
        f"{bounds.MAX_FLOWS} flows of {bounds.MAX_STEPS} steps each, "
        f"{units.text(bounds.MAX_BODY_BYTES, 'By')} in each body and "
        f"{bounds.MAX_DATA_ROWS:,} rows of data."
    )


def _button(text: str, **data: str) -> html.Button:
    """A button that works in the browser alone."""
    part = "of-fields " if "data_mix_add" in data else ""
    return html.Button(text, type="button", className=f"{part}card-action", **attributes(**data))


def _number(
    field_id: str, label: str, value: object, step: float, part: str = ""
) -> dmc.NumberInput:
    return dmc.NumberInput(
        id=field_id,
        label=label,
        value=value,
        clampBehavior="none",  # a number out of bounds is told, not replaced
        step=step,
        thousandSeparator=",",
        className=part,
    )
