"""The phases of a run's requests by the client's clock, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import html

from components import load_run
from components.tables import figure_table
from servescope.figures import units
from servescope.figures.run_texts import answers_text
from servescope.figures.shares import share_texts
from servescope.histogram import ERROR_BOUND
from servescope.queries.client_phases import PHASES, phase_rows, several_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dash.development.base_component import Component

    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.records.load import LoadRun

TITLE: Final = "Phases of a request at the client"
HELP: Final = (
    "Of the requests that were answered. A phase begins where the one before it ended, so together "
    "they are the latency from due; one that took no time has no row. DNS is none of them: a "
    "name is looked up once, before the run (Asked for). The server's stages lie within "
    "them, most of them in wait. Shares and means are exact; percentiles come from "
    f"histograms and are at most {units.text(ERROR_BOUND, '1')} off."
)


def phases_table(run: LoadRun) -> html.Div:
    """The phases of all requests and, of a mix, the mean of each at each request."""
    result = run.result or {}
    if load_run.never_began(run):
        empty = "The run never began: its client sent no request."
    elif load_run.is_over(run):
        empty = "No phases: the run got no answer, or what sent it kept none."
    else:
        empty = "The phases come when the run has ended."
    found = phase_rows(result)
    rows: list[list[Cell | Duration]] = [
        [
            _name(row.name),
            f"{row.requests:,}",
            share,
            *units.mean_and_percentiles(row.mean_s, row.p50_s, row.p95_s, row.p99_s),
        ]
        for row, share in zip(found, share_texts([row.share for row in found]), strict=True)
    ]
    headings = ("Phase", "Requests", "Share", "Mean", "p50", "p95", "p99")
    table = figure_table(headings, rows, empty=empty, label=TITLE)
    of_which = [html.P(f"Of {answers_text(result)}.")] if found else []
    return html.Div([*of_which, table, *_by_step(result)])


def _name(phase: str) -> html.Div:
    lasts = html.Div(PHASES.get(phase, ""), className="phase-lasts dimmed")
    return html.Div([phase.replace("_", " "), lasts])


def _by_step(result: Mapping[str, Any]) -> list[Component]:
    """The mean of each phase at each request of a mix; nothing of a run that sent one kind."""
    steps = {step["name"]: phase_rows(step) for step in several_steps(result)}
    names = list(dict.fromkeys(row.name for rows in steps.values() for row in rows))
    if not names:
        return []
    rows: list[list[Cell | Duration]] = []
    for step, found in steps.items():
        means_s = {row.name: row.mean_s for row in found}
        rows.append([step, *(units.Duration(means_s.get(name)) for name in names)])
    headings = ("Mean by request", *(name.replace("_", " ") for name in names))
    return [figure_table(headings, rows, empty="", label="Mean of each phase by request")]
