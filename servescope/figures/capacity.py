"""Throughput and latency against offered load, with the fitted model and the interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from servescope.figures import bounds, theme, units
from servescope.statistics.capacity_steps import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.figures.theme import Figure
    from servescope.statistics.capacity_edge import Capacity
    from servescope.statistics.capacity_models import FittedModel
    from servescope.statistics.capacity_steps import Objective, StepResult

HEIGHT: Final = 260
_POINTS: Final = 80
_ROOM: Final = 1.05
_MARKER: Final = 0.1  # decades: more than half of a marker on the latency axis
MARKS: Final = {
    Judgement.HELD: ("held", theme.BLUE, "circle"),
    Judgement.BROKE: ("broke", theme.RED, "x"),
    Judgement.USELESS: ("not used", theme.GREY, "circle-open"),
}


def throughput(
    steps: Sequence[StepResult],
    objective: Objective,
    model: FittedModel | None,
    capacity: Capacity | None,
) -> Figure:
    """Answers per second against requests per second; the model is straight up to its peak."""
    most = max((step.rate for step in steps), default=1.0) * _ROOM
    data = _points(steps, objective, [step.throughput for step in steps], "{request}/s")
    if model is not None:
        peak = min(model.peak, most)
        data.append(_line(f"model: {model.kind}", [0, peak, most], [0, peak, peak]))
    figure = _figure(data, most, theme.value_axis("req/s"))
    figure["layout"]["shapes"] = _interval(capacity)
    return figure


def latency(
    steps: Sequence[StepResult],
    objective: Objective,
    model: FittedModel | None,
    capacity: Capacity | None,
    timeout_s: float,
) -> Figure:
    """p99 against requests per second, on a logarithmic axis, with the limit.

    The line of the model is its mean latency by Little's law. A p99 of requests that timed out
    after `timeout_s` is a lower bound.
    """
    p99s = [p99(step, timeout_s) for step in steps]
    most = max((step.rate for step in steps), default=1.0) * _ROOM
    data = _points(
        steps,
        objective,
        [one.seconds for one in p99s],
        "s",
        are_bounds=[one.is_bound for one in p99s],
    )
    if model is not None:
        rates = [most * (index + 1) / _POINTS for index in range(_POINTS)]
        means = [model.latency(rate) for rate in rates]
        known = [(rate, mean) for rate, mean in zip(rates, means, strict=True) if mean > 0]
        data.append(_line("model: mean", [one for one, _ in known], [one for _, one in known]))
    limit = objective.latency_limit_s
    data.append(_line("limit", [0, most], [limit, limit], theme.AMBER))
    values = [value for one in data for value in one["y"] if value]
    levels = [one.seconds for one in p99s if one.is_bound and one.seconds is not None]
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    decades = [10.0**power for power in range(low, high + 1)]
    # A marker at a bound of the axis would be cut in half.
    least, most_s = math.log10(min(values)), math.log10(max(values))
    above = max(_MARKER, bounds.HEADROOM * (high - low)) if levels else _MARKER
    axis = theme.value_axis("", log=True) | {
        "range": [min(low, least - _MARKER), max(high, low + 1, most_s + above)],
        "tickvals": decades,
        "ticktext": units.ticks(decades),
    }
    figure = _figure(data, most, axis)
    figure["layout"]["shapes"] = [
        *_interval(capacity),
        *bounds.reference_line(levels, max(levels, default=0.0)),
    ]
    return figure


def p99(step: StepResult, timeout_s: float) -> units.Duration:
    """The p99 of a step, a lower bound where requests that timed out are among these."""
    if step.quantile_s is None or step.quantile_s < timeout_s:
        return units.Duration(step.quantile_s)
    return units.Duration(timeout_s, is_bound=True)


def _points(
    steps: Sequence[StepResult],
    objective: Objective,
    values: Sequence[float | None],
    unit: str,
    *,
    are_bounds: Sequence[bool] = (),
) -> list[dict[str, Any]]:
    """A scatter for each judgement that there is; lower bounds among the values are triangles."""
    found = []
    flags = are_bounds or [False] * len(steps)
    for judgement, (name, colour, symbol) in MARKS.items():
        chosen = [
            (step.rate, value, is_bound)
            for step, value, is_bound in zip(steps, values, flags, strict=True)
            if step.judge(objective) is judgement and value is not None
        ]
        if chosen:
            found.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [rate for rate, _, _ in chosen],
                    "y": [value for _, value, _ in chosen],
                    "marker": {
                        "color": colour,
                        "symbol": [
                            bounds.SYMBOL if is_bound else symbol for _, _, is_bound in chosen
                        ],
                        "size": bounds.SIZE_PX,
                    },
                    "text": [
                        f"{units.text(rate, '{request}/s')}: "
                        f"{units.lower_bound(value) if is_bound else units.text(value, unit)}"
                        for rate, value, is_bound in chosen
                    ],
                    "hovertemplate": "%{text}",
                }
            )
    return found


def _line(
    name: str, x: Sequence[float], y: Sequence[float], colour: str = theme.TEAL
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 1.6, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _interval(capacity: Capacity | None) -> list[dict[str, Any]]:
    """The interval of the capacity as a band."""
    if capacity is None:
        return []
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": capacity.low,
            "x1": capacity.high,
            "y0": 0,
            "y1": 1,
            "fillcolor": theme.TEAL,
            "opacity": 0.25,
            "line": {"width": 1, "color": theme.TEAL},
        }
    ]


def _figure(data: list[dict[str, Any]], most: float, axis: dict[str, Any]) -> Figure:
    layout = theme.layout(axis)
    layout["xaxis"] = {
        "range": [0, most],
        "nticks": 6,
        "zeroline": False,
        "showgrid": False,
        "fixedrange": True,
    }
    layout |= {
        "height": HEIGHT,
        "dragmode": False,
        "hovermode": "closest",
    }
    return {"data": data, "layout": layout}
