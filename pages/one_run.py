"""One load run at an address of its own, live while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard

import dash_mantine_components as dmc
import numpy as np
from dash import (
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    dcc,
    html,
    no_update,
    register_page,
)

from components import (
    access,
    client_phases,
    forms,
    load_run,
    one_run,
    panels,
    residual_table,
)
from components.export_menu import export_menu
from components.findings import verdict
from components.live import LiveGraph, LivePage, Props, connect
from components.path_prefix import below_prefix
from components.run_export_menu import run_export_menu
from components.run_links import RUNS, address_of
from components.status import HIDDEN, SHOWN, sentence
from servescope import catalog
from servescope.actions.kept_runs import RunWords
from servescope.errors import ServescopeError
from servescope.figures import units
from servescope.figures.distribution import DistributionPlot
from servescope.figures.lines import LinePlot
from servescope.findings import findings, gathering
from servescope.histogram import ERROR_BOUND, least_count
from servescope.queries import host, latency, residual, run_data, runs
from servescope.queries.rows import Distribution, Lines
from servescope.queries.span import View
from servescope.queries.traffic import SELDOM

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.load import LoadRun

register_page(
    __name__,
    path_template="/runs/<run_id>",
    name="One run",
    title="Load run · Servescope",
)

SUBJECT: Final = "one-run-subject"
EMPTY: Final = "Nothing was recorded in the run's seconds."
NO_QUEUES: Final = (
    "No queue was recorded in the run's seconds: those of an app under another server, or of a "
    "host elsewhere, never are."
)
DELETED: Final = "This run was deleted while you looked at it."


def _run(context: QueryContext, chosen: tuple[str, ...]) -> LoadRun | None:
    return runs.one(context, runs.run_id(chosen[0] if chosen else ""))


def _nothing(span: Span) -> Lines:
    return Lines(np.empty(0, np.int64), (), np.empty((0, 0)), "", span.step)


def _source(context: QueryContext, chosen: tuple[str, ...]) -> QueryContext:
    """The context that has the run's seconds: of one opened from a file, that of its own store."""
    run = _run(context, chosen)
    its_own = None if run is None else run_data.run_context(context, run)
    return context if its_own is None else its_own


def _has_seconds(context: QueryContext, run: LoadRun | None) -> TypeGuard[LoadRun]:
    """Whether the context has the run's seconds: this host's has none of one from a file."""
    if run is None or run.started_s is None:
        return False
    return run.origin is None or context is not context.process.home


def _of_run(ask: Callable[..., Lines], *, of_server: bool = False) -> Callable[..., Lines]:
    """A graph's question about the page's run; no lines of one that did not begin or is gone.

    A graph `of_server` has none of a run that aims at a host elsewhere.
    """

    def asked(context: QueryContext, span: Span, chosen: tuple[str, ...], **kept: Any) -> Lines:
        run = _run(context, chosen)
        if not _has_seconds(context, run) or (of_server and not run.plan.listener):
            return _nothing(span)
        return ask(context, span, run, **kept)

    return asked


def _distribution(context: QueryContext, span: Span, chosen: tuple[str, ...]) -> Distribution:
    run = _run(context, chosen)
    if not _has_seconds(context, run):
        return Distribution(np.empty(0), np.empty(0, np.int64), {}, ERROR_BOUND)
    return runs.client_distribution(context, span, run)


GRAPHS: Final = (
    LiveGraph(
        "one-run-rates",
        "Requests per second: finished, failed, answered",
        "Finished and failed as the generator counts them, answered as the server counts them; "
        "requests of other clients to it are among the latter. Client gone: answers whose client, "
        "the generator after its timeout for example, had left before.",
        _of_run(runs.rates),
        LinePlot(seldom=SELDOM),
        "No request ended in the run's seconds.",
    ),
    LiveGraph(
        "one-run-latency",
        "Latency by the client's clock",
        "From the moment a request was due, waiting included, of answers of any status, errors "
        "too. A request that timed out counts with its timeout, which is a lower bound. A gap "
        "where a step has too few requests: p50 takes "
        f"{least_count(0.5)}, p99 {least_count(0.99)}.",
        _of_run(runs.client_percentiles),
        LinePlot(log=True),
        f"No step of the run has the {least_count(0.5)} requests that a p50 takes.",
        kept=("step",),
    ),
    LiveGraph(
        "one-run-distribution",
        "Distribution by the client's clock, requests",
        "How many requests took how long from the moment they were due, answers of any status, "
        "errors too; those that timed out stand at their timeout. The percentiles of the run as a "
        "whole are exact; those of a part of it "
        f"come from the histogram and are at most {units.text(ERROR_BOUND, '1')} off.",
        _distribution,
        DistributionPlot(),
        EMPTY,
        whole_span=True,
    ),
    LiveGraph(
        "one-run-stages",
        "Where the time goes: mean of each stage",
        "Of all requests to the server of the run. Stacked, the stages are the mean request.",
        _of_run(
            lambda context, span, run: latency.stage_means(
                context, span, run.plan.listener, run.kind
            ),
            of_server=True,
        ),
        LinePlot(stacked=True),
        EMPTY,
    ),
    LiveGraph(
        "one-run-queues",
        "Queues: waiting to be accepted, waiting for a thread",
        "Connections in the accept queue of the run's port, and requests that wait inside its "
        "server, the most of each step; its busy threads on average. An event loop that calls the "
        "app has neither: of it the requests on the loop, on average.",
        _of_run(runs.queues, of_server=True),
        LinePlot(unit="", step_line=True),
        NO_QUEUES,
    ),
    LiveGraph(
        "one-run-cpu",
        "CPU by core, %",
        "Share of each core that is not idle.",
        _of_run(lambda context, span, _run: host.cpu_by_core(context, span)),
        LinePlot(most=100.0),
        EMPTY,
    ),
)


def view(context: QueryContext, shown: View, chosen: tuple[str, ...]) -> View:
    """The run's span, or the part of it that a person zoomed to."""
    run = _run(context, chosen)
    return View() if run is None else runs.view_of(run, shown)


def props(context: QueryContext, span: Span | None, chosen: tuple[str, ...]) -> Props:
    """Everything of the run but its plan, as of now."""
    run = _run(context, chosen)
    if run is None:
        return {"one-run-outcome": {"children": DELETED}}
    whole = runs.span_of(run)
    is_over = load_run.is_over(run)
    told: Props = {
        "one-run-title": {"children": one_run.title(run)},
        "one-run-export": {"children": run_export_menu(run) if is_over else None},
        "one-run-outcome": {"children": one_run.outcome(run)},
        "one-run-environment": {"children": one_run.environment_facts(run)},
        "one-run-errors": {"children": one_run.errors_table(run)},
        "one-run-phases": {"children": client_phases.phases_table(run)},
        "one-run-more": {"children": one_run.more(run)},
        "one-run-stop": {"display": "none" if is_over else "block"},
        "one-run-deletion": {"style": SHOWN if is_over else HIDDEN},
        "one-run-whole": {"display": "block" if _is_zoomed(context, span, run) else "none"},
        "one-run-graphs": {
            "style": one_run.graphs_style(run, has_series=_has_series(context, run))
        },
    }
    of_server: Props = {
        "one-run-percentiles": {
            "children": one_run.percentiles_table(run, runs.server_figures(context, run))
        },
        "one-run-stage-table": {"children": one_run.stages(context, run)},
    }
    if run.origin is not None or (is_over and whole is None):
        concluded = verdict(findings(gathering.run_of(run)), "/load")
        return told | of_server | {"one-run-verdict": {"children": concluded}}
    if whole is None or span is None:
        return told
    clocks = residual.of_seconds(context, run, whole.start, whole.end)
    return (
        told
        | of_server
        | {
            "one-run-verdict": {"children": one_run.judgement(context, run, whole)},
            "one-run-residual": {
                "children": residual_table.residual_table(clocks)
                if clocks is not None
                else one_run.without_both_clocks(run)
            },
        }
    )


def _is_zoomed(context: QueryContext, span: Span | None, run: LoadRun) -> bool:
    """Whether a part of the run is shown."""
    bounds = _source(context, (str(run.id),)).bounds()
    if bounds is None or span is None:
        return False
    oldest, newest = bounds
    return span.fixed and span != runs.view_of(run, View()).span(newest, oldest)


def _has_series(context: QueryContext, run: LoadRun) -> bool:
    """Whether lines over time are kept of the run, here or with its file."""
    return run_data.run_context(context, run) is not None


METRICS: Final = (
    catalog.LOAD_SENT,
    catalog.LOAD_ERRORS,
    catalog.LOAD_DURATION,
    catalog.LOAD_NAIVE_DURATION,
    catalog.LOAD_TIMED_OUT_NAIVE_DURATION,
    catalog.REQUEST_DURATION,
    catalog.ANSWERS_TO_NOBODY,
    catalog.STAGE_DURATION,
    catalog.ACCEPT_QUEUE_DEPTH,
    catalog.QUEUED_REQUESTS,
    catalog.BUSY_THREADS,
    catalog.CPU_UTILIZATION,
)
PAGE: Final = LivePage(
    "one-run", GRAPHS, props, metrics=METRICS, subject=SUBJECT, view=view, source=_source
)
connect(PAGE)
forms.forget_refusals(*one_run.FIELDS)

clientside_callback(
    ClientsideFunction("view", "whole"),
    Output("one-run-whole", "n_clicks"),
    Input("one-run-whole", "n_clicks"),
    prevent_initial_call=True,
)


@callback(
    *forms.outputs(one_run.ANSWER),
    Input("one-run-save", "n_clicks"),
    State(SUBJECT, "value"),
    *(State(field, "value") for field in one_run.FIELDS),
    prevent_initial_call=True,
)
def save(_clicks: object, subject: object, *values: object) -> forms.Answer:
    """Keep the words about the run; the answer says so, or why not."""
    try:
        access.dashboard().describe_load_run(runs.run_id(subject), RunWords(*values))
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.done("Saved.")


@callback(
    *forms.outputs("one-run-stopped"),
    Input("one-run-stop", "n_clicks"),
    State(SUBJECT, "value"),
    prevent_initial_call=True,
)
def stop(_clicks: object, subject: object) -> forms.Answer:
    """Stop the run."""
    number = runs.run_id(subject)
    try:
        access.dashboard().stop_load_run(number)
    except ServescopeError as error:
        return forms.refused(sentence(error))
    return forms.of_load(f"Load run {number} is being stopped.")


@callback(
    *forms.outputs(one_run.ANSWER, again=True),
    Output("one-run-location", "href"),
    Input("one-run-repeat", "n_clicks"),
    State(SUBJECT, "value"),
    prevent_initial_call=True,
)
def repeat(_clicks: object, subject: object) -> tuple[str, str, object]:
    """Ask for the run again and show the new one, or say why not."""
    try:
        number = access.dashboard().repeat_load_run(runs.run_id(subject))
    except ServescopeError as error:
        return *forms.refused(sentence(error)), no_update
    return *forms.done(""), address_of(number)


@callback(
    *forms.outputs(one_run.ANSWER, again=True),
    Output("one-run-location", "href", allow_duplicate=True),
    Input("one-run-delete", "n_clicks"),
    State(SUBJECT, "value"),
    prevent_initial_call=True,
)
def delete(_clicks: object, subject: object) -> tuple[str, str, object]:
    """Delete the run and show the list of the others, or say why not."""
    try:
        access.dashboard().delete_load_run(runs.run_id(subject))
    except ServescopeError as error:
        return *forms.refused(sentence(error)), no_update
    return *forms.done(""), below_prefix(RUNS)


def _origin(context: QueryContext, run: LoadRun) -> list[Any]:
    """Of a run that was opened from a file: whose it is, and where its series are."""
    if run.origin is None:
        return []
    sent_by = load_run.sent_by(run)
    if sent_by:
        told = f"It has no series: {sent_by} sent it, and no Servescope recorded its seconds."
    elif _has_series(context, run):
        told = "Its lines over time are those of its file; no other page shows them."
    else:
        told = "It has no series: its file had none, or they are gone from the data folder."
    return [*load_run.origin(run), html.P(told, className="dimmed")]


def layout(run_id: object = "", **_query: object) -> html.Div:
    """The run of this number, or why it is not here."""
    number = runs.run_id(run_id)
    context, reason = access.context(), access.why_not()
    run = runs.one(context, number) if number else None
    if run is None:
        return one_run.not_here(run_id, number, runs.newest_id(context))
    return html.Div(
        panels.page_frame(
            PAGE,
            html.Span(one_run.title(run), id="one-run-title"),
            dcc.Input(id=SUBJECT, type="hidden", value=str(number)),
            dcc.Location(id="one-run-location", refresh="callback-nav"),
            html.Div(_origin(context, run)),
            panels.judgement("one-run-verdict"),
            panels.columns(
                panels.panel(
                    "The run",
                    "While it goes on, as of the last second; after that its result.",
                    html.Div(one_run.outcome(run), id="one-run-outcome"),
                    forms.actions(
                        dmc.Button(
                            "Stop",
                            id="one-run-stop",
                            color="red",
                            disabled=bool(reason),
                            display="none" if load_run.is_over(run) else "block",
                        ),
                        answer_id="one-run-stopped",
                    ),
                    html.Div(one_run.more(run), id="one-run-more", className="run-more"),
                ),
                one_run.words_panel(run, reason),
                one_run.plan_panel(run),
                panels.panel(
                    "Environment",
                    "As it was when the run began. The app may have been loaded from its files "
                    "before their present commit: since when the listener runs is said below.",
                    html.Div(one_run.environment_facts(run), id="one-run-environment"),
                ),
                panels.panel(
                    "Percentiles, client and server",
                    one_run.PERCENTILES_HELP,
                    html.Div(
                        one_run.percentiles_table(run, runs.server_figures(context, run)),
                        id="one-run-percentiles",
                    ),
                ),
                panels.panel(
                    "Errors by kind",
                    "Failures as the generator saw them, and answers with a status of 4xx or 5xx; "
                    "of a run under way those so far, and examples at its end.",
                    html.Div(one_run.errors_table(run), id="one-run-errors"),
                ),
            ),
            html.Div(
                panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
                id="one-run-graphs",
                style=one_run.graphs_style(run, has_series=_has_series(context, run)),
            ),
            panels.columns(
                panels.panel(
                    client_phases.TITLE,
                    client_phases.HELP,
                    html.Div(client_phases.phases_table(run), id="one-run-phases"),
                    wide=True,
                ),
                panels.panel(
                    "Stages over the whole run",
                    "Of all requests that the server read in the whole seconds of the run.",
                    html.Div(id="one-run-stage-table"),
                    wide=True,
                ),
                panels.panel(
                    residual_table.TITLE,
                    residual_table.MEANING,
                    html.Div(one_run.without_clocks(run), id="one-run-residual"),
                    wide=True,
                ),
            ),
            controls=[
                dmc.Button(
                    "Whole run", id="one-run-whole", variant="default", size="sm", display="none"
                ),
                export_menu(PAGE.name, METRICS, number) if _has_series(context, run) else None,
                html.Div(id="one-run-export"),
                dcc.Link("All runs", href=below_prefix(RUNS)),
            ],
        ),
        className="of-one-span",
    )
