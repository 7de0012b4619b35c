"""Latency over the time of a run: small figures side by side, all on the same scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from servescope.figures import theme, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.figures.theme import Figure

LINES: Final = (("p50_ms", "p50"), ("p99_ms", "p99"))
_LEAST_MS: Final = 0.1
_GRAPH_HEIGHT: Final = 190
_ROOM: Final = 0.06


def small_multiples(runs: Sequence[Mapping[str, Sequence[float | None]]]) -> list[Figure]:
    """A figure for each run: `second`, `p50_ms` and `p99_ms` as `runtime.run_series` makes them.

    Seconds from the start across, milliseconds upwards on a logarithmic axis; both axes span the
    values of all runs, so that the eye may compare heights.
    """
    values = [
        value
        for run in runs
        for name, _ in LINES
        for value in run.get(name, ())
        if value is not None and value > 0
    ]
    lowest, highest = min(values, default=_LEAST_MS), max(values, default=1.0)
    y_range = [math.floor(math.log10(lowest) * 2) / 2, math.ceil(math.log10(highest) * 2) / 2]
    if y_range[0] == y_range[1]:
        y_range[1] += 0.5
    room = (y_range[1] - y_range[0]) * _ROOM  # a line on the edge would lose half of its width
    y_range = [y_range[0] - room, y_range[1] + room]
    seconds = [second for run in runs for second in run.get("second", ()) if second is not None]
    return [_figure(run, y_range, max(seconds, default=0.0) or 1.0) for run in runs]


def _figure(run: Mapping[str, Sequence[float | None]], y_range: list[float], longest: float) -> Any:
    styles = theme.by_meaning([label for _, label in LINES])
    decades = [10.0**power for power in range(-3, 6)]
    scale = units.shared_scale("s", [10**power / 1e3 for power in y_range])
    axis = theme.value_axis("", log=True) | {
        "range": y_range,
        "tickvals": decades,
        "ticktext": [units.text_in(ms / 1e3, scale) for ms in decades],
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
    layout |= {"height": _GRAPH_HEIGHT, "dragmode": False, "hovermode": "x unified"}
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label,
            "x": list(run.get("second", ())),
            "y": list(run.get(name, ())),
            "line": {"color": style.colour, "width": 1.8},
            "marker": {"size": 5},
            "cliponaxis": False,
            "text": ["" if ms is None else units.text(ms / 1e3, "s") for ms in run.get(name, ())],
            "hovertemplate": "%{text}",
        }
        for (name, label), style in zip(LINES, styles, strict=True)
    ]
    return {"data": data, "layout": layout}
