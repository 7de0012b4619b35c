"""Latency over the time of a run: small figures side by side, all on the same scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from servescope.figures import bounds, theme, units
from servescope.histogram import EXACT_FROM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.figures.theme import Figure, Style

LINES: Final = ("p50", "p95", "p99")
"""Percentiles that may be drawn: of a few hundred requests a step of a second has no p99."""

_LEAST_MS: Final = 0.1
_GRAPH_HEIGHT: Final = 190
_ROOM: Final = 0.06
_EXACT: Final = {"width": 1.8}
_OF_FEW: Final = {"width": 1.2, "dash": "dot"}
_DECADES_MS: Final = [10.0**power for power in range(-3, 6)]


def small_multiples(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[Figure]:
    """A figure for each run, of a series as `runtime.run_series` makes it.

    Seconds from the start across, milliseconds upwards on a logarithmic axis; both axes span the
    values of all runs, so that the eye may compare heights.
    """
    values = [
        value
        for run in runs
        for name in LINES
        for value in run.get(f"{name}_ms", ())
        if value is not None and value > 0
    ]
    lowest, highest = min(values, default=_LEAST_MS), max(values, default=1.0)
    y_range = [math.floor(math.log10(lowest) * 2) / 2, math.ceil(math.log10(highest) * 2) / 2]
    if y_range[0] == y_range[1]:
        y_range[1] += 0.5
    length = y_range[1] - y_range[0]
    # A line on the edge would lose half of its width, the label of a bound all of its height.
    above = bounds.HEADROOM if any(_bounds_ms(run) for run in runs) else _ROOM
    y_range = [y_range[0] - length * _ROOM, y_range[1] + length * above]
    seconds = [second for run in runs for second in run.get("second", ()) if second is not None]
    return [_figure(run, y_range, max(seconds, default=0.0) or 1.0) for run in runs]


def drawn(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[str]:
    """The names of the lines that one of the runs has; older versions kept no p95."""
    return [name for name in LINES if any(f"{name}_ms" in run for run in runs)]


def missing(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[str]:
    """The names of the lines without a value in one of the runs that has points."""
    return [
        name
        for name in drawn(runs)
        if any(
            run.get("second") and all(value is None for value in run.get(f"{name}_ms", ()))
            for run in runs
        )
    ]


def has_few(run: Mapping[str, Sequence[float | None]]) -> bool:
    """Whether most steps have too few requests for a percentile that reads as exact.

    Of an older version it is not known, and False.
    """
    counts = [count for count in run.get("requests", ()) if count]
    return sum(count < EXACT_FROM for count in counts) * 2 > len(counts)


def _are_bounds(run: Mapping[str, Sequence[float | None]], name: str) -> list[bool]:
    """Of each point whether it is a lower bound; of a series of an older version none is."""
    points = run.get(f"{name}_ms", ())
    return list(map(bool, run.get(f"{name}_is_bound", ()))) or [False] * len(points)


def _bounds_ms(run: Mapping[str, Sequence[float | None]]) -> list[float]:
    """The values of the points that are lower bounds."""
    return [
        value
        for name in LINES
        for value, is_bound in zip(run.get(f"{name}_ms", ()), _are_bounds(run, name), strict=True)
        if is_bound and value is not None
    ]


def _figure(run: Mapping[str, Sequence[float | None]], y_range: list[float], longest: float) -> Any:
    names = drawn([run])
    decades = [ms for ms in _DECADES_MS if y_range[0] <= math.log10(ms) <= y_range[1]]
    axis = theme.value_axis("", log=True) | {
        "range": y_range,
        "tickvals": decades,
        "ticktext": units.ticks([ms / 1e3 for ms in decades]),
    }
    layout = theme.layout(axis)
    layout["xaxis"] = {
        "range": [-0.3, longest + 0.3],
        "ticksuffix": " s",
        "nticks": 5,
        "zeroline": False,
        "showgrid": False,
        "fixedrange": True,
    }
    limits_ms = _bounds_ms(run)
    layout |= {
        "height": _GRAPH_HEIGHT,
        "dragmode": False,
        "hovermode": "x unified",
        "shapes": bounds.reference_line(
            [ms / 1e3 for ms in limits_ms], max(limits_ms, default=0.0)
        ),
    }
    return {
        "data": [
            _line(run, name, style)
            for name, style in zip(names, theme.by_meaning(names), strict=True)
        ],
        "layout": layout,
    }


def _line(run: Mapping[str, Sequence[float | None]], name: str, style: Style) -> Figure:
    """A line of few requests is thin and dotted, as on the live pages."""
    values, are_bounds = run.get(f"{name}_ms", ()), _are_bounds(run, name)
    counts = run.get("requests") or [None] * len(values)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(run.get("second", ())),
        "y": list(values),
        "line": {"color": style.colour} | (_OF_FEW if has_few(run) else _EXACT),
        "marker": {
            "size": [bounds.SIZE_PX if is_bound else 5 for is_bound in are_bounds],
            "symbol": [bounds.SYMBOL if is_bound else "circle" for is_bound in are_bounds],
        },
        "cliponaxis": False,
        "text": [_told(*point) for point in zip(values, are_bounds, counts, strict=True)],
        "hovertemplate": "%{text}",
    }


def _told(ms: float | None, is_bound: bool, requests: float | None) -> str:
    if ms is None:
        return ""
    told = units.Duration(ms / 1e3, is_bound).text
    return (
        told
        if requests is None or requests >= EXACT_FROM
        else f"{told}, few requests: {requests:.0f}"
    )
