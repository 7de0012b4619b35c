"""Puts both sides under the same load in pairs, until the verdict stands.

The server that waits for its turn has no load, and a run begins when its server has answered what
the one before left in it. An app that has just been started gets a short run
that counts for nothing: its work at the first requests is no cost of a request.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.errors import ComparisonError, UsageError
from servescope.records.requests import Stage
from servescope.records.scenarios import Poisson
from servescope.statistics.paired_test import mean_interval
from servescope.statistics.sequential_verdict import ALPHA, Side, VerdictKind
from servescope.verdicts.side_runs import run_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from servescope.records.scenarios import Scenario
    from servescope.statistics.sequential_verdict import PairOrder, SequentialVerdict, Verdict
    from servescope.verdicts.side_runs import SideRun
    from servescope.verdicts.sides import Destination, Sides

WARM_UP_S: Final = 0.5
MOST_FAILED: Final = 0.01
"""Share of failed requests up to which latencies are compared: an error is often a quick answer."""

PATIENCE_PAIRS: Final = 6
"""So many more pairs that do not count than pairs that do end a comparison."""

MOST_FAILED_PAIRS: Final = 0.25
"""Share of pairs with failures up to which the others are judged as if there were none."""

OUTSIDE: Final = "outside"
"""Of a latency, what is in no stage of the server: connection, network, the generator."""

STAGES: Final = (*(stage.name.lower() for stage in Stage), OUTSIDE)


class Discard(StrEnum):
    """Why a pair is no part of the verdict on latencies."""

    LATE = "late"  # the generator was
    FAILED = "failed"  # more than MOST_FAILED of the requests of a run


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """Both runs of a pair, and the verdict with it; None while no pair counts."""

    order: PairOrder
    runs: Mapping[Side, SideRun]
    discarded: Discard | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class QuantileLatency:
    """One latency quantile of both sides, geometric means of the pairs, in milliseconds."""

    quantile: float
    before_ms: float
    after_ms: float


@dataclass(frozen=True, slots=True)
class StageDifference:
    """Mean time of a request in one stage, in milliseconds; after - before with its interval."""

    stage: str
    before_ms: float
    after_ms: float
    low_ms: float
    high_ms: float

    @property
    def difference_ms(self) -> float:
        return self.after_ms - self.before_ms


@dataclass(frozen=True, slots=True)
class StepDifference:
    """The median latency of one request of a mix, geometric means of the pairs; after / before."""

    name: str
    before_ms: float
    after_ms: float
    low: float  # of the ratio, with its own interval
    high: float

    @property
    def ratio(self) -> float:
        return self.after_ms / self.before_ms


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a comparison found."""

    verdict: Verdict | None  # None: no pair could be measured
    latencies: tuple[QuantileLatency, ...]
    stages: tuple[StageDifference, ...]  # empty unless both sides are hosted here
    steps: tuple[StepDifference, ...]  # of a mix; empty where all requests are alike
    failed_shares: Mapping[Side, float]  # of all requests, but those of late pairs
    is_failing: bool  # whether the side AFTER certainly fails requests that BEFORE answers
    discarded_pairs: Mapping[Discard, int]
    run_seconds: float  # of two runs that are over, those of a stretch
    is_of_two_runs: bool = False  # the pairs are stretches of one run of each
    why_undecided: str = ""  # a reason other than the server for whatever differs

    @property
    def is_hopeless(self) -> bool:
        """Whether so many pairs do not count that no more are measured."""
        counted = self.verdict.pairs if self.verdict is not None else 0
        return sum(self.discarded_pairs.values()) >= counted + PATIENCE_PAIRS

    @property
    def kind(self) -> VerdictKind:
        """The verdict on latencies."""
        if self.verdict is None or self.why_undecided:
            return VerdictKind.UNDECIDED
        return self.verdict.kind


class PairedComparison:
    """Two destinations under one load; `pairs` measures, `outcome` has the result so far.

    `following` is called while a run goes on, as `run_on` has it; its exceptions come out of
    `check` and `pairs`, and the pairs before that stand.
    """

    def __init__(
        self,
        sides: Sides,
        scenario: Scenario,
        sequence: SequentialVerdict,
        pin_core: int | None = None,
        following: Callable[[int], None] | None = None,
    ) -> None:
        self._sides = sides
        self._scenario = scenario
        self._sequence = sequence
        self._pin_core = pin_core
        self._following = following
        self._runs: dict[Side, list[SideRun]] = {side: [] for side in Side}  # of pairs that count
        self._on_time: dict[Side, list[SideRun]] = {side: [] for side in Side}  # failed ones too
        self._discarded = Counter[Discard]()

    def check(self) -> None:
        """Ask both sides for what the scenario asks, briefly.

        Raises UsageError when one does not answer well, and as `pairs` does.
        """
        with self._sides.opened() as destinations:
            for destination in destinations.values():
                _check_answers(destination, self._scenario, self._warm_up(destination))

    def _warm_up(self, destination: Destination) -> SideRun:
        return self._run_on(destination, _brief(self._scenario))

    def _run_on(self, destination: Destination, scenario: Scenario) -> SideRun:
        self._sides.await_drained(destination)
        return run_on(destination, scenario, self._pin_core, self._following)

    def pairs(self) -> Iterator[MeasuredPair]:
        """Measure pair after pair until it is decided, hopeless, or has had all its pairs.

        Raises ComparisonError when a run fails, or the side BEFORE certainly fails its requests,
        and ListenerError when an app does not start.
        """
        while (order := self._sequence.next_pair()) is not None:
            runs = self._measure(order)
            discarded = self._why_discarded(runs)
            if discarded is not Discard.LATE:
                for side, run in runs.items():
                    self._on_time[side].append(run)
                self._check_before()
            if discarded is not None:
                self._discarded[discarded] += 1
                self._sequence.discard()
            else:
                self._add(runs)
            yield MeasuredPair(order, runs, discarded, self._verdict())
            outcome = self.outcome()
            if outcome.is_failing or outcome.is_hopeless:
                return

    def _why_discarded(self, runs: Mapping[Side, SideRun]) -> Discard | None:
        if any(run.was_late(self._sequence.judged) for run in runs.values()):
            return Discard.LATE
        if any(_failed_share([run]) > MOST_FAILED for run in runs.values()):
            return Discard.FAILED
        return None

    def _check_before(self) -> None:
        """Raise ComparisonError when the side BEFORE certainly fails its requests."""
        runs = self._on_time[Side.BEFORE]
        if is_certainly_failing(_shares(runs)):
            failed, sent = sum(run.failed for run in runs), sum(run.result.sent for run in runs)
            raise ComparisonError(
                f"{self._sides.labels[Side.BEFORE]} fails {failed} of {sent} requests "
                f"({_ends(runs[-1])}): there is nothing to compare with; lower the rate"
            )

    def _measure(self, order: PairOrder) -> Mapping[Side, SideRun]:
        scenario = replace(self._scenario, seed=order.seed)
        with self._sides.opened() as destinations:
            for side in order.sides:
                if destinations[side].hosted is not None:
                    self._warm_up(destinations[side])
            runs = {side: self._run_on(destinations[side], scenario) for side in order.sides}
        # Asked for after both: the last second of the first is known by then.
        return {side: _with_stages(run, destinations[side]) for side, run in runs.items()}

    def _add(self, runs: Mapping[Side, SideRun]) -> None:
        for side, run in runs.items():
            self._runs[side].append(run)
        quantiles = {
            side: {one: run.quantile_ms(one) or math.nan for one in self._sequence.quantiles}
            for side, run in runs.items()
        }
        if not any(math.isnan(one) for found in quantiles.values() for one in found.values()):
            self._sequence.add(quantiles[Side.BEFORE], quantiles[Side.AFTER])

    def outcome(self) -> Outcome:
        """The conclusion from the pairs that count."""
        is_failing = self._is_failing()
        return Outcome(
            verdict=self._verdict(),
            latencies=tuple(map(self._latency, self._sequence.quantiles))
            if self._verdict()
            else (),
            stages=self._stages(),
            steps=self._steps(),
            failed_shares={side: _failed_share(runs) for side, runs in self._on_time.items()},
            is_failing=is_failing,
            why_undecided="" if is_failing else self._why_undecided(),
            discarded_pairs={one: self._discarded[one] for one in Discard},
            run_seconds=self._scenario.schedule.seconds,
        )

    def histograms(self) -> dict[Side, list[int]]:
        """Latencies of the pairs that count, by side: counts of `servescope.histogram`."""
        return {
            side: [
                sum(counts) for counts in zip(*(one.result.histogram for one in runs), strict=True)
            ]
            for side, runs in self._runs.items()
            if runs
        }

    def _is_failing(self) -> bool:
        """Whether AFTER certainly fails more requests than BEFORE, judged by pairs.

        The requests of a run do not fail independently of each other: a machine that stops for a
        moment fails many of one run, of either side.
        """
        before, after = (_shares(self._on_time[side]) for side in Side)
        return is_certainly_failing([a - b for b, a in zip(before, after, strict=True)])

    def _why_undecided(self) -> str:
        failed, counted = self._discarded[Discard.FAILED], self._sequence.pairs
        if failed <= MOST_FAILED_PAIRS * (failed + counted):
            return ""
        return (
            f"requests failed in {failed} of {failed + counted} pairs. That is too often to judge "
            "the others as if there were none, and too few pairs to be certain which side fails "
            "more. A lower rate, or more pairs, may end that."
        )

    def _verdict(self) -> Verdict | None:
        return self._sequence.verdict() if self._sequence.pairs else None

    def _latency(self, quantile: float) -> QuantileLatency:
        before_ms, after_ms = (
            geometric_mean([run.quantile_ms(quantile) for run in self._runs[side]]) for side in Side
        )
        return QuantileLatency(quantile, before_ms, after_ms)

    def _stages(self) -> tuple[StageDifference, ...]:
        """Where the difference lies. Each interval holds by itself: they explain, and judge not."""
        runs = [run for side in Side for run in self._runs[side]]
        if not runs or not all(run.stages_ms for run in runs):
            return ()
        # A stage that one side does not measure counts as outside on both sides.
        shared = [stage for stage in STAGES if all(stage in run.stages_ms for run in runs)]
        found = {side: [_stages_of(run, shared) for run in self._runs[side]] for side in Side}
        if not all(one for of_side in found.values() for one in of_side):
            return ()
        differences = []
        for stage in (*shared, OUTSIDE):
            of_before = np.array([one[stage] for one in found[Side.BEFORE]])
            of_after = np.array([one[stage] for one in found[Side.AFTER]])
            interval = mean_interval(of_after - of_before, ALPHA)
            differences.append(
                StageDifference(
                    stage,
                    float(of_before.mean()),
                    float(of_after.mean()),
                    interval.low,
                    interval.high,
                )
            )
        return tuple(differences)

    def _steps(self) -> tuple[StepDifference, ...]:
        """The steps that both sides answered in every pair, in the order of the mix."""
        medians = {side: list(map(_medians_of, runs)) for side, runs in self._runs.items()}
        every = [*medians[Side.BEFORE], *medians[Side.AFTER]]
        names = [name for name in (every[0] if every else ()) if all(name in one for one in every)]
        if len(names) < 2:  # noqa: PLR2004 - the only one is the whole
            return ()
        found = []
        for name in names:
            before = np.log([one[name] for one in medians[Side.BEFORE]])
            after = np.log([one[name] for one in medians[Side.AFTER]])
            interval = mean_interval(after - before, ALPHA)
            found.append(
                StepDifference(
                    name,
                    float(np.exp(before.mean())),
                    float(np.exp(after.mean())),
                    float(np.exp(interval.low)),
                    float(np.exp(interval.high)),
                )
            )
        return tuple(found)


def measured_once(
    sides: Sides, side: Side, scenario: Scenario, pin_core: int | None = None
) -> SideRun:
    """One run on one side, an app warmed up before it.

    Raises UsageError when it does not answer well, ComparisonError when the run does not come to
    its end, ListenerError when the app does not start.
    """
    with sides.opened() as destinations:
        destination = destinations[side]
        if destination.hosted is not None:
            run_on(destination, _brief(scenario), pin_core)
        sides.await_drained(destination)
        run = run_on(destination, scenario, pin_core)
    _check_answers(destination, scenario, run)
    return run


def _brief(scenario: Scenario) -> Scenario:
    """The same requests for a moment."""
    schedule = scenario.schedule
    brief = Poisson(schedule.mean_rate or 1, min(WARM_UP_S, schedule.seconds))
    return replace(scenario, schedule=brief)


def _check_answers(destination: Destination, scenario: Scenario, run: SideRun) -> None:
    """Raise UsageError when the server fails so many requests that nothing can be compared."""
    if run.failed > MOST_FAILED * run.result.sent:
        raise UsageError(
            f"{destination.label} fails {run.failed} of {run.result.sent} requests for "
            f"{scenario.label} ({_ends(run)}): there are no latencies to compare"
        )


def _with_stages(run: SideRun, destination: Destination) -> SideRun:
    if destination.stages_between is None:
        return run
    return replace(run, stages_ms=destination.stages_between(*run.span_s))


def _medians_of(run: SideRun) -> dict[str, float]:
    """Median milliseconds of each step that was answered, by name."""
    medians = {step.name: step.latency_ms.p50 for step in run.result.steps}
    return {name: median for name, median in medians.items() if median}


def _stages_of(run: SideRun, stages: Iterable[str]) -> dict[str, float]:
    """Mean milliseconds in each of these and OUTSIDE of them; empty where they are not known."""
    mean_ms = run.result.latency_ms.mean
    if mean_ms is None:
        return {}
    within = {stage: run.stages_ms[stage] for stage in stages}
    return {**within, OUTSIDE: mean_ms - sum(within.values())}


def geometric_mean(values: list[float | None]) -> float:
    """Of those that are known; NaN without any."""
    known = [value for value in values if value]
    return math.exp(math.fsum(map(math.log, known)) / len(known)) if known else math.nan


def _failed_share(runs: list[SideRun]) -> float:
    sent = sum(run.result.sent for run in runs)
    return sum(run.failed for run in runs) / sent if sent else 0.0


def _shares(runs: list[SideRun]) -> list[float]:
    """The share of failed requests of each run."""
    return [_failed_share([run]) for run in runs]


def is_certainly_failing(shares: list[float]) -> bool:
    """Whether the mean of the runs' shares certainly is more than MOST_FAILED.

    Shares are all but normal; rare and large ones widen the interval, so that a few runs with many
    failures are no certainty.
    """
    return bool(shares) and mean_interval(shares, ALPHA).low > MOST_FAILED


def _ends(run: SideRun) -> str:
    """How its requests ended, other than well, in words."""
    result = run.result
    statuses = [f"{n} with status {one}" for one, n in result.statuses.items() if one >= "4"]
    failures = [f"{n} {kind.replace('_', ' ')}" for kind, n in result.failed.items() if n]
    return ", ".join(statuses + failures) or "no answer"
