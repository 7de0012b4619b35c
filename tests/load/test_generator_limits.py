"""The generator's own delay, and the judgements that it spoils."""

from dataclasses import replace

import pytest

from servescope.load.generator_limits import (
    ConnectionUse,
    is_behind_schedule,
    is_latency_delayed,
    own_delay,
)


@pytest.mark.parametrize(
    ("lag", "latency", "naive", "delay"),
    [
        pytest.param(0.004, 0.020, 0.015, 0.004, id="the-lag"),
        pytest.param(0.004, 0.020, 0.018, 0.002, id="no-more-than-the-latency-gained"),
        pytest.param(0.004, 0.020, 0.021, 0.0, id="nothing-gained"),
        pytest.param(0.004, None, None, 0.004, id="nothing-answered"),
        pytest.param(None, 0.020, 0.015, 0.0, id="no-lag-known"),
    ],
)
def test_own_delay(lag, latency, naive, delay):
    assert own_delay(lag, latency, naive) == pytest.approx(delay)


@pytest.mark.parametrize(
    ("lag", "latency", "naive", "limit", "is_delayed"),
    [
        pytest.param(0.003, 0.020, 0.010, None, True, id="15-percent-of-a-latency"),
        pytest.param(0.001, 0.020, 0.010, None, False, id="5-percent-and-waits-for-connections"),
        pytest.param(0.009, 0.020, 0.019, None, False, id="late-but-not-in-the-percentile"),
        pytest.param(0.003, 0.020, 0.010, 0.050, False, id="6-percent-of-the-limit"),
        pytest.param(0.006, 0.020, 0.010, 0.050, True, id="12-percent-of-the-limit"),
        pytest.param(0.006, None, None, 0.050, True, id="nothing-answered"),
        pytest.param(0.006, None, None, None, False, id="nothing-judged"),
    ],
)
def test_a_latency_that_says_too_little_of_the_server(lag, latency, naive, limit, is_delayed):
    assert is_latency_delayed(lag, latency, naive, limit) is is_delayed


@pytest.mark.parametrize(
    ("lag_s", "schedule_s", "is_behind"),
    [(0.5, 10, True), (0.49, 10, False), (None, 10, False), (0.5, 0, False)],
)
def test_a_schedule_that_the_generator_did_not_keep(lag_s, schedule_s, is_behind):
    assert is_behind_schedule(lag_s, schedule_s) is is_behind


USED = ConnectionUse(sent=1_000, blocked=400, limit=4, naive_p50_s=0.02)


@pytest.mark.parametrize(
    ("changes", "rate", "in_time_s", "were_too_few"),
    [
        pytest.param({}, 300, 0.04, True, id="4-of-the-12-and-more-that-are-under-way"),
        pytest.param({"limit": 23}, 300, 0.04, False, id="as-many-as-independent-arrivals-take"),
        pytest.param({"limit": None}, 300, 0.04, True, id="how-many-is-not-known"),
        pytest.param({"blocked": 50}, 300, 0.04, False, id="few-waited"),
        pytest.param({"naive_p50_s": 0.05}, 300, 0.04, False, id="the-server-took-longer"),
        pytest.param({"naive_p50_s": None}, 300, 0.04, False, id="nothing-was-answered"),
        pytest.param({"limit": 10}, 50, 0.004, False, id="a-quick-server-stalled-for-a-second"),
        pytest.param({}, 0, 0.04, False, id="users-have-a-connection-each"),
    ],
)
def test_too_few_connections(changes, rate, in_time_s, were_too_few):
    assert replace(USED, **changes).were_too_few(rate, in_time_s, 0.05) is were_too_few
