"""The form that compares models, listeners, apps and hosts: which, and under which load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import html

from components import forms
from components.start_button import start_actions
from servescope.actions.comparisons import ComparisonRequest
from servescope.records.listeners import ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dash.development.base_component import Component

    from servescope.actions.compared_endpoints import ComparedEndpoint

FIELDS: Final = (
    "compare-models",
    "compare-endpoint",
    "compare-target",
    "compare-rate",
    "compare-seconds",
    "compare-connections",
    "compare-order",
    "compare-listeners",
    "compare-file",
)
"""Ids of the fields, in the order of ComparisonRequest."""

LISTENERS: Final = FIELDS[7]

ANSWER: Final = "compare-answer"

ONE_BY_ONE: Final = "one by one"
TOGETHER: Final = "together"
DEFAULT_MODELS: Final = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL)
"""One connection at a time beside several: the question a learner comes with."""


def comparison_form(
    endpoints: Mapping[str, ComparedEndpoint],
    standing: Sequence[Any],
    why_not: str,
    *,
    has_hosts: bool = False,
    told: Component | None = None,
) -> html.Div:
    """The form; `standing` are listeners, apps and named hosts, as `load_form.aims` has them.

    `told` says why some of them cannot be chosen.
    When `why_not` says something, it is shown and nothing can be started.
    """
    first = next(iter(endpoints.values()))
    models = dmc.CheckboxGroup(
        id=FIELDS[0],
        label="Models",
        description="each with a server of its own",
        value=list(DEFAULT_MODELS),
        children=html.Div(
            [dmc.Checkbox(label=one.label, value=one) for one in ConcurrencyModel],
            className="choices",
        ),
        className="wide",
    )
    fields = [
        models,
        # In a box of its own: a MultiSelect gives its class to no part that the grid sees.
        html.Div(
            dmc.MultiSelect(
                id=LISTENERS,
                label="Listeners, apps and hosts" if has_hosts else "Listeners and apps",
                description="that run already; two to four with the models",
                data=list(standing), value=[], clearable=True,
            ),
            className="wide",
        ),
        dmc.Select(
            id=FIELDS[1], label="Endpoint", description="that the models host; it sets the path",
            data=[{"value": name, "label": one.label} for name, one in endpoints.items()],
            value=next(iter(endpoints)), allowDeselect=False, className="wide",
        ),
        dmc.TextInput(
            id=FIELDS[2], label="Path and query", description="of each request",
            value=first.target,
        ),
        dmc.NumberInput(
            id=FIELDS[3], label="Rate", description="requests a second",
            value=40, clampBehavior="none", thousandSeparator=",",
        ),
        dmc.NumberInput(
            id=FIELDS[4], label="Seconds", description="of load for each", value=5,
            clampBehavior="none",
        ),
        dmc.NumberInput(
            id=FIELDS[5], label="Connections", description="to each, at most", value=32,
            clampBehavior="none", allowDecimal=False,
        ),
        dmc.Select(
            id=FIELDS[6], label="Order", description="all at once they share the cores",
            data=[
                {"value": ONE_BY_ONE, "label": "One after the other"},
                {"value": TOGETHER, "label": "All at once"},
            ],
            value=ONE_BY_ONE, allowDeselect=False, className="wide",
        ),
        dmc.Textarea(
            id=FIELDS[8], label="Scenario for each (TOML)",
            description="In place of path, rate, seconds and connections.",
            autosize=True, minRows=1, maxRows=12, value="", className="wide",
        ),
    ]  # fmt: skip
    return html.Div(
        [
            html.Div(forms.form(fields, ANSWER, "compare-start"), className="server-form"),
            told,
            start_actions(
                "compare", "Compare", "Stop comparing", answer_id=ANSWER, why_not=why_not
            ),
        ]
    )


def request(
    models: object,
    endpoint: object,
    target: object,
    rate: object,
    seconds: object,
    connections: object,
    order: object,
    listeners: object,
    file: object,
) -> ComparisonRequest:
    """The comparison that the fields describe, in the order of FIELDS."""
    together = order == TOGETHER
    return ComparisonRequest(
        models, endpoint, target, rate, seconds, connections, together, listeners, file
    )
