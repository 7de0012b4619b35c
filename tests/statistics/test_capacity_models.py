"""Fits to points of known models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from servescope.statistics.capacity_models import FittedModel, ModelKind, aicc, fit_models

N = np.array([1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 48], dtype=float)
LAW = FittedModel(ModelKind.USL, 0.01, math.inf, 0.05, 0.0008, 0.0, ())


def test_a_pool_is_known_by_its_bounds() -> None:
    """X = min(N, W) x 50 with 1.5 % of noise: the law alone would miss it by 4 to 5 %."""
    chosen = covered = 0
    for seed in range(100):
        workers = (1, 2, 4, 8)[seed % 4]
        n = np.arange(1, 3 * workers + 8, max(1, workers // 4), dtype=float)
        noise = np.random.default_rng(seed).normal(0, 0.015, n.size)
        choice = fit_models(n, np.minimum(n, workers) * 50 * np.exp(noise))
        assert choice is not None
        bounds = next(model for model in choice.models if model.kind is ModelKind.BOUNDS)
        assert bounds.peak == pytest.approx(50 * workers, rel=0.02)
        chosen += choice.chosen.kind is ModelKind.BOUNDS
        covered += choice.peak_low <= 50 * workers <= choice.peak_high
    assert chosen >= 95
    assert covered >= 90


def test_the_law_is_chosen_where_it_is_true() -> None:
    covered = 0
    for seed in range(50):
        noise = np.random.default_rng(seed).normal(0, 0.015, N.size)
        choice = fit_models(N, LAW.throughput(N) * np.exp(noise))
        assert choice is not None
        assert choice.chosen.kind is ModelKind.USL
        assert choice.chosen.peak == pytest.approx(LAW.peak, rel=0.04)
        covered += choice.peak_low <= LAW.peak <= choice.peak_high
    assert covered >= 45


def test_no_limit_is_claimed_where_none_was_reached() -> None:
    n = np.linspace(0.5, 8, 10)
    noise = np.random.default_rng(1).normal(0, 0.01, n.size)
    choice = fit_models(n, 50 * n * np.exp(noise))
    assert choice is not None
    assert choice.chosen.kind is ModelKind.LINE
    assert math.isinf(choice.chosen.peak)
    assert math.isinf(choice.peak_low)


def test_exact_parameters_from_exact_points() -> None:
    choice = fit_models(N, LAW.throughput(N))
    assert choice is not None
    best = choice.chosen
    assert (best.service_s, best.contention, best.coherency) == pytest.approx((0.01, 0.05, 0.0008))
    assert max(map(abs, best.residuals)) < 1e-6


@pytest.mark.parametrize(
    ("contention", "coherency", "peak"),
    [
        pytest.param(0.0, 0.0, math.inf, id="no-limit"),
        pytest.param(0.1, 0.0, 1000.0, id="asymptote"),
        pytest.param(1.0, 0.0, 100.0, id="one-at-a-time"),
        pytest.param(0.0, 0.01, 100 * 10 / 1.9, id="coherency-alone"),
    ],
)
def test_peak_of_the_law(contention: float, coherency: float, peak: float) -> None:
    model = FittedModel(ModelKind.USL, 0.01, math.inf, contention, coherency, 0.0, ())
    assert model.peak == pytest.approx(peak)


@pytest.mark.parametrize("rate", [50.0, 300.0, 900.0])
def test_latency_follows_from_throughput_by_littles_law(rate: float) -> None:
    concurrency = LAW.latency(rate) * rate
    assert LAW.throughput(concurrency) == pytest.approx(rate)


def test_no_latency_beyond_the_peak() -> None:
    bounds = FittedModel(ModelKind.BOUNDS, 0.02, 200.0, 0.0, 0.0, 0.0, ())
    assert bounds.latency(199.0) == pytest.approx(0.02)
    assert math.isnan(bounds.latency(201.0))
    assert math.isnan(LAW.latency(LAW.peak * 1.01))


def test_aicc_against_a_value_worked_out_by_hand() -> None:
    # n ln(RSS / n) + 2k + 2k(k + 1) / (n - k - 1) with n = 10, k = 3 with the variance, RSS = 0.1.
    assert aicc(0.1, 10, 2) == pytest.approx(10 * math.log(0.01) + 6 + 24 / 6)
    assert math.isinf(aicc(0.1, 4, 2))


@pytest.mark.parametrize("points", [0, 1, 3])
def test_too_few_points_give_no_model(points: int) -> None:
    assert fit_models(N[:points], N[:points]) is None
