"""A verdict on two runs that are over: what one run of each can tell, and what it cannot.

Theory of operation. Nobody can measure these runs again, and they were not taken in turns. What
they can tell is how much latency varied while each of them went on: the generator keeps the
percentiles of stretches of a run (`load.stretches`), a hundred requests or more each, so that one
hardly depends on the one before. The same stretch of both runs is a pair, with the same arrivals
where both had the same seed, and `SequentialVerdict` judges the pairs as it judges those of runs.

Requests that failed are judged by the same stretches: their shares, pair by pair. A run fails many
at once when its machine stops for a moment.

Between two runs a machine may become slower as well as a server. No figure within the runs shows
that, so every sentence says that it is about these two runs. Nothing is judged where a reason other
than the server is known: another machine, another generator, or one that was late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import UsageError
from servescope.load.report import LoadModel, Result
from servescope.records.scenarios import Users
from servescope.sentences import counted
from servescope.statistics.sequential_verdict import JUDGED, SequentialVerdict, Side, told_by
from servescope.verdicts.comparing import (
    MOST_FAILED,
    Outcome,
    QuantileLatency,
    geometric_mean,
    is_certainly_failing,
)
from servescope.verdicts.side_runs import QUANTILES, SideRun, quantile_of
from servescope.verdicts.wording import COUNTS_AS_FAILED, share_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.load.report import Stretch
    from servescope.records.load import LoadRun
    from servescope.records.scenarios import Scenario


_WITHOUT_STRETCHES: Final = (
    "the noise within a run is not known of both of them: they are too short, were sent by "
    "Locust, or were measured by an older Servescope. Measure them again, for a minute or so."
)


@dataclass(frozen=True, slots=True)
class RunSide:
    """A run that is over."""

    label: str
    host: str  # that measured it
    scenario: Scenario
    result: Result

    @classmethod
    def of_run(cls, label: str, host: str, run: LoadRun) -> RunSide:
        """A run of the store or of a file. Raises UsageError when it measured too little."""
        if not run.result:
            raise UsageError(f"{label} ({run.state}) has no result to compare")
        try:
            result = Result.from_json(run.result)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{label} was measured by a Servescope that kept less of a run: measure it again"
            ) from error
        return cls(label, host, run.plan.scenario, result)


def judged_runs(
    sides: Mapping[Side, RunSide],
    tolerance: float,
    judged: Sequence[float] = JUDGED,
    watched: Sequence[float] | None = None,
) -> Outcome:
    """The verdict on both runs; `tolerance` and quantiles as `SequentialVerdict` has them.

    Raises UsageError where the runs were not asked for the same.
    """
    before, after = sides[Side.BEFORE], sides[Side.AFTER]
    _check_same_load(before, after)
    runs = {side: SideRun(one.result, {}) for side, one in sides.items()}
    shares = {side: run.failed / max(run.result.sent, 1) for side, run in runs.items()}
    outcome = Outcome(
        verdict=None,
        latencies=(),
        stages=(),
        steps=(),
        failed_shares=shares,
        is_failing=is_certainly_failing(_more_failed(before.result, after.result)),
        discarded_pairs={},
        run_seconds=0.0,
        is_of_two_runs=True,
    )
    pairs = _pairs(before.result, after.result)
    first = pairs[0][0] if pairs else None
    if first is not None:
        outcome = replace(outcome, run_seconds=float(first.to_s - first.from_s))
    late = [sides[side].label for side, run in runs.items() if run.was_late(judged)]
    reason = _why_undecided(before, after) or _lateness(late)
    if reason:
        return replace(outcome, why_undecided=reason, is_failing=False)
    if outcome.is_failing:
        return outcome
    if max(shares.values()) > MOST_FAILED:
        return replace(outcome, why_undecided=_failures(shares, before.result, after.result))
    if not pairs:
        return replace(outcome, why_undecided=_WITHOUT_STRETCHES)
    requests = min(stretch.requests for pair in pairs for stretch in pair)
    told = told_by(requests) if watched is None else watched
    try:
        sequence = SequentialVerdict(tolerance, judged, told, len(pairs))
    except ValueError:
        return replace(outcome, why_undecided=_too_short(len(pairs)), is_failing=False)
    for of_before, of_after in pairs:
        sequence.add(*(_quantiles(one, sequence.quantiles) for one in (of_before, of_after)))
    latencies = tuple(_latency(quantile, pairs) for quantile in sequence.quantiles)
    return replace(outcome, verdict=sequence.verdict(), latencies=latencies)


def _check_same_load(before: RunSide, after: RunSide) -> None:
    """Raise UsageError unless both were asked for the same requests at the same rate."""
    if LoadModel.CLOSED in {before.result.model, after.result.model}:
        raise UsageError(
            "a run of users who wait for their answers has no schedule: each server got other "
            "requests"
        )
    loads = [replace(one.scenario, seed=0, name="", rules=()) for one in (before, after)]
    if loads[0] != loads[1]:
        raise UsageError(
            f"{before.label} and {after.label} were not asked for the same: "
            f"{_load_in_words(before.scenario)}, and {_load_in_words(after.scenario)}"
        )


def _load_in_words(scenario: Scenario) -> str:
    schedule = scenario.schedule
    if isinstance(schedule, Users):
        offered = counted(schedule.users, "user")
    else:
        offered = f"{schedule.mean_rate:g} a second"
    return f"{scenario.label}, {offered} for {schedule.seconds:g} s"


def _pairs(before: Result, after: Result) -> list[tuple[Stretch, Stretch]]:
    """The stretches that both have, as far as something was measured in them."""
    known = {(one.from_s, one.to_s): one for one in after.stretches if _is_measured(one)}
    pairs = [(one, known.get((one.from_s, one.to_s))) for one in before.stretches]
    return [(one, other) for one, other in pairs if other is not None and _is_measured(one)]


def _is_measured(stretch: Stretch) -> bool:
    return all((quantile_of(stretch.latency_ms, one) or 0.0) > 0 for one in QUANTILES)


def _more_failed(before: Result, after: Result) -> list[float]:
    """By how much the share of failed requests is larger after, of each stretch that both have."""
    known = {(one.from_s, one.to_s): _failed_share(one) for one in after.stretches}
    pairs = [(_failed_share(one), known.get((one.from_s, one.to_s))) for one in before.stretches]
    return [a - b for b, a in pairs if a is not None and b is not None]


def _failed_share(stretch: Stretch) -> float | None:
    """None where nothing ended, or no count was kept."""
    if not stretch.ended or stretch.failed is None:
        return None
    return stretch.failed / stretch.ended


def _failures(shares: Mapping[Side, float], before: Result, after: Result) -> str:
    """The reason where requests failed, and it is not certain that it is the server after."""
    shown = {side: share_text(share) for side, share in shares.items()}
    told = (
        f"after failed {shown[Side.AFTER]} of its requests ({COUNTS_AS_FAILED}), "
        f"before {shown[Side.BEFORE]}. "
    )
    if shares[Side.AFTER] > shares[Side.BEFORE] + MOST_FAILED:
        counts = _more_failed(before, after)
        told += (
            f"Over {counted(len(counts), 'stretch', 'stretches')} that is no certainty that the "
            "server fails more: a machine that stops for a moment fails many at once. "
            if counts
            else "When they failed was not kept, so it is not known whether they failed all along, "
            "or at one moment in which the machine stopped. "
        )
    return (
        f"{told}An error is often a quick answer, so latencies are not compared. Pairs of runs in "
        "turns, or a lower rate, may decide it."
    )


def _why_undecided(before: RunSide, after: RunSide) -> str:
    """A reason other than the server for whatever differs; nothing where none is known."""
    if before.host != after.host:
        return (
            f"the runs were measured on two machines, {before.host} and {after.host}. A verdict "
            "takes both runs on one."
        )
    if before.result.generator != after.result.generator:
        names = " and ".join(one.result.generator or "Servescope" for one in (before, after))
        return f"the runs were sent by {names}, which add delays of their own."
    return ""


def _lateness(late: Sequence[str]) -> str:
    """A reason where the generator was late in these runs, or nothing."""
    if not late:
        return ""
    return (
        f"the load generator was late in {' and in '.join(late)}. It needs a core of its own, a "
        "lower rate, or a machine with less other work."
    )


def _too_short(pairs: int) -> str:
    return (
        f"too few stretches of the runs count to tell anything: {pairs}. Let runs be longer, or "
        "their rate higher."
    )


def _quantiles(stretch: Stretch, quantiles: Sequence[float]) -> dict[float, float]:
    return {one: quantile_of(stretch.latency_ms, one) or 0.0 for one in quantiles}


def _latency(quantile: float, pairs: Sequence[tuple[Any, Any]]) -> QuantileLatency:
    before_ms, after_ms = (
        geometric_mean([quantile_of(one.latency_ms, quantile) for one in side])
        for side in zip(*pairs, strict=True)
    )
    return QuantileLatency(quantile, before_ms, after_ms)
