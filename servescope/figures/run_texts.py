"""A load run in words, the same on pages and in its report: its plan and where it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.figures import units
from servescope.figures.shares import share_text
from servescope.load.report import FROM_DUE, OF_SUCCESS, TELLING_ERRORS, latency_of
from servescope.records.scenarios import (
    Constant,
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Spike,
    Steps,
    Users,
)
from servescope.records.server_kinds import ServerKind
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.records.load import LoadPlan
    from servescope.records.run_environment import Repository, RunEnvironment
    from servescope.records.scenarios import Scenario, Step

KINDS: Final = {
    ServerKind.LISTENER: "Listener",
    ServerKind.APP: "App under another server",
    ServerKind.HOST: "Host",
}
"""The label before a server's name, as in a list of facts."""
SUCCEEDED: Final = "status < 400"
"""Of which answers a percentile is that leaves errors out."""

_SHORT_COMMIT: Final = 12
_ERRORS: Final = ("4", "5")  # classes of status; RFC 9110 section 15


def plan_text(plan: LoadPlan) -> str:
    """A plan in a few words."""
    scenario = plan.scenario
    others = sum(len(flow.steps) for flow in scenario.flows) - 1
    more = f" and {others:,} more" if others and not scenario.name else ""
    return f"{plan.destination} {scenario.label}{more}, {schedule_text(scenario)}"


def offered_text(scenario: Scenario) -> str:
    """How much load it is in a few words: `1,500 req/s`, `20 flows/s` or `10 users`.

    Of a rate that changes it is the mean.
    """
    schedule = scenario.schedule
    if isinstance(schedule, Users):
        return counted(schedule.users, "user")
    return units.text(schedule.mean_rate, _unit_of_rate(scenario))


def latency(result: Mapping[str, Any], name: str, clock: str = FROM_DUE) -> units.Duration:
    """A latency of a run's result, or of one step of it; see `load.report.latency_of`."""
    found = latency_of(result, name, clock)
    return units.Duration(None) if found is None else units.Duration(found.ms / 1e3, found.is_bound)


def has_errors(result: Mapping[str, Any]) -> bool:
    """Whether percentiles of a result are in part of errors, and are known without these, too."""
    timed_out = _timed_out(result)
    timed = int(result.get("answered") or 0) + timed_out
    errors = sum(_refused(result).values()) + timed_out
    is_mixed = TELLING_ERRORS * timed <= errors < timed
    return is_mixed and result.get(OF_SUCCESS) is not None


def timed_text(result: Mapping[str, Any]) -> str:
    """Of which requests the latencies of a result are: its answers, and those that timed out."""
    timed_out = _timed_out(result)
    told = answers_text(result)
    return f"{told}, and {counted(timed_out, 'request')} that timed out" if timed_out else told


def answers_text(result: Mapping[str, Any]) -> str:
    """The answers of a result, and how many of them are errors: `15,000 answers, 93 % of them 503`.

    An error is often quick: where a p99 may be one of an error, a reader has to know.
    """
    answers, refused = int(result.get("answered") or 0), _refused(result)
    told, number = counted(answers, "answer"), sum(refused.values())
    if not number or number < TELLING_ERRORS * answers:
        return told
    classes = sorted({f"{status[:1]}xx" for status in refused})
    which = next(iter(refused)) if len(refused) == 1 else " or ".join(classes)
    if number == answers:
        return f"{told}, {'all ' if number > 1 else ''}{which}"
    return f"{told}, {share_text(number / answers)} of them {which}"


def _timed_out(result: Mapping[str, Any]) -> int:
    return int((result.get("failed") or {}).get("timed_out") or 0)


def _refused(result: Mapping[str, Any]) -> dict[str, int]:
    """Answers of 4xx and 5xx, by status."""
    statuses = (result.get("statuses") or {}).items()
    return {status: int(number) for status, number in statuses if status[:1] in _ERRORS}


LATENESS: Final = "Sent late by the generator"
"""The label of `lateness_text`: by its own delay, not for want of a connection."""


def lateness_text(lag_ms: Mapping[str, float | None]) -> str:
    """How much later than due the generator took requests up, of a result's `lag_ms`."""
    p99, most = (
        units.text(None if value is None else value / 1e3, "s")
        for value in (lag_ms["p99"], lag_ms["max"])
    )
    return f"1 in 100 requests by {p99} or more, the latest by {most}"


def schedule_text(scenario: Scenario) -> str:
    """The schedule of a scenario in a few words: how often, and for how long."""
    schedule, unit = scenario.schedule, _unit_of_rate(scenario)
    seconds = units.length(schedule.seconds)

    def rate(value: float) -> str:
        return units.text(value, unit)

    match schedule:
        case Constant():
            told = f"{rate(schedule.rate)} for {seconds}"
        case Poisson():
            told = f"Poisson arrivals, {rate(schedule.rate)} on average for {seconds}"
        case Ramp():
            told = f"from {rate(schedule.from_rate)} to {rate(schedule.to_rate)} in {seconds}"
        case Steps():
            *others, last = schedule.rates
            rates = ", ".join([*map(units.number, others), rate(last)])
            told = f"steps of {rates}, {units.length(schedule.step_seconds)} each"
        case Spike():
            peak = f"{rate(schedule.peak_rate)} for {units.length(schedule.peak_seconds)}"
            at = units.length(schedule.peak_at)
            told = f"{rate(schedule.rate)} for {seconds}, with a peak of {peak} after {at}"
        case Recorded():
            times = f"\N{MULTIPLICATION SIGN} {schedule.factor:g}"
            source = f" of {schedule.source}" if schedule.source else ""
            told = f"recorded arrivals{source} {times}, for {seconds}"
        case Users():
            think = f"with {units.text(schedule.think_seconds, 's')}"
            told = (
                f"closed model, {counted(schedule.users, 'user')} "
                f"{think if schedule.think_seconds else 'without a pause'} between an answer "
                f"and the next request, for {seconds}"
            )
    return told


def plan_facts(plan: LoadPlan, kind: ServerKind) -> dict[str, str]:
    """All that is needed to ask for the same again, by name; `kind` is that of the target."""
    scenario = plan.scenario
    facts = {
        KINDS[kind]: plan.destination,
        "DNS": _lookup(plan),
        "Scenario": scenario.name,
        "Schedule": schedule_text(scenario),
        "Requests": _mix(plan),
        "Connections": (
            f"{'kept alive' if scenario.keep_alive else 'one for each request'}, at most "
            f"{scenario.max_connections:,} at a time"
        ),
        "Timeout": units.text(scenario.timeout_seconds, "s"),
        "Rows of data": f"{len(scenario.data.rows):,} of {', '.join(scenario.data.columns)}"
        if scenario.data.rows
        else "",
        "Rules": scenario.rules_text,
        "Seed": f"{scenario.seed}",
    }
    return {name: value for name, value in facts.items() if value}


def _lookup(plan: LoadPlan) -> str:
    """How the name of its host was looked up; nothing of an address, or of a listener."""
    if plan.lookup_seconds is None:
        return ""
    took = units.text(plan.lookup_seconds, "s")
    return f"looked up once, before the run, in {took}: {plan.address}"


def _mix(plan: LoadPlan) -> str:
    """The flows, each with its share where there are several."""
    flows = plan.scenario.flows
    whole = sum(flow.weight for flow in flows)
    told = []
    for flow in flows:
        steps = ", then ".join(map(_step, flow.steps))
        share = f" ({units.text(flow.weight / whole, '1')})" if len(flows) > 1 and whole else ""
        told.append(steps + share)
    return "; ".join(told)


def _step(step: Step) -> str:
    if isinstance(step, RequestStep):
        what = f"{step.method} {step.target}"
        if step.body:
            what += f" with {len(step.body):,} characters of {step.body_kind}"
        if step.send_seconds:
            what += f", sent over {units.text(step.send_seconds, 's')}"
        if step.read_seconds:
            what += f", its answer read over {units.text(step.read_seconds, 's')}"
    else:
        what = f"WebSocket {step.target} with {counted(len(step.messages), 'message')}"
    return f"{step.name}: {what}" if step.name else what


def _unit_of_rate(scenario: Scenario) -> str:
    """The unit of its schedule, which counts flows: those of one request each are requests."""
    return "{request}/s" if scenario.is_of_requests else "{flow}/s"


def environment_texts(environment: RunEnvironment | None) -> dict[str, str]:
    """Versions, machine and server, by name; nothing where nothing was kept."""
    if environment is None:
        return {}
    threads = (
        "none: an event loop calls the app"
        if environment.threads is None
        else f"{environment.threads:,} in all"
    )
    pinned = "no core" if environment.pinned_core is None else f"core {environment.pinned_core}"
    machine = {
        "Cores": f"{environment.cores:,} that Servescope may use",
        "System": f"{environment.system}, {environment.machine}",
        "Python": environment.python,
        "Servescope": environment.servescope or "not known",
    }
    if not environment.app:
        return machine
    return {
        "App": f"{environment.app} ({environment.app_kind})",
        "Its repository": _repository(environment.repository),
        "Concurrency model": environment.model.replace("_", " "),
        "Request threads": threads,
        "Server processes": f"{environment.processes:,}",
        "Port": str(environment.port) if environment.port else "not kept",
        "Listener pinned to": pinned,
        "TLS": "yes" if environment.is_tls else "no",
        **machine,
    }


def _repository(repository: Repository | None) -> str:
    if repository is None:
        return "none found"
    branch = f" on {repository.branch}" if repository.branch else ""
    dirty = ", with changes that are not committed" if repository.is_dirty else ", nothing changed"
    return f"commit {repository.commit[:_SHORT_COMMIT]}{branch}{dirty}"
