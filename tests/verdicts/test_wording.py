"""Each sentence of a comparison says what the intervals say, and what it would take."""

import json
import math

import pytest

from servescope.statistics.sequential_verdict import SequentialVerdict, Side
from servescope.verdicts.comparing import (
    Discard,
    Outcome,
    QuantileLatency,
    StageDifference,
    StepDifference,
)
from servescope.verdicts.wording import (
    change,
    conclusion,
    discarded_texts,
    lines,
    power,
    quantile_name,
    to_json,
)


def outcome(
    ratio=1.0, deviation=0.02, pairs=12, late_pairs=0, failed_after=0.0, stages=(), steps=()
):
    """The outcome of pairs whose mean ratio and deviation are these."""
    sequence = SequentialVerdict(0.05, most_pairs=30)
    for number in range(pairs):
        noise = math.exp(deviation if number % 2 else -deviation)
        sequence.add(
            dict.fromkeys(sequence.quantiles, 10.0),
            dict.fromkeys(sequence.quantiles, 10.0 * ratio * noise),
        )
    latencies = tuple(QuantileLatency(one, 10.0, 10.0 * ratio) for one in sequence.quantiles)
    return Outcome(
        sequence.verdict() if pairs else None,
        latencies if pairs else (),
        stages,
        steps,
        {Side.BEFORE: 0.0, Side.AFTER: failed_after},
        failed_after > 0,
        {Discard.LATE: late_pairs, Discard.FAILED: 0},
        run_seconds=4,
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (outcome(1.0), "NOT SLOWER by more than 5 %, after 12 pairs of 4 s: no difference larger"),
        (outcome(1.3), "SLOWER by more than 5 %, after 12 pairs of 4 s: p50 +30.0 % (+"),
        (outcome(0.7), "FASTER, after 12 pairs of 4 s: p50 -30.0 % (-"),
        (
            outcome(failed_after=0.3),
            "FAILING: after fails 30 % of its requests (no answer, or 4xx or 5xx), before 0 %",
        ),
        (outcome(pairs=0), "UNDECIDED: no pair was measured."),
        (outcome(pairs=1), "UNDECIDED: too few pairs count to tell anything: 1."),
        (outcome(pairs=0, late_pairs=6), "UNDECIDED: the load generator was late in too many"),
        (outcome(1.05), "UNDECIDED: after 12 pairs of 4 s it is open whether after is slower by"),
    ],
    ids=["same", "slower", "faster", "failing", "nothing", "one pair", "late", "at the tolerance"],
)
def test_the_conclusion_begins_with_the_verdict(found, sentence):
    assert conclusion(found).startswith(sentence)


def test_too_noisy_a_comparison_says_how_many_pairs_or_how_long_runs_would_decide():
    found = outcome(1.0, deviation=0.1, pairs=30)
    said = conclusion(found)
    assert f"about {30 + found.verdict.more_pairs} pairs would decide it, or" in said
    seconds = math.ceil(4 * found.verdict.longer_runs)
    assert seconds > 4
    assert f"runs of about {seconds} s, or a larger tolerance" in said


def test_at_the_tolerance_no_number_of_pairs_is_promised():
    said = conclusion(outcome(1.05, deviation=0.1, pairs=30))
    assert "no number of pairs in reach decides that, another tolerance does" in said


def test_the_lines_have_each_quantile_stage_and_the_power():
    stages = (StageDifference("app", 8.0, 11.0, 2.5, 3.5), StageDifference("body", 0, 0, 0, 0))
    steps = (StepDifference("GET /cart", 10.0, 15.0, 1.4, 1.6),)
    found = outcome(1.3, stages=stages, steps=steps)
    told = list(lines(found))
    text = "\n".join(told)
    assert "p99            10 ms       13 ms     +30.0 %" in text
    assert "not judged: slower by more than 5 %" in text
    assert "app             8 ms       11 ms       +3 ms   +2.5 ms to +3.5 ms" in text
    assert "body            0 ms" in text
    assert "GET /cart       10 ms       15 ms     +50.0 %   +40.0 % to +60.0 %" in text
    detectable = change(found.verdict.quantiles[0].detectable_ratio)
    assert f"30 pairs find a slowdown of {detectable} at p50" in text
    called = change(found.verdict.quantiles[0].detectable_ratio * 1.05)
    assert f"call it slower by more than 5 % from {called} at p50" in text
    assert told[-1].startswith("SLOWER")
    assert to_json(found, 1)["power"] in told


def test_one_pair_says_that_it_tells_nothing_of_the_noise():
    text = "\n".join(lines(outcome(1.3, pairs=1)))
    assert "too few pairs: open" in text
    assert "One pair tells nothing about the noise." in text


@pytest.mark.parametrize(
    ("ratio", "told"),
    [(1.108, "+10.8 %"), (0.5, "-50.0 %"), (12.3, "12.3 times"), (math.inf, "no bound")],
)
def test_a_ratio_is_told_as_a_change(ratio, told):
    assert change(ratio) == told


def test_quantiles_have_the_names_that_the_options_take():
    assert [quantile_name(one) for one in (0.5, 0.95, 0.999)] == ["p50", "p95", "p99.9"]


def test_nothing_is_said_of_the_power_where_no_pair_was_measured():
    assert power(outcome(pairs=0)) == ""


@pytest.mark.parametrize("pairs", [0, 1, 12])
def test_the_object_of_json_has_finite_numbers_only(pairs):
    stages = (StageDifference("app", 1.0, 2.0, -math.inf, math.inf),)
    told = to_json(outcome(pairs=pairs, stages=stages), 3)
    json.loads(json.dumps(told, allow_nan=False))
    assert told["exit_status"] == 3
    assert len(told["quantiles"]) == (3 if pairs else 0)


def test_the_object_of_json_tells_the_ratios_with_their_intervals():
    told = to_json(outcome(1.3), 1)
    assert told["verdict"] == "slower"
    first = told["quantiles"][0]
    assert first["quantile"] == 0.5
    assert first["ratio"] == pytest.approx(1.3)
    assert first["low"] < 1.3 < first["high"]
    assert (first["before_ms"], first["after_ms"]) == (10, 13)


@pytest.mark.parametrize(
    ("discarded", "texts"),
    [
        ({"late": 0, "failed": 0}, []),
        ({"late": 1}, ["1 pair does not count: the load generator was late in it."]),
        (
            {"late": 2, "failed": 1},
            [
                "2 pairs do not count: the load generator was late in them.",
                "1 pair does not count: more than 1 % of the requests of one side failed in it.",
            ],
        ),
    ],
    ids=["none", "one", "both kinds"],
)
def test_pairs_that_do_not_count(discarded, texts):
    assert list(discarded_texts(discarded)) == texts
