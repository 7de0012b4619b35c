"""Models of throughput against concurrency, fitted to the steps of a capacity search.

Three models of X(N), the throughput in requests per second with N requests in the system:

- *asymptotic bounds*: X = min(N / (R + Z), C). A pool of workers: each request takes R seconds
  until all workers are busy, and from there on the pool answers C requests per second; Z is the
  think time of a closed model, 0 in an open one (Denning and Buzen, "The Operational Analysis of
  Queueing Network Models", Computing Surveys 10, 1978).
- the *universal scalability law*: X = gN / (1 + a(N - 1) + bN(N - 1)), with contention a and
  coherency b (Gunther, "Guerrilla Capacity Planning", 2007).
- a *straight line*: X = N / (R + Z). No limit was reached.

Each is fitted by least squares of log X, so that all steps count alike, whatever their rate. AICc
chooses (Hurvich and Tsai, Biometrika 76, 1989): a model with one parameter more must fit better by
more than chance would. Intervals come from a residual bootstrap of the chosen model; the
covariance of the law's parameters gives intervals that are too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.statistics.student_t import widening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

RESOLUTION: Final = 1e-3
"""Relative error below which a residual is rounding: a perfect fit is no reason to prefer it."""

RESAMPLES: Final = 400
_NEWTON_STEPS: Final = 12
_TINY: Final = 1e-12


class ModelKind(StrEnum):
    """The models, under the names that a person reads."""

    BOUNDS = "asymptotic bounds"
    USL = "universal scalability law"
    LINE = "straight line"


PARAMETERS: Final = {ModelKind.BOUNDS: 2, ModelKind.USL: 3, ModelKind.LINE: 1}
"""How many parameters each has; AICc counts the variance as one more."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """One model with its parameters.

    `service_s` is R + Z at low load, seconds. `ceiling` is C of the bounds, requests per second,
    infinite in the other two. `contention` and `coherency` are a and b, 0 but in the law.
    `residuals` are of log X in the order of the points: 0.01 is a point 1 % above the model.
    """

    kind: ModelKind
    service_s: float
    ceiling: float
    contention: float
    coherency: float
    aicc: float
    residuals: tuple[float, ...]

    def throughput(self, concurrency: ArrayLike) -> Floats:
        """X(N) in requests per second."""
        n = np.asarray(concurrency, dtype=np.float64)
        slowdown = 1 + self.contention * (n - 1) + self.coherency * n * (n - 1)
        return np.minimum(n / (self.service_s * slowdown), self.ceiling)

    @property
    def peak(self) -> float:
        """The highest throughput, requests per second; infinite where the model has none.

        Of a law without coherency it is the asymptote, which no finite concurrency reaches.
        """
        if self.coherency > _TINY:
            at = math.sqrt((1 - self.contention) / self.coherency)
            return float(self.throughput(max(at, 1.0)))
        if self.contention > _TINY:
            return 1 / (self.service_s * self.contention)
        return self.ceiling

    def latency(self, rate: float) -> float:
        """Mean latency R = N / X in seconds at an offered rate; NaN beyond what the model carries.

        N is the lower concurrency at which X(N) is the rate (Little's law).
        """
        if not 0 < rate <= self.peak:
            return math.nan
        a = rate * self.service_s * self.coherency
        b = rate * self.service_s * (self.contention - self.coherency) - 1
        c = rate * self.service_s * (1 - self.contention)
        if a < _TINY:
            return -c / b / rate if b < 0 else math.nan
        under_root = max(b * b - 4 * a * c, 0.0)
        return 2 * c / (-b + math.sqrt(under_root)) / rate  # the smaller root, without cancellation


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that could be fitted, the best first, and the interval of the best one's peak."""

    models: tuple[FittedModel, ...]
    peak_low: float  # requests per second; infinite when the model has no peak
    peak_high: float
    level: float  # of the interval, 0.95 for 95 %

    @property
    def chosen(self) -> FittedModel:
        """The model of the least AICc."""
        return self.models[0]


def fit_models(
    concurrency: ArrayLike, throughput: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> ModelChoice | None:
    """Fit all models to points (N, X), both above zero; choose one by AICc.

    A model takes part when there are at least three points more than it has parameters. None when
    there is none for which there are enough.
    """
    n = np.asarray(concurrency, dtype=np.float64)
    x = np.asarray(throughput, dtype=np.float64)
    usable = (n > 0) & (x > 0) & np.isfinite(n) & np.isfinite(x)
    n, x = n[usable], x[usable]
    models = [
        _model(kind, n, x)
        for kind, parameters in PARAMETERS.items()
        if n.size >= parameters + 3  # AICc divides by points - parameters - 2
    ]
    if not models:
        return None
    models.sort(key=lambda model: model.aicc)
    low, high = _peak_interval(models[0], n, level, seed)
    return ModelChoice(tuple(models), low, high, level)


def aicc(squares: float, points: int, parameters: int) -> float:
    """Akaike's criterion of a least-squares fit, corrected for few points.

    `parameters` without the variance, which counts as one more. Infinite with too few points.
    """
    estimated = parameters + 1
    spare = points - estimated - 1
    if spare <= 0:
        return math.inf
    variance = max(squares / points, RESOLUTION**2)
    correction = 2 * estimated * (estimated + 1) / spare
    return points * math.log(variance) + 2 * estimated + correction


def _model(kind: ModelKind, n: Floats, x: Floats) -> FittedModel:
    service_s, ceiling, contention, coherency = _FITS[kind](n, x)
    model = FittedModel(kind, service_s, ceiling, contention, coherency, math.inf, ())
    residuals = np.log(x) - np.log(model.throughput(n))
    return FittedModel(
        kind,
        service_s,
        ceiling,
        contention,
        coherency,
        aicc(float(residuals @ residuals), n.size, PARAMETERS[kind]),
        tuple(residuals.tolist()),
    )


def _fit_line(n: Floats, x: Floats) -> tuple[float, float, float, float]:
    return float(np.exp(np.mean(np.log(n / x)))), math.inf, 0.0, 0.0


def _fit_bounds(n: Floats, x: Floats) -> tuple[float, float, float, float]:
    service_s, ceiling = _knees(n, x[None, :])
    return float(service_s[0]), float(ceiling[0]), 0.0, 0.0


def _knees(n: Floats, xs: Floats) -> tuple[Floats, Floats]:
    """R + Z and C of each row of throughputs.

    Each place of the knee is tried: on either side the best parameter is a geometric mean.
    """
    order = np.argsort(n)
    log_n, log_x = np.log(n[order]), np.log(xs[:, order])
    counts = np.arange(1, n.size)
    below = np.cumsum(log_n - log_x, axis=1)[:, :-1] / counts
    above = (np.cumsum(log_x[:, ::-1], axis=1)[:, :-1] / counts)[:, ::-1]
    predicted = np.minimum(log_n - below[:, :, None], above[:, :, None])
    best = np.argmin(((log_x[:, None, :] - predicted) ** 2).sum(axis=2), axis=1)
    rows = np.arange(len(xs))
    return np.exp(below[rows, best]), np.exp(above[rows, best])


def _fit_usl(n: Floats, x: Floats) -> tuple[float, float, float, float]:
    """N / X = R (1 + a(N - 1) + bN(N - 1)) is linear in R, Ra and Rb, none of them below zero.

    Each set of constraints that may hold with equality is tried: a = 0, b = 0, a = 1.
    """
    y = n / x
    columns = np.stack((np.ones_like(n), n - 1, n * (n - 1)))
    best, least = (float(np.mean(y)), 0.0, 0.0), math.inf
    for basis in _bases():
        found = _fit_latency(basis @ columns, y)
        if found is None:
            continue
        r, ra, rb = (float(value) for value in found @ basis)
        if r <= 0 or ra < 0 or rb < 0 or ra > r * (1 + _TINY):
            continue
        predicted = np.array((r, ra, rb)) @ columns
        squares = float((np.log(y / predicted) ** 2).sum())
        if squares < least:
            best, least = (r, ra, rb), squares
    r, ra, rb = best
    return r, math.inf, min(ra / r, 1.0), rb / r


def _bases() -> Iterator[Floats]:
    """The free parameters: (R, a, b) without one or two, and a = 1 with R, with or without b."""
    yield np.eye(3)
    yield np.eye(3)[[0, 1]]
    yield np.eye(3)[[0, 2]]
    yield np.eye(3)[[0]]
    yield np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    yield np.array([[1.0, 1.0, 0.0]])


def _fit_latency(columns: Floats, y: Floats) -> Floats | None:
    """Least squares of log y against log(θ · columns), by Gauss and Newton; None without one."""
    first = np.linalg.lstsq((columns / y).T, np.ones_like(y), rcond=None)[0]
    theta = np.asarray(first, dtype=np.float64)
    for _ in range(_NEWTON_STEPS):
        predicted = theta @ columns
        if np.any(predicted <= 0):
            return None
        step = np.linalg.lstsq((columns / predicted).T, np.log(y / predicted), rcond=None)[0]
        theta = np.asarray(theta + step, dtype=np.float64)
        if np.all(np.abs(step) <= 1e-9 * np.abs(theta) + _TINY):
            break
    return theta if np.all(theta @ columns > 0) else None


_FITS: Final[dict[ModelKind, Callable[[Floats, Floats], tuple[float, float, float, float]]]] = {
    ModelKind.BOUNDS: _fit_bounds,
    ModelKind.USL: _fit_usl,
    ModelKind.LINE: _fit_line,
}


def _peak_interval(model: FittedModel, n: Floats, level: float, seed: int) -> tuple[float, float]:
    """Percentiles of the peak over refits to model plus redrawn residuals.

    Residuals of a fit are smaller than the errors that they stand for: they are scaled by
    √(points / spare points), and the interval is widened as Student's t is wider than the normal
    distribution.
    """
    if model.kind is ModelKind.LINE:
        return math.inf, math.inf
    spare = n.size - PARAMETERS[model.kind]
    residuals = np.array(model.residuals)
    residuals = (residuals - residuals.mean()) * math.sqrt(n.size / spare)
    drawn = np.random.default_rng(seed).choice(residuals, (RESAMPLES, n.size))
    refits = model.throughput(n) * np.exp(drawn)
    peaks = _knees(n, refits)[1] if model.kind is ModelKind.BOUNDS else _usl_peaks(model, n, refits)
    low, high = np.quantile(peaks, ((1 - level) / 2, (1 + level) / 2), method="nearest")
    wide = widening(level, spare)
    return model.peak * (low / model.peak) ** wide, model.peak * (high / model.peak) ** wide


def _usl_peaks(model: FittedModel, n: Floats, xs: Floats) -> Floats:
    """The peak of the law fitted to each row, by one step of Gauss and Newton from the model."""
    predicted = n / model.throughput(n)
    columns = np.stack((np.ones_like(n), n - 1, n * (n - 1))) / predicted
    relative = n / xs / predicted
    best = np.tile((model.service_s, 0.0, 0.0), (len(xs), 1))
    least = np.full(len(xs), math.inf)
    for basis in _bases():
        found = relative @ np.linalg.pinv(basis @ columns) @ basis
        squares = ((relative - found @ columns) ** 2).sum(axis=1)
        r, ra, rb = found.T
        better = (r > 0) & (ra >= 0) & (rb >= 0) & (ra <= r * (1 + _TINY)) & (squares < least)
        best[better], least[better] = found[better], squares[better]
    return np.array(
        [
            FittedModel(model.kind, r, math.inf, min(ra / r, 1.0), rb / r, 0.0, ()).peak
            for r, ra, rb in best.tolist()
        ]
    )
