"""The form that starts a load run: three fields and a path, each with its unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import html

from components.load_run import DEFAULT_PLAN, SUGGESTED
from servescope.records import LoadPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS: Final = ("load-listener", "load-target", "load-rate", "load-seconds")
"""Ids of the fields, in the order in which `read` takes their values."""


def load_form(listeners: Sequence[str], why_not: str) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be started."""
    chosen = DEFAULT_PLAN.listener
    if listeners and chosen not in listeners:
        chosen = listeners[0]
    fields = [
        dmc.Select(
            id="load-listener",
            label="Listener",
            data=list(listeners) or [chosen],
            value=chosen,
            allowDeselect=False,
        ),
        dmc.Autocomplete(
            id="load-target",
            label="Path and query",
            data=SUGGESTED.get(chosen, ["/"]),
            value=DEFAULT_PLAN.target,
        ),
        dmc.NumberInput(
            id="load-rate",
            label="Requests per second",
            value=DEFAULT_PLAN.rate,
            min=1,
            step=100,
            thousandSeparator=",",
        ),
        dmc.NumberInput(
            id="load-seconds",
            label="Seconds",
            value=DEFAULT_PLAN.seconds,
            min=1,
            step=10,
        ),
    ]
    actions = [
        dmc.Button("Start", id="load-start", disabled=bool(why_not), miw=110),
        dmc.Button("Stop", id="load-stop", color="red", display="none", miw=110),
        dmc.Text(why_not, id="load-refused", size="sm", c="dimmed" if why_not else "red"),
    ]
    return html.Div(
        [
            html.Div(fields, className="load-form"),
            html.Div(actions, className="actions", role="status"),
        ]
    )


def read(listener: object, target: object, rate: object, seconds: object) -> LoadPlan | str:
    """The plan the fields describe, or a sentence that says which of them does not say enough."""
    if not (listener and isinstance(listener, str)):
        return "Choose a listener."
    numbers = []
    for name, value in (("requests per second", rate), ("seconds", seconds)):
        try:
            number = float(str(value))
        except ValueError:
            return f"Fill in a number of {name}."
        if not math.isfinite(number):
            return f"Fill in a number of {name}."
        numbers.append(number)
    return LoadPlan(listener, str(target or "/").strip(), numbers[0], numbers[1])
