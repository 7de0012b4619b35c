"""How often each duration occurred: bars on a logarithmic axis, percentiles marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units
from servescope.figures.duration_axis import duration_axis
from servescope.histogram import GROWTH
from servescope.sentences import counted

if TYPE_CHECKING:
    from servescope.figures.theme import Figure
    from servescope.queries.rows import Distribution

_MARKED: Final = ("p50", "p95", "p99")
_ROOM: Final = 0.11
"""Share of the axis that a mark's label takes: 27 px of the 245 that a phone has for the axis."""

_EMPTY_S: Final = (1e-4, 1.0)


@dataclass(frozen=True, slots=True)
class DistributionPlot:
    """How a `Distribution` is drawn. It covers the whole span: a poll brings it anew."""

    def shape(self, rows: Distribution) -> dict[str, Any]:
        """Nothing has to fit: every poll brings the whole figure."""
        del rows
        return {}

    def figure(self, rows: Distribution, shape: dict[str, Any]) -> Figure:
        """Bars between the buckets' edges, heights in requests."""
        del shape
        layout = theme.layout({"rangemode": "tozero", "tickformat": ",~r"})
        layout["hovermode"] = "closest"
        layout["dragmode"] = False
        layout["meta"] = {"time": False}
        if not rows.counts.size:
            layout["xaxis"] = duration_axis(*(math.log10(edge) for edge in _EMPTY_S))
            return {"data": [], "layout": layout}
        known = _known(rows)
        lows, highs = _drawn(known)
        x_range = _padded(float(lows[0]), float(highs[-1]))
        layout["xaxis"] = duration_axis(*x_range)
        middles = (lows + highs) / 2
        total = int(rows.counts.sum())
        trace = {
            "type": "bar",
            "x": units.rounded(middles),
            "width": units.rounded((highs - lows) * 0.94),
            "y": rows.counts.tolist(),
            "marker": {"color": theme.BLUE, "line": {"width": 0}},
            "hovertext": [
                f"{units.between(low, high)}: {counted(count, 'request')}, "
                f"{units.text(count / total, '1')}"
                for low, high, count in zip(known, known[1:], rows.counts.tolist(), strict=False)
            ],
            "hoverinfo": "text",
            # The buckets of a table: the bars are a little narrower, and the last may be open.
            "meta": {"edges": [None if math.isinf(edge) else float(edge) for edge in known]},
        }
        layout["yaxis"] |= theme.whole_ticks(int(rows.counts.max()))
        marks = {name: rows.marks[name] for name in _MARKED if name in rows.marks}
        sides = _label_sides([math.log10(seconds) for seconds in marks.values()], x_range)
        layout["shapes"] = [
            _mark(name, seconds, side)
            for (name, seconds), side in zip(marks.items(), sides, strict=True)
        ]
        return {"data": [trace], "layout": layout}

    def delta(self, rows: Distribution, shape: dict[str, Any]) -> Figure | None:
        """The whole figure again."""
        return {"figure": self.figure(rows, shape)}

    def earlier(self, rows: Distribution, shape: dict[str, Any], later_s: int) -> list[Figure]:
        """None: two distributions over each other read as one."""
        del rows, shape, later_s
        return []

    def legend(self, rows: Distribution, shape: dict[str, Any]) -> list[dict[str, str]]:
        """The percentiles, as figures."""
        del shape
        return [
            {
                "name": name,
                "colour": theme.MEANINGS.get(name, theme.GREY),
                "dash": "solid",
                "value": units.Duration(
                    seconds, name in rows.bounds or bool(units.at_least(seconds))
                ).text,
            }
            for name, seconds in rows.marks.items()
        ]


def _known(rows: Distribution) -> list[float]:
    """The edges in seconds; the last is the longest duration where that is known."""
    edges: list[float] = rows.edges.tolist()
    if edges[-2] < rows.longest_s < edges[-1]:
        edges[-1] = rows.longest_s
    return edges


def _drawn(edges: list[float]) -> tuple[Any, Any]:
    """Lower and upper edges of the bars; an open end gets a bucket's width."""
    places = np.array(edges)
    if places[0] <= 0:
        places[0] = places[1] / GROWTH
    if not np.isfinite(places[-1]):
        places[-1] = places[-2] * GROWTH
    return places[:-1], places[1:]


def _padded(low: float, high: float) -> list[float]:
    """The axis, in powers of ten, with room for a label on both sides."""
    first, last = math.log10(low), math.log10(high)
    room = (last - first or 1.0) * _ROOM / (1 - 2 * _ROOM)
    return [first - room, last + room]


def _label_sides(places: list[float], axis: list[float]) -> list[str]:
    """On which side of each mark its label stands, so that no line strikes it through.

    The first stands left of its line, the last right; one between them where there is room for it
    and its neighbour's, or nowhere: the legend has its figure.
    """
    room = (axis[1] - axis[0]) * _ROOM
    sides = []
    for index, place in enumerate(places):
        if index == len(places) - 1:
            sides.append("right")
        elif index == 0 or place - places[index - 1] >= room:
            sides.append("left")
        elif places[index + 1] - place >= room:
            sides.append("right")
        else:
            sides.append("")
    return sides


def _mark(name: str, seconds: float, side: str) -> Figure:
    colour = theme.MEANINGS[name]
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": seconds,
        "x1": seconds,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": 2, "dash": "dot"},
        "label": {
            "text": name if side else "",
            "textposition": "end",
            "textangle": 0,
            "xanchor": "right" if side == "left" else "left",
            "yanchor": "bottom",
            "font": {"color": colour, "size": 11},
        },
    }
