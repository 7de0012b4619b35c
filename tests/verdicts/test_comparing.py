"""Pairs of runs, from results as the generator gives them: which count, and when it ends."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from servescope.errors import ComparisonError, UsageError
from servescope.load.report import LagSummary, LatencySummary, Result, StepKind, StepResult
from servescope.load.targets import Target
from servescope.records.scenarios import Poisson, Scenario
from servescope.statistics.paired_test import least_pairs
from servescope.statistics.sequential_verdict import ALPHA, SequentialVerdict, Side, VerdictKind
from servescope.verdicts import comparing
from servescope.verdicts.comparing import (
    OUTSIDE,
    PATIENCE_PAIRS,
    STAGES,
    Discard,
    PairedComparison,
)
from servescope.verdicts.hosted_app import Hosting
from servescope.verdicts.side import ServerSide
from servescope.verdicts.side_runs import SideRun
from servescope.verdicts.sides import named_sides
from servescope.verdicts.wording import conclusion, exit_status, lines

SERVERS = {
    side: ServerSide(Target("127.0.0.1", port, f"127.0.0.1:{port}"))
    for port, side in enumerate(Side, 1)
}
SCENARIO = Scenario(Poisson(200, 4))
STAGE_MS = dict.fromkeys(STAGES[:-1], 1.0)


def result(scale=1.0, failed=0, lag_ms=0.1, own_delay_ms=0.0, sent=200, steps=(), lag_p99_ms=0.1):
    """A run whose latencies are 10, 20 and 40 ms at p50, p90 and p99, times `scale`."""
    latency = LatencySummary(10 * scale, 20 * scale, 40 * scale, mean=12 * scale)
    naive = LatencySummary(*(one - own_delay_ms for one in (latency.p50, latency.p90, latency.p99)))
    return Result(
        sent=sent,
        answered=sent,
        failed={"timed_out": 0},
        cancelled=0,
        resent=0,
        statuses={"200": sent - failed, "500": failed},
        status_classes={"2xx": sent - failed, "5xx": failed},
        latency_ms=latency,
        naive_ms=naive,
        lag_ms=LagSummary(max(lag_ms, lag_p99_ms), max(lag_ms, lag_p99_ms), lag_ms, lag_ms),
        seconds=1.0,
        rate_asked=200.0,
        schedule_seconds=1.0,
        answered_in_schedule=sent,
        rate_achieved=200.0,
        timed_out_from_ms=None,
        bytes_received=0,
        cpu_seconds=0.1,
        stopped=False,
        steps=[step(name, factor * scale) for name, factor in steps],
    )


def step(name, p50_ms):
    """A row of the mix that takes so long at p50."""
    latency = LatencySummary(p50_ms)
    return StepResult(
        name, StepKind.REQUEST, 100, 100, {}, {}, latency, latency, None, 0, {}, {}, []
    )


class Runs:
    """Answers in place of `run_on`, and notes what was asked for, but for the warming up."""

    def __init__(self, results, noise=0.01):
        self.asked = []
        self._results = results
        self._random = np.random.default_rng(1)
        self._noise = noise

    def __call__(self, destination, scenario, pin_core, _following):
        number = 0
        if scenario.schedule == SCENARIO.schedule:
            self.asked.append((destination.side, scenario, pin_core))
            number = len(self.asked)
        scale = float(np.exp(self._random.normal(0, self._noise)))
        return SideRun(self._results[destination.side](scale, number), STAGE_MS)


@pytest.fixture
def compare(monkeypatch):
    """A comparison whose runs are answered by these functions of (noise, number).

    The number is 0 of a run that warms up.
    """

    def start(before=lambda scale, _: result(scale), after=lambda scale, _: result(scale), **how):
        runs = Runs({Side.BEFORE: before, Side.AFTER: after})
        monkeypatch.setattr(comparing, "run_on", runs)
        sequence = SequentialVerdict(**{"tolerance": 0.05, "most_pairs": 12, **how})
        return PairedComparison(named_sides(SERVERS, Hosting()), SCENARIO, sequence, 1), runs

    return start


def test_both_sides_of_a_pair_get_the_same_arrivals_and_the_order_alternates(compare):
    comparison, runs = compare()
    list(comparison.pairs())
    sides = [side for side, _, _ in runs.asked]
    assert sides[:4] == [Side.BEFORE, Side.AFTER, Side.AFTER, Side.BEFORE]
    seeds = [scenario.seed for _, scenario, _ in runs.asked]
    assert seeds[::2] == seeds[1::2] == list(range(1, len(seeds) // 2 + 1))
    assert {core for _, _, core in runs.asked} == {1}


def test_it_ends_as_soon_as_it_is_certain(compare):
    comparison, _ = compare(after=lambda scale, _: result(1.5 * scale))
    pairs = list(comparison.pairs())
    assert len(pairs) < 12
    outcome = comparison.outcome()
    assert outcome.kind is VerdictKind.SLOWER
    assert outcome.latencies[0].after_ms == pytest.approx(15, rel=0.02)


def test_the_stages_and_the_rest_add_up_to_the_mean_latency(compare):
    comparison, _ = compare(after=lambda scale, _: result(1.5 * scale))
    list(comparison.pairs())
    stages = comparison.outcome().stages
    assert [one.stage for one in stages] == list(STAGES)
    assert sum(one.after_ms for one in stages) == pytest.approx(18, rel=0.02)
    rest = next(one for one in stages if one.stage == OUTSIDE)
    assert rest.low_ms < 6 < rest.high_ms
    assert rest.low_ms > 0


def test_a_stage_that_one_side_does_not_measure_lies_outside_for_both(compare, monkeypatch):
    comparison, runs = compare()

    def run_on(destination, *how):
        run = runs(destination, *how)
        measured = {"app": 2.0, "body": 1.0} if destination.side is Side.AFTER else STAGE_MS
        return replace(run, stages_ms=measured)

    monkeypatch.setattr(comparing, "run_on", run_on)
    list(comparison.pairs())
    stages = {one.stage: one for one in comparison.outcome().stages}
    assert list(stages) == ["app", "body", OUTSIDE]
    assert stages[OUTSIDE].before_ms == pytest.approx(10, rel=0.02)
    assert stages[OUTSIDE].after_ms == pytest.approx(9, rel=0.02)


def test_of_a_mix_the_median_of_each_request_is_told(compare):
    comparison, _ = compare(
        before=lambda scale, _: result(scale, steps=[("list", 10), ("buy", 20)]),
        after=lambda scale, _: result(1.2 * scale, steps=[("list", 10), ("buy", 30), ("new", 1)]),
    )
    list(comparison.pairs())
    found = {one.name: one for one in comparison.outcome().steps}
    assert list(found) == ["list", "buy"]
    assert found["buy"].low < 1.8 < found["buy"].high
    assert found["buy"].ratio == pytest.approx(1.8, rel=0.02)


def test_where_all_requests_are_alike_there_are_no_steps_to_tell(compare):
    comparison, _ = compare(before=lambda scale, _: result(scale, steps=[("all", 10)]))
    list(comparison.pairs())
    assert comparison.outcome().steps == ()


def test_pairs_in_which_the_generator_was_late_do_not_count(compare):
    late = itertools.cycle([True, False, False])

    def after(scale, number):
        delay = 5.0 if number and next(late) else 0.0
        return result(scale, lag_ms=delay, own_delay_ms=delay)

    comparison, _ = compare(after=after)
    pairs = list(comparison.pairs())
    assert [pair.discarded for pair in pairs[:6]] == [Discard.LATE, None, None] * 2
    assert pairs[0].verdict is None
    outcome = comparison.outcome()
    assert outcome.verdict.pairs + outcome.discarded_pairs[Discard.LATE] == len(pairs)
    assert outcome.kind is VerdictKind.NOT_SLOWER


def test_a_generator_that_is_always_late_ends_it_undecided(compare):
    comparison, _ = compare(before=lambda scale, _: result(scale, lag_ms=9, own_delay_ms=8))
    assert len(list(comparison.pairs())) == PATIENCE_PAIRS
    outcome = comparison.outcome()
    assert outcome.is_hopeless
    assert outcome.kind is VerdictKind.UNDECIDED


def test_a_late_request_in_a_hundred_moves_neither_median_nor_p90(compare):
    """A short run has one such request whenever the scheduler was late once."""
    comparison, _ = compare(
        before=lambda scale, _: result(scale, lag_ms=0.1, lag_p99_ms=9, own_delay_ms=2)
    )
    list(comparison.pairs())
    assert not any(comparison.outcome().discarded_pairs.values())


def test_waiting_for_connections_that_the_server_keeps_busy_is_no_lag(compare):
    comparison, _ = compare(before=lambda scale, _: result(scale, lag_ms=0.1, own_delay_ms=8))
    list(comparison.pairs())
    assert not any(comparison.outcome().discarded_pairs.values())


def test_a_side_that_fails_from_the_start_is_refused_with_what_it_answers(compare):
    comparison, _ = compare(after=lambda scale, _: result(scale, failed=150))
    with pytest.raises(UsageError, match=r"127.0.0.1:2 fails 150 of 200 .*150 with status 500"):
        comparison.check()


def failing_in(runs, failed=100):
    """A side that fails so many of the requests of the runs that `runs` says, from 1 on."""
    return lambda scale, number: result(scale, failed=failed if number and runs(number) else 0)


def test_a_side_that_begins_to_fail_ends_it(compare):
    comparison, _ = compare(
        after=failing_in(lambda number: number > 4), most_pairs=30, tolerance=0.01
    )
    pairs = list(comparison.pairs())
    assert [pair.discarded for pair in pairs[:3]] == [None, None, Discard.FAILED]
    outcome = comparison.outcome()
    assert outcome.is_failing
    assert exit_status(outcome) == 1
    assert outcome.verdict.pairs == 2, "latencies of failed requests are not compared"


def test_a_side_that_fails_each_run_is_certain_after_the_fewest_pairs(compare):
    comparison, _ = compare(after=failing_in(lambda _: True))
    assert len(list(comparison.pairs())) == least_pairs(ALPHA)
    assert comparison.outcome().is_failing


@pytest.mark.parametrize("side", Side)
def test_a_machine_that_stops_during_one_run_fails_neither_side(compare, side):
    """Half of the requests of one run in twelve: 4 % of all, all of one side, and no pattern."""
    once = failing_in(lambda number: number in {5, 6})
    comparison, _ = compare(**{str(side): once})
    pairs = list(comparison.pairs())
    assert [pair.discarded for pair in pairs].count(Discard.FAILED) == 1
    outcome = comparison.outcome()
    assert not outcome.is_failing
    assert outcome.kind is VerdictKind.NOT_SLOWER
    assert "1 pair does not count: more than 1 % of the requests" in "\n".join(lines(outcome))


def test_failures_in_many_pairs_that_are_no_pattern_leave_it_open(compare):
    comparison, _ = compare(
        before=failing_in(lambda number: number in {1, 2, 9, 10}),
        after=failing_in(lambda number: number in {5, 6}),
    )
    list(comparison.pairs())
    outcome = comparison.outcome()
    assert outcome.kind is VerdictKind.UNDECIDED
    assert exit_status(outcome) == 3
    assert re.search(r"requests failed in 3 of \d+ pairs", conclusion(outcome))


def test_a_server_before_that_begins_to_fail_leaves_nothing_to_compare_with(compare):
    comparison, _ = compare(before=failing_in(lambda _: True))
    with pytest.raises(ComparisonError, match=r"127.0.0.1:1 fails 500 of 1000"):
        list(comparison.pairs())
