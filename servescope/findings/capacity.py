"""Judgement of a search for a capacity: what the listener carries, and what limits it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings.finding import Figure, Finding, Severity
from servescope.sentences import capitalized
from servescope.statistics.capacity_limits import Limit
from servescope.statistics.capacity_search import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import CapacityEvidence, Evidence

_RATE: Final = "{request}/s"
_HOST, _PORTS, _LATENCY, _LOAD = "/host", "/ports", "/latency", "/load"


def capacity(evidence: Evidence) -> Iterator[Finding]:
    """The result in one sentence, and what was at its limit in another."""
    found = evidence.capacity
    if found is None:
        return
    yield _result(found)
    if found.outcome is Outcome.CARRIES:
        yield _limit(found)


def _result(found: CapacityEvidence) -> Finding:
    objective = (
        f"99 of 100 requests within {units.text(found.latency_limit_s, 's')} and at most "
        f"{units.text(found.error_limit, '1')} failed"
    )
    name = f"listener {found.listener}"
    rate = units.text(found.bound, _RATE)
    if found.outcome is Outcome.CARRIES and found.rate is not None:
        half = max(found.high - found.rate, found.rate - found.low)
        return _finding(
            found,
            Severity.NOTE,
            "capacity-found",
            f"{capitalized(name)} carries {_with_interval(found.rate, half)} "
            f"requests/s at {found.target} with {objective}.",
            Figure("capacity", found.rate, _RATE),
            Figure("at least", found.low, _RATE),
            Figure("at most", found.high, _RATE),
        )
    if found.outcome is Outcome.AT_LEAST:
        return _finding(
            found,
            Severity.NOTE,
            "capacity-at-least",
            f"{capitalized(name)} carries at least {rate} at {found.target} with {objective}: "
            "more may not be offered here.",
            Figure("offered", found.bound, _RATE),
        )
    if found.outcome is Outcome.LESS_THAN:
        return _finding(
            found,
            Severity.WARN,
            "capacity-less-than",
            f"{capitalized(name)} does not carry {rate} at {found.target} with {objective}.",
            Figure("offered", found.bound, _RATE),
        )
    if found.outcome is Outcome.GENERATOR:
        held = f"It held at {rate}. " if found.bound is not None else ""
        return _finding(
            found,
            Severity.UNKNOWN,
            "capacity-generator",
            f"{capitalized(name)} was not at its limit, as far as can be seen: the load generator "
            f"was late, or out of CPU or connections. {held}Its capacity is not known.",
            Figure("CPU of the generator", found.generator_cpu, units.CORES),
        )
    return _finding(
        found,
        Severity.UNKNOWN,
        "capacity-undecided",
        f"How much {name} carries at {found.target} cannot be decided: {found.reason}.",
        Figure("CPU of the machine", found.machine_busy, "1"),
    )


def _limit(found: CapacityEvidence) -> Finding:
    threads, busy = found.threads or 0, found.busy_threads
    figures = (
        Figure("CPU of its busiest process", found.process_cores, units.CORES),
        Figure("busy threads", busy),
        Figure("CPU of the machine", found.machine_busy, "1"),
        Figure("CPU of the generator", found.generator_cpu, units.CORES),
        Figure("requests in the app", found.in_app),
        Figure("accept queue of its backlog", found.accept_queue, "1"),
    )
    cores = units.text(found.process_cores, units.CORES)
    of_core = f"its busiest process used {cores} of one"
    some = f"{units.number(busy or 0.0)} of {threads} threads had a request on average"
    in_app = f"{units.number(found.in_app or 0.0)} requests were in it"
    said, link = {
        Limit.GIL: (f"the GIL or one core: {of_core} while {some}", _HOST),
        Limit.CORE: (f"CPU of one core: {of_core}", _HOST),
        Limit.MACHINE: (
            f"CPU of all cores: {units.text(found.machine_busy, '1')} of the machine was in use",
            _HOST,
        ),
        Limit.THREADS: (f"threads: {some} while {of_core} core", _PORTS),
        Limit.ACCEPT_QUEUE: (
            f"the accept queue: it was full while {of_core} core and no thread was lacking",
            _PORTS,
        ),
        Limit.APP_WAIT: (
            f"the app's own waiting: {in_app} on average while {of_core} core",
            _LATENCY,
        ),
        Limit.GENERATOR: ("the generator, which was late, or out of CPU or connections", _HOST),
    }.get(found.limit, ("something that was not measured: nothing else was at its limit", _HOST))
    is_known = found.limit not in {Limit.UNKNOWN, Limit.GENERATOR}
    severity = Severity.NOTE if is_known else Severity.UNKNOWN
    return Finding(
        severity,
        "capacity-limit",
        f"listener {found.listener}",
        f"It is limited by {said}.",
        figures,
        link,
    )


def _with_interval(value: float, half_width: float) -> str:
    """No more digits than the interval gives a meaning to; the interval is rounded up."""
    digits = 0 if half_width >= 1 else 1
    shown = math.ceil(half_width * 10**digits - 1e-9) / 10**digits
    return f"{value:,.{digits}f} ± {shown:,.{digits}f}"


def _finding(
    found: CapacityEvidence, severity: Severity, code: str, sentence: str, *figures: Figure
) -> Finding:
    return Finding(severity, code, f"listener {found.listener}", sentence, figures, _LOAD)
