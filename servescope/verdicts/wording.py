"""A comparison in words and figures, as lines of text and as an object of JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from servescope.sentences import counted
from servescope.statistics.paired_test import POWER
from servescope.statistics.sequential_verdict import ALPHA, Side, VerdictKind
from servescope.verdicts.comparing import MOST_FAILED, Discard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from servescope.statistics.sequential_verdict import QuantileVerdict, Verdict
    from servescope.verdicts.comparing import (
        MeasuredPair,
        Outcome,
        StageDifference,
        StepDifference,
    )

NOT_SLOWER: Final = 0
SLOWER: Final = 1
UNDECIDED: Final = 3
"""Exit statuses of the command; 2 is bad input."""

CAVEAT: Final = (
    "This is about these two runs: a machine that was slower during one of them looks like a "
    "slower server. Pairs of runs in turns tell them apart."
)

COUNTS_AS_FAILED: Final = "no answer, or 4xx or 5xx"
"""The requests that a verdict counts as failed; pages call those without an answer so."""

_DISCARDED: Final = {
    Discard.LATE: "the load generator was late",
    Discard.FAILED: f"more than {MOST_FAILED * 100:g} % of the requests of one side failed",
}

_MOST_RATIO: Final = 10.0
"""From here on a ratio is told as a multiple, below it in percent."""


def exit_status(outcome: Outcome) -> int:
    """The exit status of the command for this outcome."""
    if outcome.is_failing or outcome.kind is VerdictKind.SLOWER:
        return SLOWER
    return UNDECIDED if outcome.kind is VerdictKind.UNDECIDED else NOT_SLOWER


def quantile_name(quantile: float) -> str:
    """`p50`, `p99.9`."""
    return f"p{quantile * 100:.10g}"


def change(ratio: float) -> str:
    """A ratio as a change: `+10.8 %`, `12 times`."""
    if ratio >= _MOST_RATIO:
        return "no bound" if math.isinf(ratio) else f"{ratio:.3g} times"
    return f"{(ratio - 1) * 100:+.1f} %"


def pair_line(pair: MeasuredPair) -> str:
    """One pair: its ratios, and how sure the pairs so far are."""
    start = f"pair {pair.order.number:>2} ({pair.order.first} first)"
    if pair.discarded is Discard.LATE:
        lag_ms = max(run.result.lag_ms.p99 or 0 for run in pair.runs.values())
        return f"{start}: does not count, the load generator was late ({_ms(lag_ms)} at p99)"
    if pair.discarded is Discard.FAILED:
        failed = ", ".join(
            f"{side} {run.failed} of {run.result.sent}" for side, run in pair.runs.items()
        )
        return f"{start}: latencies are not compared, requests failed ({failed})"
    if pair.verdict is None:
        return f"{start}: does not count, there are no latencies"
    return f"{start}: " + "; ".join(map(_so_far, pair.verdict.quantiles))


def _so_far(found: QuantileVerdict) -> str:
    if math.isinf(found.high):
        return f"{quantile_name(found.quantile)} {change(found.ratio)}"
    return f"{quantile_name(found.quantile)} {change(found.ratio)} ({_interval(found)})"


def lines(outcome: Outcome) -> Iterator[str]:
    """The result, line by line."""
    verdict = outcome.verdict
    if verdict is not None:
        yield f"{'':8}{'before':>12}{'after':>12}{'change':>12}   {_confidence()} interval"
        for found, latency in zip(verdict.quantiles, outcome.latencies, strict=True):
            yield (
                f"{quantile_name(found.quantile):8}{_ms(latency.before_ms):>12}"
                f"{_ms(latency.after_ms):>12}{change(found.ratio):>12}   {_interval(found)}"
                f"{'' if found.is_judged else ', not judged'}: {_told(found, verdict.tolerance)}"
            )
        yield from _stage_lines(outcome.stages)
        yield from _step_lines(outcome.steps)
        yield power(outcome)
    yield from discarded_texts(outcome.discarded_pairs)
    yield conclusion(outcome)
    if outcome.is_of_two_runs and not outcome.why_undecided:
        yield CAVEAT


def discarded_texts(discarded: Mapping[Discard, int] | Mapping[str, int]) -> Iterator[str]:
    """How many pairs were measured and are no part of the verdict on latencies, by `Discard`."""
    for why, number in discarded.items():
        if number:
            do, them = ("does", "it") if number == 1 else ("do", "them")
            yield f"{counted(number, 'pair')} {do} not count: {_DISCARDED[Discard(why)]} in {them}."


def conclusion(outcome: Outcome) -> str:
    """The verdict in a sentence or two."""
    verdict = outcome.verdict
    if outcome.is_failing:
        after, before = (
            share_text(outcome.failed_shares[side]) for side in (Side.AFTER, Side.BEFORE)
        )
        if outcome.is_of_two_runs:
            return (
                f"FAILING in these two runs: after failed {after} of its requests "
                f"({COUNTS_AS_FAILED}), before {before}, and more than before all along. An error "
                "is often a quick answer, so latencies are not compared."
            )
        return (
            f"FAILING: after fails {after} of its requests ({COUNTS_AS_FAILED}), before {before}. "
            "An error is often a quick answer, so latencies are not compared."
        )
    if verdict is None or outcome.kind is VerdictKind.UNDECIDED:
        return f"UNDECIDED: {outcome.why_undecided or _undecided(outcome)}"
    pairs = _measured(outcome, verdict)
    tolerance = f"{verdict.tolerance * 100:g} %"
    judged = [one for one in verdict.quantiles if one.is_judged]
    if verdict.kind is VerdictKind.SLOWER:
        slower = [one for one in verdict.quantiles if one.kind is VerdictKind.SLOWER]
        return f"SLOWER by more than {tolerance}, {pairs}: {_list(slower)}."
    if verdict.kind is VerdictKind.FASTER:
        faster = [one for one in judged if one.kind is VerdictKind.FASTER]
        return f"FASTER, {pairs}: {_list(faster)}."
    worst = max(one.high for one in judged)
    return (
        f"NOT SLOWER by more than {tolerance}, {pairs}: no difference larger than "
        f"{change(worst)} can be seen at {_names(judged)}."
    )


def _measured(outcome: Outcome, verdict: Verdict) -> str:
    """The measurements that the verdict rests on."""
    if outcome.is_of_two_runs:
        return f"in these two runs, over {verdict.pairs} stretches of {outcome.run_seconds:g} s"
    return f"after {verdict.pairs} pairs of {outcome.run_seconds:g} s"


def _undecided(outcome: Outcome) -> str:
    verdict = outcome.verdict
    if outcome.is_hopeless:
        return (
            "the load generator was late in too many pairs to judge the servers. It needs a core "
            "of its own, a lower rate, or a machine with less other work."
        )
    if verdict is None:
        return (
            "no pair counts yet."
            if any(outcome.discarded_pairs.values())
            else "no pair was measured."
        )
    judged = [one for one in verdict.quantiles if one.is_judged]
    if any(math.isinf(one.high) for one in judged):
        return f"too few pairs count to tell anything: {verdict.pairs}."
    undecided = [one for one in judged if one.kind is VerdictKind.UNDECIDED]
    seen = "; ".join(f"{quantile_name(one.quantile)} {_interval(one)}" for one in undecided)
    start = (
        f"{_measured(outcome, verdict)} it is open whether after is "
        f"slower by more than {verdict.tolerance * 100:g} % ({seen}). "
    )
    if verdict.more_pairs is None or verdict.longer_runs is None:
        return (
            f"{start}The difference seems to be about the tolerance itself: no number of pairs in "
            "reach decides that, another tolerance does."
        )
    if outcome.is_of_two_runs:
        needed_s = (verdict.pairs + verdict.more_pairs) * outcome.run_seconds
        return (
            f"{start}As noisy as these, runs of about {math.ceil(needed_s)} s would decide it, or "
            "a larger tolerance, or pairs of runs in turns."
        )
    seconds = math.ceil(outcome.run_seconds * verdict.longer_runs)
    return (
        f"{start}As noisy as these, about {verdict.pairs + verdict.more_pairs} pairs would decide "
        f"it, or runs of about {seconds} s, or a larger tolerance."
    )


def _told(found: QuantileVerdict, tolerance: float) -> str:
    if found.kind is VerdictKind.SLOWER:
        return f"slower by more than {tolerance * 100:g} %"
    if found.kind is VerdictKind.UNDECIDED:
        return "open"
    return str(found.kind)


def power(outcome: Outcome) -> str:
    """The least differences that all pairs, or two such runs, find; nothing without a pair.

    A slowdown is found when its interval excludes no change; the verdict is "slower" when it
    excludes the tolerance as well.
    """
    verdict = outcome.verdict
    if verdict is None:
        return ""
    known = [one for one in verdict.quantiles if math.isfinite(one.detectable_ratio)]
    if not known:
        return "One pair tells nothing about the noise."
    found, called = (
        ", ".join(
            f"{change(one.detectable_ratio * factor)} at {quantile_name(one.quantile)}"
            for one in known
        )
        for factor in (1.0, 1.0 + verdict.tolerance)
    )
    pairs = f"{verdict.most_pairs} pairs"
    if outcome.is_of_two_runs:
        pairs = f"two runs of {verdict.most_pairs} stretches"
    return (
        f"As noisy as these, {pairs} find a slowdown of {found} in {share_text(POWER)} of "
        f"comparisons, and call it slower by more than {verdict.tolerance * 100:g} % from {called} "
        "on. A smaller one may well be there unseen."
    )


def _stage_lines(stages: Sequence[StageDifference]) -> Iterator[str]:
    if not stages:
        return
    yield f"{'mean':8}{'before':>12}{'after':>12}{'change':>12}   {_confidence()} interval"
    for one in stages:
        interval = "too few pairs"
        if math.isfinite(one.low_ms):
            interval = f"{difference_ms(one.low_ms)} to {difference_ms(one.high_ms)}"
        yield (
            f"{one.stage:8}{_ms(one.before_ms):>12}{_ms(one.after_ms):>12}"
            f"{difference_ms(one.difference_ms):>12}   {interval}"
        )


def _step_lines(steps: Sequence[StepDifference]) -> Iterator[str]:
    if not steps:
        return
    width = max(8, *(len(one.name) for one in steps))
    yield f"{'p50 of':{width}}{'before':>12}{'after':>12}{'change':>12}   {_confidence()} interval"
    for one in steps:
        yield (
            f"{one.name:{width}}{_ms(one.before_ms):>12}{_ms(one.after_ms):>12}"
            f"{change(one.ratio):>12}   {_interval(one)}"
        )


def _interval(found: QuantileVerdict | StepDifference) -> str:
    if math.isinf(found.high):
        return "too few pairs"
    return f"{change(found.low)} to {change(found.high)}"


def _list(found: Sequence[QuantileVerdict]) -> str:
    return ", ".join(
        f"{quantile_name(one.quantile)} {change(one.ratio)} ({_interval(one)})" for one in found
    )


def _names(found: Sequence[QuantileVerdict]) -> str:
    return " and ".join(quantile_name(one.quantile) for one in found)


def _confidence() -> str:
    return f"{(1 - ALPHA) * 100:g} %"


def _ms(value: float) -> str:
    """Three significant digits, three decimals at most, or whole milliseconds."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    shown = f"{value:,.{min(max(digits, 0), 3)}f}"
    return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown} ms"


def difference_ms(value: float) -> str:
    """The same with its sign: `+0.12 ms`."""
    return f"{'+' if value >= 0 else ''}{_ms(value)}"


def share_text(ratio: float) -> str:
    """A share in three significant digits: `12.5 %`, `100 %`."""
    return f"{ratio * 100:.3g} %"


def to_json(outcome: Outcome, exit_status: int) -> dict[str, Any]:
    """An object of finite numbers, strings and null; ratios are after / before."""
    verdict = outcome.verdict
    found = verdict.quantiles if verdict is not None else ()
    return {
        "verdict": "failing" if outcome.is_failing else str(outcome.kind),
        "exit_status": exit_status,
        "sentence": conclusion(outcome),
        "power": power(outcome),
        "tolerance": verdict.tolerance if verdict is not None else None,
        "confidence": 1 - ALPHA,
        "pairs": verdict.pairs if verdict is not None else 0,
        "discarded_pairs": dict(outcome.discarded_pairs),
        "more_pairs": verdict.more_pairs if verdict is not None else None,
        "run_seconds": outcome.run_seconds,
        "is_of_two_runs": outcome.is_of_two_runs,
        "failed_share": {str(side): share for side, share in outcome.failed_shares.items()},
        "quantiles": [
            {
                "quantile": one.quantile,
                "verdict": str(one.kind),
                "judged": one.is_judged,
                "before_ms": latency.before_ms,
                "after_ms": latency.after_ms,
                "ratio": one.ratio,
                "low": one.low,
                "high": _finite(one.high),
                "detectable_ratio": _finite(one.detectable_ratio),
            }
            for one, latency in zip(found, outcome.latencies, strict=True)
        ],
        "stages": [
            {
                "stage": one.stage,
                "before_ms": one.before_ms,
                "after_ms": one.after_ms,
                "low_ms": _finite(one.low_ms),
                "high_ms": _finite(one.high_ms),
            }
            for one in outcome.stages
        ],
        "steps": [
            {
                "step": one.name,
                "before_p50_ms": one.before_ms,
                "after_p50_ms": one.after_ms,
                "low": one.low,
                "high": _finite(one.high),
            }
            for one in outcome.steps
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
