"""The shell's texts on every page: which process leads, notices, the load run under way."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components.run_links import address_of
from servescope.figures import units
from servescope.figures.run_texts import offered_text
from servescope.queries import capacity, comparison, load, verdicts
from servescope.records.load import RunState
from servescope.records.metrics import ALL_HOSTS
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import DashboardStatus
    from servescope.records.capacity import SearchedCapacity
    from servescope.records.comparisons import Comparison
    from servescope.records.load import LoadRun
    from servescope.records.verdicts import RequestedVerdict

Props = dict[str, dict[str, Any]]

SHOWN: Final = {"display": "flex"}
HIDDEN: Final = {"display": "none"}
OWN_HOST: Final = " "
"""The host picker's value of this host: a choice needs one, and no host has this name."""


def sentence(text: object) -> str:
    """A text of others as a sentence of a page: with a capital letter and a full stop."""
    told = capitalized(text)
    return told if told.endswith((".", "!", "?")) else f"{told}."


def props(context: QueryContext, host: str = "") -> Props:
    """Properties of the shell's components, as of now; `host` is the one that the view names."""
    status = context.dashboard_status()
    notices = [*_unknown_host(context, host), *status.notices]
    return {
        "processes": {"children": process_facts(status)},
        "notices": {"children": [notice(text) for text in notices]},
        "promise": {"children": promise_text(context)},
        "promise-again": {"children": promise_text(context)},
        **_load_props(context),
        **host_props(context),
    }


def _unknown_host(context: QueryContext, host: str) -> list[str]:
    """That the view names another host, where no engine has the figures of any but this one."""
    process = context.process
    if process.fleet is not None or host in {"", ALL_HOSTS, process.settings.instance}:
        return []
    told = f"There are no figures of host {host}: no engine is set, which would have those of "
    return [f"{told}other hosts. All that is shown is of this host."]


def promise_text(context: QueryContext) -> str:
    """Where figures come from an engine: how late they show, and how exact percentiles are."""
    promise = context.store.capabilities()
    if context.process.fleet is None or not promise.visibility_delay_s:
        return ""
    within = units.text(promise.error_bound, "1")
    late = f"{promise.visibility_delay_s:g} s"
    return f"Engine: points show up to {late} late, percentiles ±{within}."


def host_props(context: QueryContext) -> Props:
    """The host picker: shown where an engine holds more than one."""
    fleet, hosts = context.process.fleet, context.process.hosts()
    if fleet is None or len(hosts) <= 1:
        return {"host-picker": {"style": HIDDEN}}
    here = {"value": OWN_HOST, "label": f"{fleet.instance} (this host)"}
    others = [
        {"value": host.name, "label": host.name} for host in hosts if host.name != fleet.instance
    ]
    everyone = {"value": ALL_HOSTS, "label": f"All {len(others) + 1} hosts"}
    return {"host-picker": {"style": SHOWN}, "host": {"data": [here, *others, everyone]}}


def process_facts(status: DashboardStatus) -> list[html.Dt | html.Dd]:
    """The process that answered, the one that leads, and how many share the data folder."""
    if status.role == "leader":
        leader = "the same process"
    elif status.leader_pid:
        leader = f"pid {status.leader_pid}"
    else:
        leader = "no process now"
    facts = {
        "Answers this page": f"pid {status.pid}, {status.role}",
        "Leads: collects and hosts": leader,
        "Dashboard processes": str(status.instances),
    }
    return [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))]


def notice(text: str) -> dmc.Alert:
    """A sentence a person has to know."""
    return dmc.Alert(text, color="yellow", variant="light", p="xs", className="notice")


def _load_props(context: QueryContext) -> Props:
    """The strip of the comparison or search under way, or else of the load run."""
    compared = comparison.active_comparison(context)
    searched = capacity.active_search(context)
    if searched is not None:
        stopping = searched.state is RunState.STOPPING
        return strip(search_text(searched), search_share(searched), stopping=stopping)
    judged = verdicts.active_verdict(context)
    if judged is not None:
        stopping = judged.state is RunState.STOPPING
        return strip(verdict_text(judged), verdict_share(judged), stopping=stopping)
    if compared is None:
        return run_props(load.active_run(context))
    runs = comparison.runs_under_way(context)
    stopping = compared.state is RunState.STOPPING
    return strip(
        comparison_text(compared, runs), comparison_share(compared, runs), stopping=stopping
    )


def run_props(run: LoadRun | None) -> Props:
    """The strip in the header: the run under way, its progress, Stop."""
    if run is None:
        return {"run-strip": {"style": HIDDEN}}
    text = dcc.Link(run_text(run), href=address_of(run.id))
    return strip(text, share(run), stopping=run.state is RunState.STOPPING)


def strip(text: str | dcc.Link, percent: float, *, stopping: bool) -> Props:
    """The header's strip about load under way, and how far it is."""
    return {
        "run-strip": {"style": SHOWN},
        "run-text": {"children": text},
        "run-bar": {"value": percent},
        "run-stop": {"children": "Stopping…" if stopping else "Stop", "disabled": stopping},
    }


def share(run: LoadRun) -> float:
    """How far the run is, in percent of its time."""
    elapsed = float(run.progress.get("elapsed_s") or 0.0)
    return round(min(100.0, 100.0 * elapsed / run.plan.seconds), 1)


def run_text(run: LoadRun) -> str:
    """The run in a few words."""
    offered = offered_text(run.plan.scenario)
    if run.state is RunState.REQUESTED:
        return f"Load run {run.id} starts: {offered}"
    awaited = awaited_text(run)
    if awaited:
        return f"Load run {run.id} awaits {awaited}"
    return f"Load run {run.id}: {offered}, {_elapsed_text(run)}"


def _elapsed_text(run: LoadRun) -> str:
    elapsed = min(float(run.progress.get("elapsed_s") or 0.0), run.plan.seconds)
    return f"{elapsed:.0f} of {run.plan.seconds:.0f} s"


def awaited_text(run: LoadRun) -> str:
    """Say in a few words what a run waits for after its schedule; empty before that."""
    elapsed_s = float(run.progress.get("elapsed_s") or 0.0)
    if elapsed_s < run.plan.seconds:
        return ""
    scenario = run.plan.scenario
    if not scenario.is_of_requests:  # whose flows may go on with a step after each answer
        return "the end of its last flows"
    left_s = math.ceil(run.plan.seconds + scenario.timeout_seconds - elapsed_s)
    answers = counted(int(run.progress.get("in_flight") or 0), "answer")
    if left_s <= 0:
        return f"{answers}; it ends any moment now"
    return f"{answers}, for {units.length(left_s)} more at most"


def search_text(searched: SearchedCapacity) -> str:
    """In a few words where a search for a capacity stands, and how long it may still take."""
    if searched.state is RunState.STOPPING:
        return f"Search {searched.id} stops"
    if searched.state is RunState.REQUESTED or not searched.step:
        return f"Search {searched.id} starts"
    rate = units.text(float(searched.step["rate"]), "{request}/s")
    left_s = math.ceil(searched.plan.total_s - _spent_s(searched))
    left = f"at most {units.length(left_s)} left" if left_s > 0 else "it ends any moment now"
    return f"Search {searched.id}: step {len(searched.steps) + 1}, {rate}, {left}"


def search_share(searched: SearchedCapacity) -> float:
    """How much of its time a search has used, in percent."""
    return round(100.0 * min(_spent_s(searched) / searched.plan.total_s, 1.0), 1)


def _spent_s(searched: SearchedCapacity) -> float:
    return 0.0 if searched.started_s is None else max(time.time() - searched.started_s, 0.0)


def verdict_text(judged: RequestedVerdict) -> str:
    """In a few words where a verdict stands, and how much load may still come."""
    if judged.state is RunState.STOPPING:
        return f"Verdict {judged.id} stops"
    if judged.started_s is None:
        return f"Verdict {judged.id} starts"
    pairs = judged.pairs
    left = units.length(judged.plan.most_seconds * (1 - pairs / judged.plan.most_pairs))
    return (
        f"Verdict {judged.id}: {pairs} of at most {judged.plan.most_pairs} pairs, "
        f"at most {left} of load left if all count"
    )


def verdict_share(judged: RequestedVerdict) -> float:
    """How many of its pairs a verdict has had, in percent."""
    return round(100.0 * min(judged.pairs / judged.plan.most_pairs, 1.0), 1)


def comparison_text(compared: Comparison, runs: Mapping[int, LoadRun]) -> str:
    """In a few words where a comparison stands."""
    if compared.state is RunState.STOPPING:
        return f"Comparison {compared.id} stops"
    going = [one for one in compared.contenders if one.state in {"starting", "running"}]
    if not going:
        is_new = compared.state is RunState.REQUESTED
        return f"Comparison {compared.id} {'starts' if is_new else 'is put together'}"
    names = ", ".join(one.label for one in going)
    told = f"Comparison {compared.id}: {names}"
    theirs = [run for one in going if (run := runs.get(one.run_id)) is not None]
    if len(theirs) < len(going):
        return f"{told} {'starts' if len(going) == 1 else 'start'}"
    awaited = [awaited_text(run) for run in theirs]
    if not all(awaited):
        return f"{told}, {_elapsed_text(theirs[awaited.index('')])}"
    if len(going) == 1:
        return f"{told} awaits {awaited[0]}"
    return f"{told} await their last answers"


def comparison_share(compared: Comparison, runs: Mapping[int, LoadRun]) -> float:
    """How far it is, in percent."""
    parts = []
    for one in compared.contenders:
        run = runs.get(one.run_id)
        ended = one.state not in {"waiting", "starting", "running"}
        parts.append(100.0 if ended else share(run) if run else 0.0)
    return round(sum(parts) / len(parts), 1)
