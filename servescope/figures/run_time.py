"""Latency over the time of a run: small figures side by side, all on the same scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from servescope.figures import bounds, theme, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.figures.theme import Figure, Style

LINES: Final = (("p50", "p50"), ("p99", "p99"))
"""Lines by the beginning of their names in a series, each with the name shown."""

_LEAST_MS: Final = 0.1
_GRAPH_HEIGHT: Final = 190
_ROOM: Final = 0.06
_DECADES_MS: Final = [10.0**power for power in range(-3, 6)]


def small_multiples(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[Figure]:
    """A figure for each run, of a series as `runtime.run_series` makes it.

    Seconds from the start across, milliseconds upwards on a logarithmic axis; both axes span the
    values of all runs, so that the eye may compare heights.
    """
    values = [
        value
        for run in runs
        for name, _ in LINES
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


def missing(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[str]:
    """The names of the lines without a value in one of the runs that has points."""
    return [
        shown
        for name, shown in LINES
        if any(
            run.get("second") and all(value is None for value in run.get(f"{name}_ms", ()))
            for run in runs
        )
    ]


def _are_bounds(run: Mapping[str, Sequence[float | None]], name: str) -> list[bool]:
    """Of each point whether it is a lower bound; of a series of an older version none is."""
    points = run.get(f"{name}_ms", ())
    return list(map(bool, run.get(f"{name}_is_bound", ()))) or [False] * len(points)


def _bounds_ms(run: Mapping[str, Sequence[float | None]]) -> list[float]:
    """The values of the points that are lower bounds."""
    return [
        value
        for name, _ in LINES
        for value, is_bound in zip(run.get(f"{name}_ms", ()), _are_bounds(run, name), strict=True)
        if is_bound and value is not None
    ]


def _figure(run: Mapping[str, Sequence[float | None]], y_range: list[float], longest: float) -> Any:
    styles = theme.by_meaning([label for _, label in LINES])
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
            _line(run, name, label, style)
            for (name, label), style in zip(LINES, styles, strict=True)
        ],
        "layout": layout,
    }


def _line(run: Mapping[str, Sequence[float | None]], name: str, label: str, style: Style) -> Figure:
    values, are_bounds = run.get(f"{name}_ms", ()), _are_bounds(run, name)
    points = list(zip(values, are_bounds, strict=True))
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label,
        "x": list(run.get("second", ())),
        "y": list(values),
        "line": {"color": style.colour, "width": 1.8},
        "marker": {
            "size": [bounds.SIZE_PX if is_bound else 5 for _, is_bound in points],
            "symbol": [bounds.SYMBOL if is_bound else "circle" for _, is_bound in points],
        },
        "cliponaxis": False,
        "text": [
            "" if ms is None else units.Duration(ms / 1e3, is_bound).text for ms, is_bound in points
        ],
        "hovertemplate": "%{text}",
    }
