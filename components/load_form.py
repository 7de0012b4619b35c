"""The form that starts a load run: three fields and a path, each with its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import html

from components import forms
from components.load_run import DEFAULT_REQUEST, SUGGESTED
from servescope.actions.load_runs import LoadRunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS: Final = ("load-listener", "load-target", "load-rate", "load-seconds")
"""Ids of the fields, in the order of LoadRunRequest."""

ANSWER: Final = "load-answer"


def load_form(listeners: Sequence[str], why_not: str) -> html.Div:
    """The form; when `why_not` says something, it is shown and nothing can be started."""
    chosen = str(DEFAULT_REQUEST.listener)
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
            value=DEFAULT_REQUEST.target,
        ),
        dmc.NumberInput(
            id="load-rate",
            label="Requests per second",
            value=DEFAULT_REQUEST.rate,
            clampBehavior="none",  # a number out of bounds is told, not replaced
            step=100,
            thousandSeparator=",",
        ),
        dmc.NumberInput(
            id="load-seconds",
            label="Seconds",
            value=DEFAULT_REQUEST.seconds,
            clampBehavior="none",
            step=10,
        ),
    ]
    return html.Div(
        [
            forms.form(fields, ANSWER, "load-start"),
            forms.actions(
                dmc.Button("Start", id="load-start", disabled=bool(why_not), miw=110),
                dmc.Button("Stop", id="load-stop", color="red", display="none", miw=110),
                answer_id=ANSWER,
                why_not=why_not,
            ),
        ]
    )


def request(listener: object, target: object, rate: object, seconds: object) -> LoadRunRequest:
    """The load run that the fields describe, in the order of FIELDS."""
    return LoadRunRequest(listener, target, rate, seconds)
