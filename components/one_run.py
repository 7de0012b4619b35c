"""One load run opened: what was asked, where, what came of it, and what a person says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import forms, load_run, panels, stage_table
from components.action_bar import action_bar
from components.findings import verdict
from components.help import BUTTON, attributes
from components.one_request import facts
from components.page_links import linked
from components.path_prefix import below_prefix
from components.run_links import RUNS, view_query, ways_on
from components.run_rules import rules_table
from components.status import HIDDEN, SHOWN, sentence
from components.tables import figure_table
from servescope.figures import units
from servescope.figures.run_texts import (
    SUCCEEDED,
    answers_text,
    environment_texts,
    has_errors,
    latency,
    plan_facts,
)
from servescope.figures.shares import share_texts
from servescope.findings import findings, gathering
from servescope.histogram import ERROR_BOUND
from servescope.load.report import FROM_SEND, LATENCY_NAMES, OF_ERRORS, OF_SUCCESS
from servescope.queries import runs
from servescope.queries.client_phases import several_steps
from servescope.records.load import RunState, outcome_name
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dash.development.base_component import Component

    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.queries.context import QueryContext
    from servescope.queries.runs import ServerFigures
    from servescope.queries.span import Span
    from servescope.records.load import LoadRun

ANSWER: Final = "one-run-answer"
FIELDS: Final = ("one-run-name", "one-run-note", "one-run-tags")
"""Ids of the fields, in the order of RunWords."""

DURING_RUN: Final = "in the seconds of the run"
"""The span that is judged, whatever part of it the page is zoomed to."""

PERCENTILES_HELP: Final = (
    "The client counts from the moment a request was due, waiting included; from the actual send "
    "it leaves out what a slow server made wait. Its figures are exact. The server's run from the "
    "request's arrival in the kernel to the last byte of its answer, of all requests that the "
    "server read in the whole seconds of the run, other clients' too; they come from histograms "
    f"and are at most {units.text(ERROR_BOUND, '1')} off, and keep no maximum. An app under "
    "another server is timed from its call. Status < 400: the client's from due, of answers with "
    "such a status; errors: of all others, 4xx, 5xx and timed out. ≥: requests that timed out are "
    "among these, so the figure is a lower bound."
)


def title(run: LoadRun) -> str:
    """The heading of the page: number, and name where it has one."""
    return f"Run {run.id}: {run.name}" if run.name else f"Run {run.id}"


def outcome(run: LoadRun) -> list[Component]:
    """How the run stands: its state and times, and progress or counts."""
    state = load_run.state_mark(run)
    when: list[Any] = ["Began ", _moment(run.started_s or run.requested_s)]
    if run.started_s is None:
        when[0] = "Asked for "
        when += ["; it never began"] if load_run.is_over(run) else []
    elif run.ended_s is not None:
        when += [", ended ", _moment(run.ended_s)]
    told: list[Component] = [
        html.Div([html.Span(when), state], className="card-heading"),
    ]
    if run.state is RunState.REQUESTED:
        return [*told, html.P("It begins within a second.", className="dimmed")]
    if not load_run.is_over(run):
        return [*told, load_run.progress_figures(run)]
    if not run.result:
        return [*told, html.P("It has no result: nothing was measured.", className="dimmed")]
    return [*told, load_run.counts(run), *rules_table(run), load_run.details(run)]


def _moment(second: float) -> html.Span:
    return html.Span(className="moment", **attributes(data_epoch_seconds=f"{second:.3f}"))


def judgement(context: QueryContext, run: LoadRun, span: Span) -> html.Div:
    """All that is concluded: of the run, and of its server in its span."""
    evidence = gathering.run_of(run)
    if run.plan.listener:
        of_listener = gathering.of_span(
            context, span, run.plan.listener, run.kind, during=DURING_RUN
        )
        evidence = replace(evidence, span=of_listener.span)
    found = findings(evidence)
    return verdict(found, "/load", view_query(*_ends(run, span))) if found else html.Div()


def _ends(run: LoadRun, span: Span) -> tuple[int, int | None]:
    """The bounds of a view of the run; one under way has no end yet."""
    return span.start, None if run.ended_s is None else span.end


def environment_facts(run: LoadRun) -> Component:
    """Where it ran, and since when its listener had run; or why that is not known."""
    environment = run.environment
    if environment is None:
        return html.Div(_without_environment(run), className="dimmed")
    known = environment_texts(environment)
    if not environment.app:
        return facts(known)
    since = _moment(environment.listening_since_s)
    return facts({**known, "The listener had run since": since})


def _without_environment(run: LoadRun) -> str:
    if load_run.never_began(run):
        return "The run never began: it has none."
    if run.started_s is None:
        return "It is read when the run begins."
    if run.plan.comparison:
        return f"None is kept of a run of a comparison: comparison {run.plan.comparison} says more."
    return "Nothing is known of it: the run is from a version that did not keep it."


def percentiles_table(run: LoadRun, server: ServerFigures | None) -> html.Div:
    """The client's percentiles beside the server's of the same seconds."""
    told = run.result or {}
    clocks = {OF_SUCCESS: capitalized(SUCCEEDED), OF_ERRORS: "Errors"} if has_errors(told) else {}
    rows: list[list[Cell | Duration]] = []
    for field, name in {**LATENCY_NAMES, "mean": "mean"}.items():
        of_server = units.Duration(None) if server is None else _of_server(server, name)
        apart = [latency(told, field, clock) for clock in clocks]
        rows.append(
            [name, latency(told, field), *apart, latency(told, field, FROM_SEND), of_server]
        )
    table = figure_table(
        ("", "Client, from due", *clocks.values(), "Client, from send", "Server"),
        rows,
        empty="No figures.",
        label="Percentiles of client and server",
    )
    return html.Div([html.P(_counted(run, server)), table, *_steps_table(run)])


def _of_server(server: ServerFigures, name: str) -> Cell | Duration:
    """The server's figure of this name; its histograms keep no maximum but a bound of it."""
    if name == "mean":
        return units.Duration(server.mean_s)
    if name == "max":
        known = map(units.Duration.of_percentile, server.quantiles_s.values())
        return next((one for one in known if one.is_bound), "not kept")
    return units.Duration.of_percentile(server.quantiles_s.get(name))


def _counted(run: LoadRun, server: ServerFigures | None) -> str:
    """The requests that each side has figures of."""
    told = run.result or {}
    if load_run.never_began(run):
        return "The run never began: neither side has figures."
    if not told and load_run.is_over(run):
        client = "The client has no figures: the run has no result"
    elif not told:
        client = "The client's exact figures come when the run has ended"
    else:
        client = f"The client timed {answers_text(told)}"
        timed_out = int((told.get("failed") or {}).get("timed_out") or 0)
        if timed_out:
            timeout = units.text(run.plan.scenario.timeout_seconds, "s")
            comma = "," if ", " in client else ""
            client += (
                f"{comma} and gave up on {counted(timed_out, 'request')} after {timeout}, "
                "which count as that long from the moment they were due"
            )
    if server is None:
        none = "none are kept of these seconds"
        if run.plan.listener and not load_run.is_over(run):
            none = "none are recorded yet"
        return f"{client}; of the server {none}."
    unread = ""
    if server.unread:
        unread = f", and turned {server.unread:,} away unread, whose times do not count here"
    no_room = ""
    if server.turned_away:
        no_room = (
            f" It had no room for {counted(server.turned_away, 'connection')}: it answered them "
            "with 503, or closed them without an answer where too many others still had to be told."
        )
    timed = f"{client}; the server timed {server.requests:,} in the same seconds, whoever sent them"
    return f"{timed}{unread}.{no_room}"


def errors_table(run: LoadRun) -> html.Div:
    """Failures and answers other than 2xx and 3xx, each with an example where one was kept.

    Of a run under way those so far.
    """
    is_over = load_run.is_over(run)
    told = run.result if is_over else run.progress
    if not told or told.get("statuses") is None:
        empty = "Errors are listed as soon as requests have come due."
        if is_over:
            empty = "The run has no result, so no errors are known."
        return html.Div(html.Div(empty, className="dimmed"))
    kinds = {
        outcome_name(kind): int(count)
        for kind, count in (told.get("failed") or {}).items()
        if count
    }
    kinds |= {
        f"status {status}": int(count)
        for status, count in sorted(told["statuses"].items())
        if count and str(status)[:1] in {"4", "5"}
    }
    known = int(told.get("sent") or 0) - int(told.get("in_flight") or 0)
    rows = [
        [kind, f"{count:,}", share]
        for (kind, count), share in zip(kinds.items(), _shares(kinds.values(), known), strict=True)
    ]
    so_far = "" if is_over else " so far"
    none = f"No request failed{so_far}, and none was answered with a 4xx or 5xx."
    of_which = "Of those due" if is_over else "Of those that have ended"
    table = figure_table(("Kind", "Requests", of_which), rows, empty=none)
    return html.Div([table, *_examples(run.result.get("steps") or () if is_over else ())])


def _shares(counts: Collection[int], whole: int) -> list[str]:
    """The share of each count in the whole: with that of all others they add up to 100 %."""
    if whole < max(sum(counts), 1):
        return [units.NOTHING] * len(counts)
    return share_texts([one / whole for one in (*counts, whole - sum(counts))])[:-1]


def _examples(steps: Sequence[Mapping[str, Any]]) -> list[Component]:
    """The first of each kind of error at each step, as the generator kept it."""
    return [
        html.P(
            [html.B(f"{capitalized(outcome_name(kind))}, {step['name']}: "), text],
            className="run-example",
        )
        for step in steps
        for kind, text in (step.get("examples") or {}).items()
    ]


def _steps_table(run: LoadRun) -> list[Component]:
    """The rows of the mix, where there are several."""
    steps = several_steps(run.result or {})
    if not steps:
        return []
    rows: list[list[Cell | Duration]] = [
        [
            step["name"],
            f"{step['sent']:,}",
            f"{load_run.failed_count(step):,}",
            *(latency(step, figure) for figure in ("p50", "p99", "max")),
        ]
        for step in steps
    ]
    headings = ("By request, from due", "Due", "Failed", "p50", "p99", "Max")
    return [figure_table(headings, rows, empty="", label="Figures of each request of the mix")]


def stages(context: QueryContext, run: LoadRun) -> html.Div:
    """The stages of the requests to the server in the run's seconds."""
    empty = (
        "The run never began: it has no seconds."
        if load_run.never_began(run)
        else "No request to the server is recorded in the run's seconds."
    )
    found = runs.stages(context, run)
    return stage_table.stage_table(found, empty=empty, label="Stages over the whole run")


def without_clocks(run: LoadRun) -> Component:
    """The place of the client's clock against the stages, where they cannot be set side by side."""
    if load_run.sent_by(run):
        why = "No Servescope recorded the requests at their server."
    elif run.origin is not None:
        why = "The requests are in the store of the machine that measured them."
    elif run.started_s is None:
        why = "No request came due." if load_run.is_over(run) else "No request has come due so far."
    else:
        why = "Loading…"
    return html.Div(why, className="dimmed")


def without_both_clocks(run: LoadRun) -> Component:
    """The same of a run of which this host has the seconds: one side timed nothing in them."""
    why = "Of the client or of the server no time of a request is known in the seconds of the run."
    if not run.plan.listener:
        why = "The requests went to a host whose stages nobody records here."
    return html.Div(why, className="dimmed")


def is_without_seconds(run: LoadRun) -> bool:
    """Whether this host has no seconds of the run, and never will: there is nothing to draw."""
    return run.origin is not None or load_run.never_began(run)


def graphs_style(run: LoadRun, *, has_series: bool) -> dict[str, str]:
    """The graphs are out of sight where they would stay empty for good."""
    return HIDDEN if load_run.never_began(run) or not has_series else {"display": "block"}


def more(run: LoadRun) -> list[Component]:
    """Other pages over the seconds of the run."""
    span = runs.span_of(run)
    if span is None or is_without_seconds(run):
        return []
    return [html.Span("More of these seconds:"), *ways_on(*_ends(run, span), run.plan.listener)]


def plan_panel(run: LoadRun) -> dmc.Card:
    """The plan of the run."""
    of_comparison = {"Part of": f"comparison {run.plan.comparison}"} if run.plan.comparison else {}
    return panels.panel(
        "Asked for",
        "The same plan with the same seed sends the same requests at the same times.",
        facts(plan_facts(run.plan, run.kind) | of_comparison),
    )


def words_panel(run: LoadRun, why_not: str) -> dmc.Card:
    """The form for name, note and tags, and what else can be done with the run."""
    is_refused = bool(why_not)
    fields = [
        dmc.TextInput(
            id="one-run-name",
            label="Name",
            value=run.name,
            placeholder="before the index",
            autoComplete="off",
            disabled=is_refused,
        ),
        dmc.TextInput(
            id="one-run-tags",
            label="Tags",
            value=", ".join(run.tags),
            placeholder="sqlite, release 2",
            autoComplete="off",
            disabled=is_refused,
        ),
        dmc.Textarea(
            id="one-run-note",
            label="Note",
            value=run.note,
            autosize=True,
            minRows=2,
            maxRows=8,
            className="wide",
            disabled=is_refused,
        ),
    ]
    return panels.panel(
        "Name, tags and note",
        "In your words; the list of runs finds a run by each of them. Tags are parted by commas.",
        forms.form(fields, ANSWER, "one-run-save"),
        forms.actions(
            dmc.Button("Save", id="one-run-save", disabled=is_refused),
            dmc.Button("Repeat", id="one-run-repeat", variant="default", disabled=is_refused),
            html.Div(
                [] if is_refused else _delete(run),
                id="one-run-deletion",
                style=SHOWN if load_run.is_over(run) else HIDDEN,
            ),
            answer_id=ANSWER,
            why_not=sentence(why_not) if why_not else "",
        ),
    )


def _delete(run: LoadRun) -> dmc.Popover:
    """A button that asks once more: a deleted run is gone for good."""
    return dmc.Popover(
        [
            dmc.PopoverTarget(
                "Delete…", boxWrapperProps=BUTTON | {"className": "menu-button danger"}
            ),
            dmc.PopoverDropdown(
                [
                    html.P(
                        f"Run {run.id} and its result go for good; the store keeps the records of "
                        "its seconds."
                    ),
                    action_bar(
                        dmc.Button(f"Delete run {run.id}", id="one-run-delete", color="red")
                    ),
                ]
            ),
        ],
        position="bottom-start",
        shadow="md",
        width=280,
        withinPortal=False,
        keepMounted=True,
    )


def not_here(text: object, number: int, newest_id: int) -> html.Div:
    """The page of a run that is not there, and why."""
    if not number:
        heading, why = "There is no such run", f"“{str(text)[:40]}” is no number of a load run."
    elif number > newest_id:
        heading = f"There is no run {number:,} yet"
        why = (
            f"The newest run is number {newest_id:,}."
            if newest_id
            else "No load run was started yet: start one on the page Load."
        )
    else:
        heading = f"Run {number:,} is not here any more"
        why = "It was deleted. No other run gets its number."
    return html.Div(
        className="no-live not-found",
        children=[
            dmc.Title(heading, order=1, size="h3", mt="lg"),
            dmc.Text(linked(why)),
            dcc.Link("All runs", href=below_prefix(RUNS)),
        ],
    )
