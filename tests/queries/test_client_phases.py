"""Shares, means and percentiles of the client's phases, against the durations they were made of."""

from dataclasses import asdict

import numpy as np
import pytest

from servescope.histogram import ERROR_BOUND, count
from servescope.load.report import Phase
from servescope.queries.client_phases import phase_rows, several_steps


def phase(durations_s):
    return asdict(Phase(float(np.sum(durations_s)), count(durations_s).tolist()))


def test_the_phases_share_the_time_of_all_requests():
    random = np.random.default_rng(1)
    wait, receive = random.lognormal(-5, 1, 1_000), random.lognormal(-7, 1, 1_000)
    rows = phase_rows({"phases": {"wait": phase(wait), "receive": phase(receive)}})
    assert [(row.name, row.requests) for row in rows] == [("wait", 1_000), ("receive", 1_000)]
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert rows[0].share == pytest.approx(wait.sum() / (wait.sum() + receive.sum()))
    assert rows[0].mean_s == pytest.approx(wait.mean())
    for shown, q in ((rows[0].p50_s, 0.5), (rows[0].p95_s, 0.95), (rows[0].p99_s, 0.99)):
        exact = np.quantile(wait, q, method="inverted_cdf")
        assert shown == pytest.approx(exact, rel=ERROR_BOUND)


def test_a_percentile_of_too_few_requests_is_not_said():
    (row,) = phase_rows({"phases": {"connect": phase([0.001] * 3)}})
    assert row.p50_s == pytest.approx(0.001, rel=ERROR_BOUND)
    assert np.isnan([row.p95_s, row.p99_s]).all()


@pytest.mark.parametrize(
    "reported",
    [{}, {"phases": None}, {"phases": {"tls": phase([0.0] * 5), "wait": phase([])}}],
    ids=["an old result", "none kept", "took no time"],
)
def test_there_is_no_row_of_a_phase_that_took_no_time(reported):
    assert phase_rows(reported) == []


def test_only_a_mix_has_several_steps():
    assert several_steps({}) == ()
    assert several_steps({"steps": [{"name": "GET /"}]}) == ()
    assert len(several_steps({"steps": [{"name": "GET /"}, {"name": "POST /"}]})) == 2
