"""Figures of a run against exact answers, and their way through JSON."""

from __future__ import annotations

import json
import math
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope import histogram
from servescope.errors import LoadRefusedError
from servescope.load.awaited import Awaited
from servescope.load.exchange import Exchange
from servescope.load.flows import ActiveFlow
from servescope.load.order import Order
from servescope.load.report import (
    OF_ERRORS,
    OF_SUCCESS,
    QUANTILES,
    RESOLUTION,
    Latency,
    LatencySummary,
    Progress,
    Result,
    latency_of,
    lower_bounds,
    quantile_ms,
)
from servescope.load.step_tally import MAX_EXAMPLE_CHARACTERS, MAX_EXAMPLES
from servescope.load.steps import CompiledStep
from servescope.load.tally import Tally
from servescope.load.targets import Target
from servescope.load.tls_connections import Trust
from servescope.records.load import LoadOutcome, LoadPlan
from servescope.records.scenarios import RequestStep
from servescope.wire.http1_client import Response

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


LIMITED = st.lists(
    st.tuples(st.integers(1, 60_000_000_000), st.integers(1, 60_000_000_000)),
    min_size=1,
    max_size=200,
)


@given(LIMITED)
def test_a_figure_is_a_lower_bound_where_longer_times_would_raise_it(
    times: list[tuple[int, int]],
) -> None:
    """Each request is given up at a limit of its own."""
    true_ns, limits_ns = np.array(times).T
    seen_ns, is_late = np.minimum(true_ns, limits_ns), true_ns > limits_ns
    bounds = lower_bounds(seen_ns, seen_ns[is_late])
    assert ("mean" in bounds) == is_late.any()
    slowest_ns = np.where(is_late, 2**60, true_ns)
    for name, q in {**QUANTILES, "max": 1.0}.items():
        seen, true, most = (quantile_ms(one, q) for one in (seen_ns, true_ns, slowest_ns))
        assert seen <= true
        assert (name in bounds) == (most > seen * (1 + RESOLUTION)), name
        if name not in bounds:
            assert true <= seen * (1 + RESOLUTION), name


def test_each_clock_of_a_result_has_the_bounds_of_its_own_requests() -> None:
    """Most that timed out waited for a connection: few of them were sent, and late."""
    run = Run(timeout_ns=10_000_000_000)
    for position in range(40):
        run.answered(0, 5_000_000_000, sent_ns=4_000_000_000 - position * 1_000_000)
    for _ in range(50):
        run.timed_out(10_000_000_000, sent_ns=0)
    for _ in range(10):
        run.timed_out(10_000_000_000, sent_ns=8_500_000_000)
    result = run.result()
    assert result.naive_bounds == ["mean", "p90", "p95", "p99", "p99_9", "max"]
    figures = result.to_json()
    told = {
        clock: {name: latency_of(figures, name, clock) for name in ("mean", "p50", "p99")}
        for clock in ("latency_ms", "naive_ms")
    }
    assert [one.is_bound for one in told["latency_ms"].values()] == [True, True, True]
    assert [one.is_bound for one in told["naive_ms"].values()] == [True, False, True]
    assert told["latency_ms"]["p99"].ms == 10_000.0
    assert told["naive_ms"]["p50"].ms == pytest.approx(1_025, abs=2)
    assert told["naive_ms"]["p99"].ms == 1_500.0
    older = {name: value for name, value in figures.items() if name != "naive_bounds"}
    assert latency_of(older, "p50", "naive_ms").is_bound, "nobody knows how many were sent"
    assert latency_of({}, "p50") is None


def test_nothing_measured_is_none() -> None:
    assert LatencySummary.of(np.empty(0, np.int64)) == LatencySummary()
    assert quantile_ms(np.empty(0, np.int64), 0.5) is None


class Run:
    """A tally with one step, to which requests are told that never were."""

    def __init__(self, latencies_ns: list[int] = (), timeout_ns: int = 60_000_000_000) -> None:
        recorder = SimpleNamespace(
            record=lambda *_: None, listener_id=lambda _: 1, route_id=lambda *_: 1
        )
        self.tally = Tally(recorder, "files", timeout_ns=timeout_ns)
        step = RequestStep()
        self.step = CompiledStep(
            step,
            self.tally.step(step, "GET /"),
            None,
            host="h",
            agent="a",
            keep_alive=True,
            has_cookies=False,
            counted=count(1),
        )
        self.flow = ActiveFlow((self.step,), {}, None, None)
        for position, latency in enumerate(latencies_ns):
            self.answered(1_000, 1_000 + latency, sent_ns=1_500, lag_ns=position)

    def exchange(self, intended_ns: int, sent_ns: int, lag_ns: int = 0) -> Exchange:
        self.tally.take_up(self.step.tally, lag_ns)
        exchange = Exchange(self.flow, self.step, b"x" * 100, intended_ns)
        exchange.assigned_ns = intended_ns
        exchange.sent_ns = exchange.handed_ns = sent_ns
        return exchange

    def answered(
        self, intended_ns: int, end_ns: int, sent_ns: int = 1, lag_ns: int = 0, status: int = 200
    ) -> None:
        exchange = self.exchange(intended_ns, sent_ns, lag_ns)
        connection = SimpleNamespace(served=1)
        self.tally.answered(exchange, connection, Response(status, True, 10), end_ns)

    def timed_out(self, latency_ns: int, sent_ns: int = 1) -> None:
        self.tally.failed(
            self.exchange(0, sent_ns), None, LoadOutcome.TIMED_OUT, latency_ns, "late"
        )

    def result(self, schedule_seconds: float = 2.0) -> Result:
        return self.tally.result(5.0, 3.0, schedule_seconds, flows=self.tally.sent, stopped=False)

    def progress(self, now_ns: int, awaited: Awaited | None = None) -> Progress:
        return self.tally.progress(now_ns, 0, flows=self.tally.sent, connections=3, awaited=awaited)


@given(DURATIONS)
def test_tally_keeps_every_latency(latencies: list[int]) -> None:
    result = Run(latencies).result()
    assert result.sent == result.answered == len(latencies)
    assert result.latency_ms == LatencySummary.of(np.array(latencies))
    assert result.naive_ms == LatencySummary.of(np.array(latencies) - 500)
    assert result.lag_ms.max == (len(latencies) - 1) / 1e6
    assert result.histogram == histogram.count(np.array(latencies) / 1e9).tolist()
    assert result.rate_achieved == len(latencies) / 2.0


@given(st.lists(st.integers(500, 60_000_000_000), min_size=1, max_size=50))
def test_phases_add_up_to_the_latencies(latencies: list[int]) -> None:
    result = Run(latencies).result()
    total_s = sum(phase.seconds for phase in result.phases.values())
    assert total_s == pytest.approx(sum(latencies) / 1e9, rel=1e-9)
    assert sum(result.phases["wait"].histogram) == len(latencies)
    assert sum(result.phases["connect"].histogram) == 0


def test_answers_after_the_end_of_the_schedule_are_no_rate() -> None:
    run = Run()
    run.tally.begin(2_000_000_000)
    for end_ns in (1_000_000_000, 2_000_000_000, 2_000_000_001, 9_000_000_000):
        run.answered(0, end_ns)
    result = run.result()
    assert (result.answered, result.answered_in_schedule, result.rate_achieved) == (4, 2, 1.0)


def test_the_shortest_timeout_is_where_latencies_become_lower_bounds() -> None:
    run = Run([1_000_000, 2_000_000])
    assert run.result().timed_out_from_ms is None
    for latency_ns in (12_000_000_000, 10_000_000_000, 11_000_000_000):
        run.timed_out(latency_ns)
    assert run.result().timed_out_from_ms == 10_000.0
    assert run.result().steps[0].timed_out_from_ms == 10_000.0
    assert run.result().steps[0].examples == {"timed_out": "late"}


def test_a_request_that_timed_out_took_its_timeout_however_late_that_is_noticed() -> None:
    run = Run([1_000_000], timeout_ns=10_000_000_000)
    for noticed_ns in (10_000_000_001, 10_090_000_000):
        run.timed_out(noticed_ns)
    result = run.result()
    assert (result.timed_out_from_ms, result.latency_ms.max) == (10_000.0, 10_000.0)
    assert result.naive_ms.max == pytest.approx(10_000.0)


def test_examples_are_bounded() -> None:
    run = Run([1_000])
    for number in range(100):
        run.step.tally.note(f"status_{number}", "x" * 10_000)
    examples = run.result().steps[0].examples
    assert len(examples) == MAX_EXAMPLES
    assert {len(text) for text in examples.values()} == {MAX_EXAMPLE_CHARACTERS}


def test_progress_tells_of_the_last_interval_only_and_of_steps_as_a_whole() -> None:
    run = Run([10_000_000] * 100)
    first = run.progress(1_000_000_000)
    for _ in range(100):
        run.answered(0, 20_000_000)
    second = run.progress(2_000_000_000)
    third = run.progress(3_000_000_000)
    assert (first.p99_ms, second.p99_ms) == (10.0, 20.0)
    assert (first.p99_over_s, second.p99_over_s) == (1.0, 1.0)
    per_s = [one.answered_per_s for one in (first, second, third)]
    assert per_s == [100.0, 100.0, 0.0]
    assert (second.answered, third.elapsed_s) == (200, 3.0)
    step = third.steps["GET /"]
    assert (step.sent, step.answered, step.failed) == (200, 200, 0)
    assert step.p50_ms == pytest.approx(10.0, rel=histogram.ERROR_BOUND)
    assert step.p99_ms == pytest.approx(20.0, rel=histogram.ERROR_BOUND)


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param([99], [(None, None)], id="too few"),
        pytest.param([100], [(100.0, 1.0)], id="just enough"),
        pytest.param([60, 40], [(None, None), (200.0, 2.0)], id="of the whole run"),
        pytest.param(
            [200, 60, 40], [(100.0, 1.0), (200.0, 2.0), (300.0, 2.0)], id="of two seconds"
        ),
        pytest.param(
            [100, 0, 0], [(100.0, 1.0), (100.0, 2.0), (100.0, 3.0)], id="none ended since"
        ),
        pytest.param(
            [300, 300, 5], [(100.0, 1.0), (200.0, 1.0), (300.0, 2.0)], id="few after many"
        ),
    ],
)
def test_the_p99_of_progress_is_of_the_newest_seconds_with_requests_enough(ended, expected) -> None:
    run, told = Run(), []
    for second, requests in enumerate(ended, 1):
        for _ in range(requests):
            run.answered(0, second * 100_000_000)
        progress = run.progress(second * 1_000_000_000)
        told.append((progress.p99_ms, progress.p99_over_s))
    assert told == expected


def test_progress_tells_what_the_requests_came_to() -> None:
    run = Run()
    for status, requests in ((200, 4), (304, 1), (404, 2), (503, 30), (500, 1)):
        for _ in range(requests):
            run.answered(0, 1_000_000, status=status)
    run.timed_out(2_000_000)
    run.exchange(300_000_000, 0)  # of which nothing came yet
    first = run.progress(1_000_000_000, Awaited(300_000_000, 99, 300_000_000))
    run.answered(0, 1_000_000, status=503)
    second = run.progress(3_000_000_000)
    assert first.statuses == {"200": 4, "304": 1, "404": 2, "500": 1, "503": 30}
    assert first.status_classes == {"2xx": 4, "3xx": 1, "4xx": 2, "5xx": 31}
    assert sum(first.status_classes.values()) == first.answered == 38
    assert first.status_classes_per_s == {"2xx": 4.0, "3xx": 1.0, "4xx": 2.0, "5xx": 31.0}
    assert (first.in_flight, first.awaited_for_ms) == (1, 700.0)
    assert first.awaited_p99_ms is None, "of 99 there is no p99"
    proven = run.progress(1_500_000_000, Awaited(300_000_000, 100, 400_000_000))
    assert (proven.awaited_for_ms, proven.awaited_p99_ms) == (1_200.0, 1_100.0)
    assert {kind: count for kind, count in first.failed.items() if count} == {"timed_out": 1}
    assert second.status_classes_per_s == {"5xx": 0.5}, "classes without an answer are left out"
    assert (second.answered_per_s, second.awaited_for_ms) == (0.5, None)
    result = run.result()
    assert (result.statuses, result.status_classes) == (second.statuses, second.status_classes)


def test_latencies_of_successes_and_of_errors_are_exact_and_together_are_all() -> None:
    random = np.random.default_rng(5)
    run, taken = Run(timeout_ns=2_000_000_000), {True: [], False: []}
    for took in random.integers(1_000, 1_900_000_000, 3_000).tolist():
        status = int(random.choice([200, 304, 399, 400, 404, 503]))
        run.answered(0, took, status=status)
        taken[status >= 400].append(took)
    for _ in range(40):
        run.timed_out(2_000_000_000)
        taken[True].append(2_000_000_000)
    result = run.result()
    good, bad = (np.array(taken[is_error], dtype=np.int64) for is_error in (False, True))
    assert result.success_ms == LatencySummary.of(good)
    assert result.error_ms == LatencySummary.of(bad)
    assert result.latency_ms == LatencySummary.of(np.concatenate([good, bad]))
    told = result.to_json()
    assert latency_of(told, "p99", OF_ERRORS) == Latency(2_000.0, is_bound=True)
    assert latency_of(told, "max", OF_SUCCESS) == Latency(result.success_ms.max)
    plain = Run([1_000, 2_000]).result()
    assert (plain.success_ms, plain.error_ms) == (None, None), "all of them are successes"


def test_requests_that_timed_out_without_a_connection_were_never_sent() -> None:
    run = Run([1_000], timeout_ns=10_000_000_000)
    run.timed_out(10_000_000_000)
    for _ in range(3):
        run.timed_out(10_000_000_000, sent_ns=0)
    assert run.progress(11_000_000_000).never_sent == run.result().never_sent == 3


def test_progress_and_result_survive_json() -> None:
    run = Run([1_000, 2_000])
    run.timed_out(5_000)
    progress, result = run.progress(1_000_000_000), run.result()
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_reports_of_an_older_version_are_read() -> None:
    run = Run([1_000])
    new = {"model", "users", "flows", "requests_per_flow", "steps", "phases", "waiting"}
    new |= {"connection_limit", "connections_max", "blocked", "naive_p10_ms", "cpu_ratio"}
    new |= {"never_sent", "success_ms", "error_ms", "in_flight_mean"}
    new_of_progress = {"statuses", "status_classes", "status_classes_per_s"}
    new_of_progress |= {"p99_over_s", "awaited_for_ms", "awaited_p99_ms"}
    for report, read in ((run.result(), Result), (run.progress(10), Progress)):
        values = json.loads(json.dumps(report.to_json()))
        left_out = new | new_of_progress if read is Progress else new
        old = {name: value for name, value in values.items() if name not in left_out}
        assert set(values) - set(old) >= {"steps", *(new_of_progress if read is Progress else ())}
        assert read.from_json(old).answered == 1


def test_documented_keys_are_there() -> None:
    values = Run([1_000]).result().to_json()
    assert set(values["latency_ms"]) == {
        "p50", "p90", "p95", "p99", "p99_9", "max", "mean",
    }  # fmt: skip
    assert set(values["lag_ms"]) == {"p50", "p90", "p95", "p99", "p99_9", "max"}
    assert set(values["failed"]) == {
        "refused", "reset", "timed_out", "protocol", "handshake", "value", "websocket",
    }  # fmt: skip
    assert list(values["phases"]) == ["blocked", "connect", "tls", "send", "wait", "receive"]
    assert {"sent", "answered", "statuses", "naive_ms", "seconds", "rate_asked"} <= set(values)
    assert {"rate_achieved", "bytes_received", "histogram"} <= set(values)


def test_order_survives_its_line() -> None:
    plan = LoadPlan.constant("files", "/ü", 1.5, 2)
    target = Target("::1", 80, "a.test", Trust("ab12", "/c.pem"))
    order = Order(7, plan, target, "rings", 1)
    assert order.to_line().count(b"\n") == 1
    assert Order.from_line(order.to_line()) == order


@pytest.mark.parametrize("line", [b"stop", b"{}", b"[]", b'{"plan": {"x": 1}}', b"\xff"])
def test_order_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(LoadRefusedError, match="no load order"):
        Order.from_line(line)
