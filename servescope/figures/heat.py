"""The latency heatmap: time across, duration upwards on a logarithmic axis, colour the count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units
from servescope.histogram import BUCKETS, EDGES, GROWTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.figures.theme import Figure
    from servescope.queries.rows import Heat

FOLD: Final = 2
"""Buckets drawn as one row: a quarter octave is what a person can tell apart here. The first and
the last bucket, which have no end, are a row each."""

_MARGIN: Final = 4  # rows above and below what is in use, so that few polls outgrow the figure
_MS: Final = 1000
_ROWS: Final = BUCKETS // FOLD + 1
_OPEN: Final = _ROWS - 1
_EMPTY_LOW_S: Final = 1e-4
_EMPTY_HIGH_S: Final = 0.1  # as of percentiles without a request, beside it
_COLOURS: Final = [
    [0.0, "rgba(51,154,240,0.16)"],
    [0.02, "rgba(51,154,240,0.45)"],
    [0.1, "rgba(51,154,240,0.85)"],
    [0.3, "#4263eb"],
    [0.6, "#7950f2"],
    [1.0, "#f59f00"],
]


@dataclass(frozen=True, slots=True)
class HeatPlot:
    """How a `Heat` is drawn. Rows of the figure are pairs of the histogram's buckets; see FOLD."""

    def shape(self, rows: Heat) -> dict[str, Any]:
        """First and last row of the figure, as indexes of folded buckets."""
        if not rows.counts.size:
            low, high = _row_of(_EMPTY_LOW_S), _row_of(_EMPTY_HIGH_S)
        else:
            first = _first_bucket(rows)
            low = _row(first) - _MARGIN
            high = _row(first + len(rows.counts) - 1)
            # The row without an upper end is drawn where a request lies in it, and not before.
            high = high if high == _OPEN else min(high + _MARGIN, _OPEN - 1)
        return {"low": max(low, 0), "high": high}

    def figure(self, rows: Heat, shape: dict[str, Any]) -> Figure:
        """The whole figure; empty cells are None, so that the paper shows through."""
        cells = _folded(rows, shape["low"], shape["high"])
        edges = _edges(shape["low"], shape["high"])
        trace = {
            "type": "heatmap",
            "x": (rows.times * _MS).tolist(),
            "y": edges,
            "z": [_cells(row) for row in cells],
            "colorscale": _COLOURS,
            "showscale": False,
            "zmin": 0,
        }
        axis = theme.value_axis("", log=True) | {"autorange": bool(rows.counts.size)}
        if not rows.counts.size:
            axis["range"] = [math.log10(_EMPTY_LOW_S), math.log10(_EMPTY_HIGH_S)]
        shown = (_EMPTY_LOW_S, _EMPTY_HIGH_S)
        if rows.counts.size:
            shown = (float(rows.edges[rows.edges > 0][0]), edges[-1])
        meta = units.reading("s", units.shared_scale("s", shown), log=True) | {"step": rows.step}
        return {"data": [trace], "layout": theme.layout(axis) | {"meta": meta}}

    def delta(self, rows: Heat, shape: dict[str, Any]) -> Figure | None:
        """New columns, one for each new step; None when they leave the figure's rows."""
        if rows.counts.size:
            first = _first_bucket(rows)
            last = _row(first + len(rows.counts) - 1)
            if _row(first) < shape["low"] or last > shape["high"]:
                return None
        cells = _folded(rows, shape["low"], shape["high"])
        return {"x": (rows.times * _MS).tolist(), "z": [_cells(column) for column in cells.T]}

    def legend(self, rows: Heat, shape: dict[str, Any]) -> list[dict[str, str]]:
        """A heatmap has no lines to name."""
        del rows, shape
        return []

    def earlier(self, rows: Heat, shape: dict[str, Any], later_s: int) -> list[Figure]:
        """None: cells that lie over each other cannot be told apart."""
        del rows, shape, later_s
        return []


def _first_bucket(rows: Heat) -> int:
    """Index in the histogram of the first row of `counts`, whose upper edge is `edges[1]`."""
    return int(np.searchsorted(EDGES, rows.edges[1] * (1 - 1e-9)))


def _row(bucket: int) -> int:
    """The row of a bucket; the first bucket is the first row."""
    return (bucket + 1) // FOLD


def _row_of(seconds: float) -> int:
    return _row(int(np.searchsorted(EDGES, seconds)))


def _edges(low: int, high: int) -> list[float]:
    """Edges in seconds of the rows low … high: one more than rows.

    A row without an end is as high as any other.
    """
    ends = np.concatenate((EDGES[:1] / GROWTH**FOLD, EDGES[::FOLD], EDGES[-1:] * GROWTH**FOLD))
    return [float(f"{edge:.4g}") for edge in ends[low : high + 2]]


def _folded(rows: Heat, low: int, high: int) -> NDArray[np.float64]:
    """Counts of the figure's rows, shape (high - low + 1, T); NaN where a second has no frame."""
    cells = np.zeros((high - low + 1, rows.times.size))
    if rows.counts.size:
        first = _first_bucket(rows)
        for offset, counts in enumerate(rows.counts):
            cells[min(max(_row(first + offset), low), high) - low] += counts
    return cells


def _cells(counts: NDArray[np.float64]) -> list[int | None]:
    return [int(count) if count > 0 else None for count in np.nan_to_num(counts).tolist()]
