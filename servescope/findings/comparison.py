"""Judgement of several targets under the same load: what each did, and what limited it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings.finding import Figure, Finding, Severity
from servescope.findings.limits import told_limit
from servescope.findings.load_run import (
    DIFFERENT,
    fell_behind,
    is_limited_by_generator,
    judge_run,
)
from servescope.load.report import TELLING_ERRORS
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.sentences import capitalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servescope.findings.evidence import ContenderEvidence, Evidence

_LINK: Final = "/servers#compare"
LIMIT_CODES: Final = ("target-limit", "target-not-limited")
"""Of the findings that say of one target what limited it; their subject is the target."""


def comparison(evidence: Evidence) -> Iterator[Finding]:
    """Of all targets that were measured: failures, limits, latency and cost of those without."""
    over = [one for one in evidence.contenders if one.run.state in TERMINAL_STATES]
    for one in over:
        yield from _limit(one)
        for found in judge_run(one.run):
            if found.severity in {Severity.BAD, Severity.WARN, Severity.UNKNOWN}:
                yield Finding(
                    found.severity,
                    found.code,
                    one.run.target,
                    found.sentence,
                    found.evidence,
                    _LINK,
                )
    sound = [one for one in over if _is_sound(one)]
    left_out = [one.name for one in over if not _is_sound(one)]
    yield from _latency(sound, left_out)
    yield from _cost(over)


def _limit(one: ContenderEvidence) -> Iterator[Finding]:
    """The limit of a target that did less than was asked for, else that there was none."""
    run = one.run
    if run.state is RunState.FAILED or not run.sent:
        return
    unknown = f"The limit of {run.target} is not known:"
    state, code, link = Severity.UNKNOWN, "target-limit", _LINK
    figures: tuple[Figure, ...] = (
        Figure("answered per second", run.answered_per_s, "{request}/s"),
        Figure("asked for", run.rate_asked, "{request}/s"),
    )
    if is_limited_by_generator(run):
        told = f"{unknown} the load generator was at its own."
    elif not fell_behind(run) and not run.failures:
        state, code = Severity.NOTE, "target-not-limited"
        asked = units.text(run.rate_asked, "{request}/s")
        told = f"Nothing limited {run.target} at {asked}: it kept up."
    elif one.readings is None:
        told = f"{unknown} nothing was read of it while it had its load."
    else:
        limit = told_limit(one.readings)
        state = Severity.NOTE if limit.is_known else Severity.UNKNOWN
        figures, link = limit.figures, limit.link
        told = f"{capitalized(run.target)} was limited by {limit.words}."
    yield Finding(state, code, run.target, told, figures, link)


def _is_sound(one: ContenderEvidence) -> bool:
    """Whether its latencies are the server's, of requests that were all answered.

    Nor may so many answers be server errors that its p99 may be one of an error, which is quick.
    """
    run = one.run
    is_complete = bool(run.p99_s) and run.answered > 0 and not run.failures
    is_complete &= run.server_errors < TELLING_ERRORS * run.answered
    return is_complete and not fell_behind(run) and not is_limited_by_generator(run)


def _latency(sound: Sequence[ContenderEvidence], left_out: Sequence[str]) -> Iterator[Finding]:
    rest = f" Not compared, for the reasons above: {', '.join(left_out)}." if left_out else ""
    if len(sound) < 2:  # noqa: PLR2004 - one model has nothing to be compared with
        if left_out:
            yield _note(
                Severity.UNKNOWN,
                "latency-incomparable",
                f"Their latencies cannot be compared.{rest}",
            )
        return
    best, worst = min(sound, key=_p99), max(sound, key=_p99)
    figures = (Figure(best.name, _p99(best), "s"), Figure(worst.name, _p99(worst), "s"))
    fast, slow = units.text(_p99(best), "s"), units.text(_p99(worst), "s")
    if _p99(worst) < DIFFERENT * _p99(best):
        told = (
            f"99 of 100 requests were answered within {fast} by {best.name} and within {slow} by "
            f"{worst.name}: too close to tell them apart by one run.{rest}"
        )
        yield _note(Severity.NOTE, "latency-alike", told, *figures)
        return
    times = units.number(_p99(worst) / _p99(best))
    yield _note(
        Severity.NOTE,
        "latency-differs",
        f"99 of 100 requests were answered within {fast} by {best.name}, and within {slow} by "
        f"{worst.name}: {times} times as long.{rest}",
        *figures,
    )


def _cost(over: Sequence[ContenderEvidence]) -> Iterator[Finding]:
    known = [
        (one.cpu_us_per_request, one) for one in over if one.cpu_us_per_request and one.run.answered
    ]
    if len(known) < 2:  # noqa: PLR2004 - as above
        return
    (least, cheap) = min(known, key=lambda pair: pair[0])
    (most, dear) = max(known, key=lambda pair: pair[0])
    if most < DIFFERENT * least:
        return
    yield _note(
        Severity.NOTE,
        "cost-differs",
        f"An answered request cost {cheap.name} {units.number(least)} µs of CPU time and "
        f"{dear.name} {units.number(most)} µs.",
        Figure(cheap.name, least * 1e-6, "s"),
        Figure(dear.name, most * 1e-6, "s"),
    )


def _note(state: Severity, code: str, told: str, *figures: Figure) -> Finding:
    return Finding(state, code, "comparison", told, figures, _LINK)


def _p99(one: ContenderEvidence) -> float:
    return one.run.p99_s or 0.0
