"""Quantiles of Student's t distribution, by the standard library alone."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Final

_STEPS: Final = 200
_BISECTIONS: Final = 60
_WIDEST: Final = 700.0  # beyond the 99.95 % quantile with one degree of freedom, 637


def distribution(t: float, degrees: float) -> float:
    """P(T ≤ t) with so many degrees of freedom, by Simpson's rule; within 1e-7.

    With d degrees of freedom and t = √d tan θ the density becomes cos^(d-1) θ, smooth and bounded.
    """
    angle = math.atan(abs(t) / math.sqrt(degrees))
    width = angle / _STEPS
    weights = (1 if step in {0, _STEPS} else 4 if step % 2 else 2 for step in range(_STEPS + 1))
    area = sum(
        weight * math.cos(step * width) ** (degrees - 1) for step, weight in enumerate(weights)
    )
    log_constant = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    half = math.exp(log_constant) / math.sqrt(math.pi) * area * width / 3
    return 0.5 + math.copysign(min(half, 0.5), t)


@cache
def quantile(q: float, degrees: float) -> float:
    """The t with P(T ≤ t) = q, for q in [0.0005, 0.9995] and degrees ≥ 1; within 1e-6."""
    low, high = -_WIDEST, _WIDEST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if distribution(middle, degrees) < q:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def widening(level: float, degrees: float) -> float:
    """How much wider a two-sided interval of Student's t is than the normal one, at least 1."""
    q = (1 + level) / 2
    return max(quantile(q, max(degrees, 1.0)) / NormalDist().inv_cdf(q), 1.0)
