"""Figures of a run against exact answers, and their way through JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope import histogram
from servescope.errors import LoadRefusedError
from servescope.load.order import Order
from servescope.load.report import LatencySummary, Progress, Result, quantile_ms
from servescope.load.tally import Tally
from servescope.records.load import LoadOutcome, LoadPlan

DURATIONS = st.lists(st.integers(0, 60_000_000_000), min_size=1, max_size=300)


@given(DURATIONS, st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]))
def test_quantile_is_the_value_at_its_rank(durations: list[int], q: float) -> None:
    exact = sorted(durations)[max(math.ceil(round(q * len(durations), 9)), 1) - 1]
    assert quantile_ms(np.array(durations), q) == exact / 1e6


@given(DURATIONS)
def test_summary_ascends(durations: list[int]) -> None:
    summary = LatencySummary.of(np.array(durations))
    ascending = [summary.p50, summary.p90, summary.p99, summary.p99_9, summary.max]
    assert ascending == sorted(ascending)
    assert min(durations) / 1e6 <= summary.mean * (1 + 1e-9)
    assert summary.mean <= summary.max * (1 + 1e-9)
    assert summary.max == max(durations) / 1e6


def test_nothing_measured_is_none() -> None:
    assert LatencySummary.of(np.empty(0, np.int64)) == LatencySummary()
    assert quantile_ms(np.empty(0, np.int64), 0.5) is None


def tally_of(latencies_ns: list[int]) -> Tally:
    tally = Tally(lambda *_: None, 1, 1, 100)
    for position, latency in enumerate(latencies_ns):
        tally.take_up(position)
        tally.end(LoadOutcome.ANSWERED, 200, 1_000, 1_500, 1_000 + latency, 0, False, 10)
    return tally


@given(DURATIONS)
def test_tally_keeps_every_latency(latencies: list[int]) -> None:
    result = tally_of(latencies).result(5.0, 3.0, 2.0, stopped=False)
    assert result.sent == result.answered == len(latencies)
    assert result.latency_ms == LatencySummary.of(np.array(latencies))
    assert result.naive_ms == LatencySummary.of(np.array(latencies) - 500)
    assert result.lag_ms.max == (len(latencies) - 1) / 1e6
    assert result.histogram == histogram.count(np.array(latencies) / 1e9).tolist()
    assert result.rate_achieved == len(latencies) / 2.0


def test_answers_after_the_end_of_the_schedule_are_no_rate() -> None:
    tally = Tally(lambda *_: None, 1, 1, 100)
    tally.begin(2_000_000_000)
    for end_ns in (1_000_000_000, 2_000_000_000, 2_000_000_001, 9_000_000_000):
        tally.take_up(0)
        tally.end(LoadOutcome.ANSWERED, 200, 0, 1, end_ns, 0, False, 10)
    result = tally.result(2.0, 9.0, 2.0, stopped=False)
    assert (result.answered, result.answered_in_schedule, result.rate_achieved) == (4, 2, 1.0)


def test_the_shortest_timeout_is_where_latencies_become_lower_bounds() -> None:
    tally = tally_of([1_000_000, 2_000_000])
    assert tally.result(5.0, 2.0, 2.0, stopped=False).timed_out_from_ms is None
    for latency_ns in (12_000_000_000, 10_000_000_000, 11_000_000_000):
        tally.end(LoadOutcome.TIMED_OUT, 0, 0, 1, latency_ns, 0, False, 0)
    assert tally.result(5.0, 2.0, 2.0, stopped=False).timed_out_from_ms == 10_000.0


def test_progress_tells_of_the_last_interval_only() -> None:
    tally = tally_of([10_000_000] * 100)
    first = tally.progress(1_000_000_000, 0, connections=3)
    tally.take_up(0)
    tally.end(LoadOutcome.ANSWERED, 200, 0, 0, 20_000_000, 0, False, 10)
    second = tally.progress(2_000_000_000, 0, connections=3)
    third = tally.progress(3_000_000_000, 0, connections=3)
    assert (first.p99_ms, second.p99_ms, third.p99_ms) == (10.0, 20.0, None)
    assert (first.answered_per_s, second.answered_per_s) == (100.0, 1.0)
    assert (second.answered, third.elapsed_s) == (101, 3.0)


def test_progress_and_result_survive_json() -> None:
    tally = tally_of([1_000, 2_000])
    progress = tally.progress(1_000_000_000, 0, 1)
    result = tally.result(5.0, 2.0, 2.0, stopped=True)
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_documented_keys_are_there() -> None:
    values = tally_of([1_000]).result(5.0, 2.0, 2.0, stopped=False).to_json()
    assert set(values["latency_ms"]) == {
        "p50", "p90", "p95", "p99", "p99_9", "max", "mean",
    }  # fmt: skip
    assert set(values["lag_ms"]) == {"p99", "max"}
    assert set(values["failed"]) == {"refused", "reset", "timed_out", "protocol", "handshake"}
    assert {"sent", "answered", "statuses", "naive_ms", "seconds", "rate_asked"} <= set(values)
    assert {"rate_achieved", "bytes_received", "histogram"} <= set(values)


def test_order_survives_its_line() -> None:
    order = Order(7, LoadPlan.constant("files", "/ü", 1.5, 2), "127.0.0.1", 80, "rings", 1)
    assert order.to_line().count(b"\n") == 1
    assert Order.from_line(order.to_line()) == order


@pytest.mark.parametrize("line", [b"stop", b"{}", b"[]", b'{"plan": {"x": 1}}', b"\xff"])
def test_order_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(LoadRefusedError, match="no load order"):
        Order.from_line(line)
