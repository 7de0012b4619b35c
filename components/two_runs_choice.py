"""The choice of two runs that are over, and the way to the page that judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import Input, Output, callback, dcc, html

from components.load_run import is_over
from components.run_links import compare_address
from servescope.figures.run_texts import plan_text
from servescope.queries import load
from servescope.queries.runs import run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dash.development.base_component import Component

    from components.live import Props
    from servescope.queries.context import QueryContext
    from servescope.records.load import LoadRun

FIELDS: Final = ("verdict-run-before", "verdict-run-after")
_WAY: Final = "verdict-runs-way"
_CHOOSE: Final = "Choose a run for before and another one for after."


def two_runs_choice() -> html.Div:
    """Two fields, and below them the link as soon as both say something."""
    fields = [
        dmc.Select(
            id=field,
            label=label,
            data=[],
            placeholder="Choose a run",
            nothingFoundMessage="None of the newest fifty runs with a result matches.",
            searchable=True,
            clearable=True,
            className="wide",
        )
        for field, label in zip(FIELDS, ("Run before", "Run after"), strict=True)
    ]
    return html.Div(
        [
            html.P("Or two runs that are over, of the newest fifty: no load is sent for that."),
            html.Div(fields, className="load-form"),
            html.Div(_CHOOSE, id=_WAY, className="runs-choice", role="status"),
        ],
        className="two-runs",
    )


def props(context: QueryContext) -> Props:
    """The runs to choose from, newest first: those that measured something."""
    data = options(load.runs(context))
    return {field: {"data": data} for field in FIELDS}


def options(runs: Sequence[LoadRun]) -> list[dict[str, str]]:
    """Those of the runs that can be judged."""
    return [
        {
            "value": str(run.id),
            "label": f"{run.id}: {f'{run.name}, ' if run.name else ''}{plan_text(run.plan)}",
        }
        for run in runs
        if is_over(run) and run.result
    ]


def connect(tolerance: str) -> None:
    """Register the callback; `tolerance` is the id of the field that has it, in percent."""
    callback(
        Output(_WAY, "children"),
        *(Input(field, "value") for field in FIELDS),
        Input(tolerance, "value"),
        prevent_initial_call=True,
    )(way)


def way(before: object, after: object, tolerance: object) -> str | Component:
    """The link to the page that judges the chosen runs, or what to choose."""
    first, second = run_id(before), run_id(after)
    if not first or not second or first == second:
        return _CHOOSE
    return dcc.Link(
        f"Is run {second} slower than run {first}?",
        href=compare_address(first, second, tolerance),
        className="menu-button",
    )
