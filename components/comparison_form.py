"""The form that compares concurrency models: which, on what, under which load."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import html

from components.attributes import attributes
from servescope.comparison import ComparisonPlan
from servescope.records import ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.runtime.subjects import Subject

FIELDS: Final = (
    "compare-models",
    "compare-subject",
    "compare-target",
    "compare-rate",
    "compare-seconds",
    "compare-connections",
    "compare-order",
)
"""Ids of the fields, in the order in which `read` takes their values."""

ONE_BY_ONE: Final = "one by one"
TOGETHER: Final = "together"
DEFAULT_MODELS: Final = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL)
"""One connection at a time beside several: the question a learner comes with."""

_NUMBERS: Final = ("requests per second", "seconds", "connections")


def comparison_form(subjects: Mapping[str, Subject], why_not: str) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be started."""
    first = next(iter(subjects.values()))
    models = dmc.CheckboxGroup(
        id=FIELDS[0],
        label="Models",
        description="two to four",
        value=list(DEFAULT_MODELS),
        children=html.Div(
            [dmc.Checkbox(label=one.label, value=one) for one in ConcurrencyModel],
            className="choices",
        ),
        className="wide",
    )
    fields = [
        models,
        dmc.Select(
            id=FIELDS[1], label="Endpoint", description="the same for each model",
            data=[{"value": name, "label": one.label} for name, one in subjects.items()],
            value=next(iter(subjects)), allowDeselect=False, className="wide",
        ),
        dmc.TextInput(
            id=FIELDS[2], label="Path and query", description="of a request",
            value=first.target,
        ),
        dmc.NumberInput(
            id=FIELDS[3], label="Rate", description="requests a second",
            value=40, min=1, thousandSeparator=",",
        ),
        dmc.NumberInput(
            id=FIELDS[4], label="Seconds", description="for each model", value=5, min=1
        ),
        dmc.NumberInput(
            id=FIELDS[5], label="Connections", description="at most, to each", value=32, min=1,
            allowDecimal=False,
        ),
        dmc.Select(
            id=FIELDS[6], label="Order", description="at once, they share the cores",
            data=[
                {"value": ONE_BY_ONE, "label": "One after the other"},
                {"value": TOGETHER, "label": "All at once"},
            ],
            value=ONE_BY_ONE, allowDeselect=False, className="wide",
        ),
    ]  # fmt: skip
    actions = [
        dmc.Button("Compare", id="compare-start", disabled=bool(why_not), miw=110),
        dmc.Button("Stop comparing", id="compare-stop", color="red", display="none", miw=110),
        dmc.Text(why_not, id="compare-refused", size="sm", c="dimmed" if why_not else "red"),
    ]
    return html.Div(
        [
            html.Div(fields, className="load-form server-form"),
            html.Div(actions, className="actions", **attributes(role="status")),
        ]
    )


def read(subjects: Mapping[str, Subject], *values: object) -> ComparisonPlan | str:
    """The plan the fields describe, or a sentence that says which of them does not say enough."""
    models, name, target, *numbers, order = values
    subject = subjects.get(str(name))
    if subject is None:
        return "Choose an endpoint."
    if not isinstance(models, list):
        return "Choose two to four models."
    read_numbers = []
    for label, value in zip(_NUMBERS, numbers, strict=True):
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            return f"Fill in a number of {label}."
        read_numbers.append(number)
    rate, seconds, connections = read_numbers
    return ComparisonPlan(
        models=tuple(one for one in ConcurrencyModel if one in models),
        app=subject.app,
        target=str(target or "/").strip(),
        rate=rate,
        seconds=seconds,
        max_connections=int(connections),
        loop_app=subject.loop_app,
        together=order == TOGETHER,
    )
