"""Distributions over each other, each as shares of its own requests, on a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units
from servescope.figures.duration_axis import duration_axis
from servescope.histogram import EDGES, GROWTH, LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.figures.theme import Figure

HEIGHT: Final = 280
_COLOURS: Final = (theme.BLUE, theme.AMBER, theme.TEAL, theme.PINK)
_DASHES: Final = ("solid", "dash", "dot", "longdash")


def styles(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Name, colour and dash of each distribution, in order."""
    return [
        (name, _COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)])
        for at, name in enumerate(names)
    ]


def overlaid_distributions(counts_by_name: Mapping[str, Sequence[int]]) -> Figure:
    """Steps over the buckets of `servescope.histogram`, heights in percent of the requests.

    A share takes the place of a count: so two runs of different length can be seen beside each
    other. A distribution without a request is left out.
    """
    known = {
        name: np.asarray(counts, np.float64)
        for name, counts in counts_by_name.items()
        if sum(counts)
    }
    layout = theme.layout({"rangemode": "tozero", "ticksuffix": " %"})
    layout |= {"height": HEIGHT, "dragmode": False, "hovermode": "x"}
    layout["xaxis"] = {"type": "log", "fixedrange": True}
    if not known:
        return {"data": [], "layout": layout}
    used = np.flatnonzero(np.sum(list(known.values()), axis=0))
    low, high = int(used[0]), int(used[-1])
    lower = np.concatenate(([EDGES[0] / GROWTH], EDGES))[low : high + 2]
    open_bar = None
    if len(lower) < high + 2 - low:  # the open bucket at the upper end is used
        lower = np.append(lower, lower[-1] * GROWTH)
        open_bar = (LONGEST_S, float(lower[-1]))
    ends = (float(np.log10(lower[0])), float(np.log10(lower[-1])))
    layout["xaxis"] = duration_axis(*ends, few=True, open_bar=open_bar)
    drawn = styles(list(counts_by_name))
    return {
        "data": [
            _steps(style, lower, 100 * known[style[0]][low : high + 1] / known[style[0]].sum())
            for style in drawn
            if style[0] in known
        ],
        "layout": layout,
    }


def _steps(style: tuple[str, str, str], edges: Any, percents: Any) -> Figure:
    name, colour, dash = style
    upper = np.where(edges[1:] > LONGEST_S, np.inf, edges[1:])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": edges.tolist(),
        "y": [*percents.tolist(), 0.0],
        "line": {"color": colour, "width": 1.8, "dash": dash, "shape": "hv"},
        "text": [
            f"{name}: {percent:.3g} % took {units.between(low, up)}"
            for low, up, percent in zip(edges[:-1], upper, percents, strict=True)
        ]
        + [""],
        "hoverinfo": "text",
    }
