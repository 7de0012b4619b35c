"""Rules of a load run: how they are written, and when they are true."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError
from servescope.scenarios.rules import (
    MOST_RULES,
    Counts,
    Figure,
    Rule,
    RuleResult,
    RuleState,
    RuleWatch,
    parse_rule,
    parse_rules,
)

PASSING, FAILING, UNKNOWN = RuleState.PASSING, RuleState.FAILING, RuleState.UNKNOWN
MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("p99 < 50 ms", (Figure.PERCENTILE, "<", 0.05, 0.99, "")),
        ("p99<50ms", (Figure.PERCENTILE, "<", 0.05, 0.99, "")),
        (" p99.9 ≤ 1.5 s ", (Figure.PERCENTILE, "<=", 1.5, 0.999, "")),
        ("p50 > 200 µs", (Figure.PERCENTILE, ">", 0.0002, 0.5, "")),
        ("mean <= 20 ms", (Figure.MEAN, "<=", 0.02, 0, "")),
        ("max < 1 s", (Figure.MAX, "<", 1, 0, "")),
        ("error rate < 0.1 %", (Figure.ERROR_RATE, "<", 0.001, 0, "")),
        ("answered ≥ 99 % of schedule", (Figure.ANSWERED, ">=", 0.99, 0, "")),
        ("answered >= 99% of the schedule", (Figure.ANSWERED, ">=", 0.99, 0, "")),
        ("GET /search: p95 < 100 ms", (Figure.PERCENTILE, "<", 0.1, 0.95, "GET /search")),
        ("sign in : error rate < 1 %", (Figure.ERROR_RATE, "<", 0.01, 0, "sign in")),
    ],
)
def test_a_rule_is_read(text, rule):
    figure, comparison, bound, quantile, step = rule
    read = parse_rule(text)
    assert (read.figure, read.comparison, read.step) == (figure, comparison, step)
    assert (read.bound, read.quantile) == pytest.approx((bound, quantile))
    assert read.text == text.strip()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the rule '' is not understood; write, say, p99 < 50 ms, error rate < 0.1 %"),
        ("p99", "is not understood"),
        ("p99 < fast", "is not understood"),
        ("p99 = 50 ms", "is not understood"),
        ("p99 < 50", "is not understood"),
        ("p99 < -5 ms", "is not understood"),
        ("p100 < 5 ms", "is not understood"),
        ("p0 < 5 ms", "the percentile of the rule 'p0 < 5 ms' is above 0 and below 100"),
        ("p99 < 50 %", "the bound of the rule 'p99 < 50 %' is in µs, ms or s"),
        ("error rate < 1 ms", "the bound of the rule 'error rate < 1 ms' is in %"),
        ("answered >= 101 %", "the bound of the rule 'answered >= 101 %' is at most 100 %"),
        ("p99 < 5 ms\np50 < 1 ms", "is not understood"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(LoadRefusedError) as caught:
        parse_rule(text)
    assert sentence in str(caught.value)


def test_a_rule_about_a_step_that_is_not_there_is_refused():
    assert len(parse_rules(("list: p99 < 5 ms", "p50 < 1 ms"), ("list", "GET /"))) == 2
    with pytest.raises(LoadRefusedError, match="is about 'lists'; the steps of the mix are: list,"):
        parse_rules(("lists: p99 < 5 ms",), ("list", "GET /"))


def test_rules_are_bounded():
    with pytest.raises(LoadRefusedError, match=f"at most {MOST_RULES} rules, not 21"):
        parse_rules(("p99 < 5 ms",) * (MOST_RULES + 1), ())


LATENCIES = st.lists(st.integers(1, 100), min_size=1, max_size=300)


@given(
    LATENCIES,
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 0.999]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(1, 100),
    st.integers(1, 50),
)
@example(values=[67], q=0.01, comparison="<", bound=67, chunk=1)
def test_a_percentile_is_judged_as_if_its_value_were_known(values, q, comparison, bound, chunk):
    rule = Rule("r", Figure.PERCENTILE, comparison, bound / 1e3, q)
    watch = RuleWatch(rule, None)
    for start in range(0, len(values), chunk):
        watch.add(np.array(values[start : start + chunk]) * MS)
    value = sorted(values)[max(math.ceil(q * len(values) - 1e-9), 1) - 1]
    expected = PASSING if rule.holds(value / 1e3) else FAILING
    assert watch.judge(Counts(len(values), len(values), 0)).state is expected


@given(LATENCIES, st.integers(0, 300), st.integers(1, 100))
def test_a_settled_rule_stays_failed_whatever_comes(values, more, bound):
    rule = Rule("r", Figure.PERCENTILE, "<", bound / 1e3, 0.9)
    watch = RuleWatch(rule, len(values) + more)
    watch.add(np.array(values) * MS)
    settled = watch.judge(Counts(len(values), len(values), 0)).is_settled
    watch.add(np.zeros(more, np.int64))  # as fast as can be
    final = watch.judge(Counts(len(values) + more, len(values) + more, 0)).state
    assert settled == (final is FAILING)


@pytest.mark.parametrize(
    ("text", "values_ms", "state"),
    [
        ("mean < 20 ms", [10, 29], PASSING),
        ("mean < 20 ms", [10, 30], FAILING),
        ("max <= 30 ms", [10, 30], PASSING),
        ("max < 30 ms", [10, 30], FAILING),
    ],
)
def test_mean_and_max(text, values_ms, state):
    watch = RuleWatch(parse_rule(text), 10)
    watch.add(np.array(values_ms) * MS)
    result = watch.judge(Counts(2, 2, 0))
    assert result.state is state
    assert result.value == pytest.approx((max if "max" in text else np.mean)(values_ms) / 1e3)
    assert result.is_settled == (text.startswith("max") and state is FAILING)


@pytest.mark.parametrize(
    ("text", "counts", "state", "is_settled"),
    [
        ("error rate < 1 %", Counts(200, 200, 1), PASSING, False),
        ("error rate < 1 %", Counts(200, 198, 2), FAILING, False),
        ("error rate < 1 %", Counts(200, 190, 10), FAILING, True),
        ("answered >= 99 %", Counts(200, 198, 2), PASSING, False),
        ("answered >= 99 %", Counts(200, 191, 9), FAILING, False),
        ("answered >= 99 %", Counts(200, 189, 11), FAILING, True),
        ("answered >= 99 %", Counts(0, 0, 0), UNKNOWN, False),
    ],
)
def test_counts_of_a_schedule_of_a_thousand(text, counts, state, is_settled):
    result = RuleWatch(parse_rule(text), 1_000).judge(counts)
    assert (result.state, result.is_settled) == (state, is_settled)


def test_nothing_is_known_of_latencies_before_there_are_any():
    watch = RuleWatch(parse_rule("p99 < 5 ms"), 10)
    assert watch.judge(Counts(4, 0, 4)) == RuleResult("p99 < 5 ms", UNKNOWN, is_settled=False)


@pytest.mark.parametrize(
    ("text", "answered", "timed_out", "state"),
    [
        ("p99 < 20 s", 100, 5, UNKNOWN),  # these waited 10 s and more, perhaps 20
        ("p99 < 20 s", 1_000, 5, PASSING),  # whatever they waited
        ("p99 < 5 s", 100, 5, FAILING),
        ("max < 20 s", 1_000, 5, UNKNOWN),
        ("mean < 20 s", 1_000, 5, UNKNOWN),
        ("p99 > 20 s", 100, 5, UNKNOWN),
    ],
)
def test_a_lower_bound_proves_no_upper_one(text, answered, timed_out, state):
    watch = RuleWatch(parse_rule(text), 2_000)
    watch.add(np.array([10 * MS] * answered + [10_000 * MS] * timed_out))
    counts = Counts(answered + timed_out, answered, timed_out, timed_out, 10.0)
    assert watch.judge(counts).state is state


def test_a_result_comes_back_from_json():
    result = RuleResult("p99 < 5 ms", FAILING, is_settled=True, value=0.006)
    assert RuleResult.from_json(result.to_json()) == result
