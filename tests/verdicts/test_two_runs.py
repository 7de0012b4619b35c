"""Two runs that are over: simulated servers whose truth is known, and what forbids a verdict."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from servescope.errors import UsageError
from servescope.load.report import LagSummary, LatencySummary, LoadModel, Stretch
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Poisson, Scenario, Users
from servescope.statistics.sequential_verdict import ALPHA, Side, VerdictKind
from servescope.verdicts.two_runs import RunSide, judged_runs
from servescope.verdicts.wording import CAVEAT, change, conclusion, exit_status, lines, power
from tests.statistics.simulated_queue import latencies, poisson_gaps
from tests.verdicts.test_comparing import result

COMPARISONS = 200
STRETCHES = 30
REQUESTS = 100  # of a stretch, the fewest that one has
SCENARIO = Scenario(Poisson(100, STRETCHES))


def run(values_ms, **changes):
    """A run whose requests took so long, in the order in which they ended."""
    parts = np.split(np.asarray(values_ms) * 1e6, len(values_ms) // REQUESTS)
    stretches = tuple(
        Stretch(at, at + 1, REQUESTS, LatencySummary.of(part.astype(np.int64)))
        for at, part in enumerate(parts)
    )
    told = replace(result(), stretches=stretches, lag_ms=LagSummary(), **changes)
    return RunSide("a run", "here", SCENARIO, told)


def sides(before, after):
    return {Side.BEFORE: before, Side.AFTER: after}


@cache
def simulated(utilisation, service_time, *, same_arrivals):
    """Verdicts on so many pairs of runs of single-server queues."""
    random = np.random.default_rng(31)
    shape = (STRETCHES * REQUESTS, COMPARISONS)
    gaps = [poisson_gaps(random, utilisation, *shape) for _ in range(2)]
    if same_arrivals:
        gaps[1] = gaps[0]
    before, after = (
        latencies(random, one, time) for one, time in zip(gaps, (1.0, service_time), strict=True)
    )
    return [
        judged_runs(sides(run(before[:, one]), run(after[:, one])), 0.05)
        for one in range(COMPARISONS)
    ]


@pytest.mark.parametrize("same_arrivals", [True, False], ids=["same arrivals", "other arrivals"])
@pytest.mark.parametrize("utilisation", [0.3, 0.7, 0.85])
def test_of_a_server_and_itself_no_more_than_the_stated_share_raise_an_alarm(
    utilisation, same_arrivals
):
    outcomes = simulated(utilisation, 1.0, same_arrivals=same_arrivals)
    alarms = [any(one.differs for one in outcome.verdict.quantiles) for outcome in outcomes]
    assert np.mean(alarms) <= ALPHA


@pytest.mark.parametrize("utilisation", [0.3, 0.7])
def test_a_server_that_takes_half_as_long_again_is_found_and_never_called_as_fast(utilisation):
    kinds = [one.kind for one in simulated(utilisation, 1.5, same_arrivals=True)]
    assert kinds.count(VerdictKind.SLOWER) >= 0.95 * COMPARISONS
    assert VerdictKind.NOT_SLOWER not in kinds


def test_a_machine_that_was_slower_during_one_run_passes_for_a_slower_server():
    """The reason for the sentence below each verdict on two runs."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(20):
        before, after = random.lognormal(3, 0.3, (2, STRETCHES * REQUESTS))
        found.append(judged_runs(sides(run(before), run(1.2 * after)), 0.05))
    assert {one.kind for one in found} == {VerdictKind.SLOWER}
    assert all(list(lines(one))[-1] == CAVEAT for one in found)


def steady(scale=1.0, seed=1, stretches=STRETCHES):
    return run(scale * np.random.default_rng(seed).lognormal(3, 0.1, stretches * REQUESTS))


@pytest.mark.parametrize(
    ("scale", "status", "words"),
    [
        (1.0, 0, "NOT SLOWER by more than 5 %, in these two runs, over 30 stretches of 1 s:"),
        (1.2, 1, "SLOWER by more than 5 %, in these two runs, over 30 stretches of 1 s: p50 +"),
        (0.8, 0, "FASTER, in these two runs, over 30 stretches of 1 s: p50 -"),
        (1.05, 3, "UNDECIDED: in these two runs, over 30 stretches of 1 s it is open whether"),
    ],
    ids=["same", "slower", "faster", "at the tolerance"],
)
def test_the_sentence_and_the_exit_status(scale, status, words):
    outcome = judged_runs(sides(steady(), steady(scale, 2)), 0.05)
    assert exit_status(outcome) == status
    assert conclusion(outcome).startswith(words)


def test_two_runs_say_which_slowdown_they_would_show():
    outcome = judged_runs(sides(steady(), steady(seed=2)), 0.05)
    least = outcome.verdict.quantiles[0].detectable_ratio
    assert outcome.verdict.most_pairs == outcome.verdict.pairs == 30
    told = power(outcome)
    assert f"two runs of 30 stretches find a slowdown of {change(least)} at p50" in told
    shown = judged_runs(sides(steady(), steady(1.05 * least**1.5, 2)), 0.05)
    assert shown.kind is VerdictKind.SLOWER


def test_too_noisy_says_how_long_runs_would_decide():
    def noisy(seed):
        return run(np.random.default_rng(seed).lognormal(3, 1.5, STRETCHES * REQUESTS))

    told = conclusion(judged_runs(sides(noisy(1), noisy(2)), 0.05))
    assert "As noisy as these, runs of about" in told or "another tolerance does" in told


def of_users(side):
    return replace(side, result=replace(side.result, model=LoadModel.CLOSED))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: replace(one, scenario=Scenario(Poisson(50, 30))), "not asked for the same"),
        (lambda one: replace(one, scenario=Scenario(Users(5, 1, 30))), "not asked for the same"),
        (of_users, "has no schedule"),
    ],
    ids=["another rate", "users", "closed model"],
)
def test_runs_of_other_load_are_bad_input(change, reason):
    with pytest.raises(UsageError, match=reason):
        judged_runs(sides(steady(), change(steady())), 0.05)


def with_result(side, **changes):
    return replace(side, result=replace(side.result, **changes))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: replace(one, host="there"), "measured on two machines, here and there"),
        (lambda one: with_result(one, generator="Locust 2, 1 worker"), "by Servescope and Locust"),
        (lambda one: with_result(one, stretches=()), "Measure them again"),
        (
            lambda one: with_result(one, stretches=one.result.stretches[:5]),
            "too few stretches of the runs count to tell anything: 5.",
        ),
        (
            lambda one: with_result(
                one, lag_ms=LagSummary(9, 9, 9, 9), naive_ms=LatencySummary(1, 1, 1)
            ),
            "the load generator was late in a run.",
        ),
    ],
    ids=["another machine", "another generator", "no stretches", "few stretches", "late"],
)
def test_a_reason_other_than_the_server_leaves_it_undecided(change, reason):
    outcome = judged_runs(sides(steady(), change(steady(2.0, 2))), 0.05)
    assert exit_status(outcome) == 3
    assert reason in conclusion(outcome)
    assert CAVEAT not in list(lines(outcome))


def kept(result_):
    plan = LoadPlan("wsgi", SCENARIO)
    return LoadRun(7, plan, RunState.DONE, 1.0, 2.0, 3.0, {}, result_)


def test_a_kept_run_is_read_with_what_the_leader_added():
    run_side = RunSide.of_run(
        "run 7", "here", kept(steady().result.to_json() | {"unfinished_at_start": 3})
    )
    assert run_side.result.stretches == steady().result.stretches


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: {}, r"run 7 \(done\) has no result to compare"),
        (lambda told: {**told, "lag_ms": {"p98": 1.0}}, "kept less of a run: measure it again"),
        (lambda told: {"sent": told["sent"]}, "kept less of a run: measure it again"),
    ],
    ids=["nothing", "another field", "few fields"],
)
def test_a_run_of_which_too_little_is_kept_is_bad_input(change, reason):
    with pytest.raises(UsageError, match=reason):
        RunSide.of_run("run 7", "here", kept(change(steady().result.to_json())))


def with_failures(side, failed):
    """The run, so many requests of each of its stretches failed; None: no count was kept."""
    stretches = tuple(
        replace(one, ended=None if number is None else REQUESTS, failed=number)
        for one, number in zip(side.result.stretches, failed, strict=True)
    )
    bad = sum(number or 0 for number in failed)
    sent = REQUESTS * len(stretches)
    classes = {"2xx": sent - bad, "5xx": bad}
    return with_result(side, stretches=stretches, sent=sent, status_classes=classes)


def test_a_run_that_fails_its_requests_all_along_is_failing():
    before = with_failures(steady(), [0] * STRETCHES)
    after = with_failures(steady(seed=2), [40, 60] * (STRETCHES // 2))
    outcome = judged_runs(sides(before, after), 0.05)
    assert exit_status(outcome) == 1
    assert conclusion(outcome).startswith("FAILING in these two runs: after failed 50 % of its")
    assert CAVEAT in list(lines(outcome))


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        pytest.param(
            [[0] * 30, [100] * 2 + [0] * 28],
            "after failed 6.67 % of its requests (no answer, or 4xx or 5xx), "
            "before 0 %. Over 30 stretches that is no",
            id="at-one-moment",
        ),
        pytest.param(
            [[100] * 2 + [0] * 28, [0] * 30],
            "after failed 0 % of its requests (no answer, or 4xx or 5xx), "
            "before 6.67 %. An error is often a quick answer",
            id="before-alone",
        ),
        pytest.param(
            [[5] * 30, [5] * 30],
            "after failed 5 % of its requests (no answer, or 4xx or 5xx), before 5 %. An error",
            id="both-alike",
        ),
    ],
)
def test_failures_that_may_be_the_machines_leave_it_undecided(failed, reason):
    before, after = (with_failures(steady(seed=seed), one) for seed, one in enumerate(failed, 1))
    outcome = judged_runs(sides(before, after), 0.05)
    assert exit_status(outcome) == 3
    assert conclusion(outcome).startswith(f"UNDECIDED: {reason}")


def test_a_kept_run_without_counts_over_time_says_that_they_were_not_kept():
    failing = with_result(steady(seed=2), status_classes={"2xx": 100, "5xx": 100})
    outcome = judged_runs(sides(steady(), failing), 0.05)
    assert exit_status(outcome) == 3
    assert (
        "after failed 50 % of its requests (no answer, or 4xx or 5xx), before 0 %. "
        "When they failed was not kept" in (conclusion(outcome))
    )
