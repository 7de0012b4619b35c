"""Judgement of a search for a capacity: what the listener carries, and what limits it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings.finding import Figure, Finding, Severity
from servescope.findings.limits import told_limit
from servescope.sentences import capitalized
from servescope.statistics.capacity_search import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import CapacityEvidence, Evidence

_RATE: Final = "{request}/s"
_LOAD: Final = "/load"


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
    name = found.server
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
            Figure("CPU of the generator", found.readings.generator_cpu, units.CORES),
        )
    return _finding(
        found,
        Severity.UNKNOWN,
        "capacity-undecided",
        f"How much {name} carries at {found.target} cannot be decided: {found.reason}.",
        Figure("CPU of the machine", found.readings.machine_busy, "1"),
    )


def _limit(found: CapacityEvidence) -> Finding:
    limit = told_limit(found.readings)
    return Finding(
        Severity.NOTE if limit.is_known else Severity.UNKNOWN,
        "capacity-limit",
        found.server,
        f"It is limited by {limit.words}.",
        limit.figures,
        limit.link,
    )


def _with_interval(value: float, half_width: float) -> str:
    """No more digits than the interval gives a meaning to; the interval is rounded up."""
    digits = 0 if half_width >= 1 else 1
    shown = math.ceil(half_width * 10**digits - 1e-9) / 10**digits
    return f"{value:,.{digits}f} ± {shown:,.{digits}f}"


def _finding(
    found: CapacityEvidence, severity: Severity, code: str, sentence: str, *figures: Figure
) -> Finding:
    return Finding(severity, code, found.server, sentence, figures, _LOAD)
