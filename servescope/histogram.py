"""Exponential histograms of durations: fixed buckets that merge by adding.

Schema 3 of OpenTelemetry's exponential histogram: 8 buckets an octave, upper-inclusive, from
2**-20 s (0.95 µs) to 2**6 s (64 s), one bucket below and one above. Within these bounds any
quantile lies in the true value's bucket, so the relative error is at most 2**(1/8) - 1 = 9.05 % to
an edge and (2**(1/8) - 1) / (2**(1/8) + 1) = 4.33 % to the bucket's middle, which `quantiles`
returns (the point that halves the relative error to both edges).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SCHEMA: Final = 3
PER_OCTAVE: Final = 2**SCHEMA
MIN_EXPONENT: Final = -20
MAX_EXPONENT: Final = 6
LONGEST_S: Final = 2.0**MAX_EXPONENT
"""Durations above this one share the last bucket: of a quantile there it is a lower bound."""

SHORTEST_S: Final = 2.0**MIN_EXPONENT
"""Durations up to this one share the first bucket: of a quantile there it is an upper bound."""

BUCKETS: Final = (MAX_EXPONENT - MIN_EXPONENT) * PER_OCTAVE + 2
"""Number of buckets: index 0 is everything up to 2**-20 s, the last everything above 2**6 s."""

GROWTH: Final = 2.0 ** (1 / PER_OCTAVE)
ERROR_BOUND: Final = (GROWTH - 1) / (GROWTH + 1)
"""Largest relative error of `quantiles` within the bounds (0.0433)."""

EDGES: Final[NDArray[np.float64]] = np.exp2(
    MIN_EXPONENT + np.arange(BUCKETS - 1, dtype=np.float64) / PER_OCTAVE
)
"""Upper edges in seconds of buckets 0 .. BUCKETS-2; bucket i covers (EDGES[i-1], EDGES[i]]."""

_UPPER: Final = np.concatenate((EDGES, [math.inf]))
_LOWER: Final = np.concatenate(([-math.inf], EDGES))
_BELOW: Final = 2.0 ** (MIN_EXPONENT - 1)
_ABOVE: Final = 2.0 ** (MAX_EXPONENT + 1)
_MIDDLES: Final[NDArray[np.float64]] = np.concatenate(
    ([EDGES[0]], 2 * EDGES[:-1] * EDGES[1:] / (EDGES[:-1] + EDGES[1:]), [EDGES[-1]])
)


def bucket_indexes(seconds: ArrayLike) -> NDArray[np.intp]:
    """Bucket index of each duration in seconds; NaN and negative durations count as zero.

    A logarithm and a look at both edges, which puts right its rounding: a fifth of the time that
    `searchsorted` takes.
    """
    # fmax and fmin pass over NaN; values outside the bounds count as just outside of them.
    values = np.fmin(np.fmax(np.asarray(seconds, dtype=np.float64), _BELOW), _ABOVE)
    index: NDArray[np.intp] = np.ceil((np.log2(values) - MIN_EXPONENT) * PER_OCTAVE).astype(np.intp)
    np.clip(index, 0, BUCKETS - 1, out=index)
    index += values > _UPPER[index]
    index -= values <= _LOWER[index]
    return index


def count(seconds: ArrayLike) -> NDArray[np.int64]:
    """Histogram of the durations, shape (BUCKETS,)."""
    return np.bincount(bucket_indexes(seconds), minlength=BUCKETS).astype(np.int64)


def quantiles(
    counts: NDArray[np.generic], qs: Sequence[float], first_bucket: int = 0
) -> NDArray[np.float64]:
    """Quantiles in seconds of histograms `counts`, shape (..., BUCKETS) → (..., len(qs)).

    Fewer buckets will do when those left out, before `first_bucket` or at the end, are all zero.
    The value at rank ceil(q * n), as exact order statistics define it; NaN where n is zero.
    Raises ValueError when a q lies outside [0, 1].
    """
    if any(not 0.0 <= q <= 1.0 for q in qs):
        raise ValueError(f"quantiles lie in [0, 1], got {list(qs)}")
    cumulated = np.cumsum(counts, axis=-1, dtype=np.float64)
    total = cumulated[..., -1]
    out = np.empty((*total.shape, len(qs)))
    for position, q in enumerate(qs):
        rank = np.maximum(np.ceil(q * total - 1e-9), 1.0)
        index = first_bucket + (cumulated < rank[..., None]).sum(axis=-1)
        out[..., position] = np.where(total > 0, _MIDDLES[np.minimum(index, BUCKETS - 1)], math.nan)
    return out


def are_lower_bounds(
    counts: NDArray[np.integer], timed_out: NDArray[np.integer], qs: Sequence[float]
) -> NDArray[np.bool_]:
    """Which quantiles of `counts` are lower bounds: (BUCKETS, ...) → (len(qs), ...).

    `timed_out` of them would have taken longer than the bucket that they are counted in. A quantile
    is exact, to its bucket, where the others alone reach its rank in the bucket that it lies in.
    """
    cumulated = np.cumsum(counts, axis=0, dtype=np.float64)
    exact = cumulated - np.cumsum(timed_out, axis=0, dtype=np.float64)
    total = cumulated[-1]
    found = np.zeros((len(qs), *total.shape), dtype=bool)
    for position, q in enumerate(qs):
        rank = np.maximum(np.ceil(q * total - 1e-9), 1.0)
        index = np.minimum((cumulated < rank).sum(axis=0), BUCKETS - 1)
        reached = np.take_along_axis(exact, index[np.newaxis], axis=0)[0]
        found[position, ...] = (total > 0) & (reached < rank)
    return found


EXACT_FROM: Final = 100
"""Requests of a step from which on its percentiles are drawn as exact: p95 of 20 is one request."""


def least_count(q: float) -> int:
    """How many values a quantile says something about: one in so many lies beyond it.

    Of fewer, it is their greatest value, whatever the q: p95, p99 and p99.9 of ten are one figure.
    """
    return round(1 / (1 - q))


def supported_quantiles(counts: NDArray[np.generic], qs: Sequence[float]) -> NDArray[np.float64]:
    """`quantiles`, NaN also where there are fewer values than `least_count`."""
    found = quantiles(counts, qs)
    total = np.asarray(counts.sum(axis=-1))
    least = np.array([least_count(q) for q in qs])
    found[total[..., None] < least] = math.nan
    return found


def quantiles_by_bucket(
    counts: NDArray[np.integer], qs: Sequence[float], first_bucket: int = 0
) -> NDArray[np.float64]:
    """`quantiles` of histograms that lie bucket by bucket: (buckets, ...) → (len(qs), ...).

    A walk over the buckets with all histograms at once, in the fewest bytes that hold their sums.
    Raises ValueError when a q lies outside [0, 1].
    """
    if any(not 0.0 <= q <= 1.0 for q in qs):
        raise ValueError(f"quantiles lie in [0, 1], got {list(qs)}")
    found = np.full((len(qs), *counts.shape[1:]), math.nan)
    if not counts.size:
        return found
    # 210 buckets of at most 2**16 - 1 each.
    kind = np.uint32 if counts.dtype.itemsize <= 2 else np.int64  # noqa: PLR2004 - bytes
    cumulated = counts.astype(kind)
    for bucket in range(1, len(cumulated)):
        cumulated[bucket] += cumulated[bucket - 1]
    total = cumulated[-1]
    counted = total > 0
    for position, q in enumerate(qs):
        rank = np.maximum(np.ceil(q * total - 1e-9), 1.0).astype(kind)
        # Fewer than 256 buckets: their number fits a byte.
        below_rank = np.add.reduce((cumulated < rank).view(np.uint8), axis=0, dtype=np.uint8)
        index = np.minimum(first_bucket + below_rank.astype(np.intp), BUCKETS - 1)
        np.copyto(found[position, ...], _MIDDLES[index], where=counted)
    return found
