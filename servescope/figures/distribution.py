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
"""Share of the axis that the label `p99` takes: 27 px of the 245 that a phone has for the axis."""

_ROOM_OF_CHARACTER: Final = 0.026
"""And each character more than its three: 6.4 px."""

_ONE_LINE: Final = 0.01
"""Share of the axis within which two lines look like one."""

_NEW_LINE: Final = "<br>"
_TOP_OF_TWO_LINES: Final = 36  # px above the bars, for a label of two lines
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
        marks = _marks(rows)
        x_range, labels = _placed(marks, float(lows[0]), float(highs[-1]))
        bound_s = rows.timed_out_from_s
        is_open = math.isinf(known[-1]) or bound_s is not None
        open_bar = (float(lows[-1]), float(highs[-1])) if is_open else None
        layout["xaxis"] = duration_axis(*x_range, open_bar=open_bar, bound_s=bound_s)
        middles = (lows + highs) / 2
        trace = {
            "type": "bar",
            "x": units.rounded(middles),
            "width": units.rounded((highs - lows) * 0.94),
            "y": rows.counts.tolist(),
            "marker": {"color": theme.BLUE, "line": {"width": 0}},
            "hovertext": _hovertexts(rows, known),
            "hoverinfo": "text",
            # The buckets of a table: the bars are a little narrower, and the last may be open.
            "meta": {"edges": [None if math.isinf(edge) else float(edge) for edge in known]},
        }
        layout["yaxis"] |= theme.whole_ticks(int(rows.counts.max()))
        layout["shapes"] = [_line(mark, label) for mark, label in zip(marks, labels, strict=True)]
        if any(_NEW_LINE in label.text for label in labels):
            layout["margin"] |= {"t": _TOP_OF_TWO_LINES}
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
                "value": _duration(rows, name).text,
            }
            for name in rows.marks
        ]


def _hovertexts(rows: Distribution, known: list[float]) -> list[str]:
    total = int(rows.counts.sum())
    told = [
        f"{units.between(low, high)}: {counted(count, 'request')}, {units.text(count / total, '1')}"
        for low, high, count in zip(known, known[1:], rows.counts.tolist(), strict=False)
    ]
    if rows.timed_out_from_s is not None:
        told[-1] += ", among them those that timed out, which would have taken longer"
    return told


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


def _duration(rows: Distribution, name: str) -> units.Duration:
    seconds = rows.marks[name]
    return units.Duration(seconds, name in rows.bounds or bool(units.at_least(seconds)))


@dataclass(frozen=True, slots=True)
class _Mark:
    """A percentile as it is marked."""

    name: str
    seconds: float
    bound: str = ""  # `≥ 10 s` where it is a lower one

    @property
    def place(self) -> float:
        """Where it stands on the axis, a power of ten of seconds."""
        return math.log10(self.seconds)


@dataclass(frozen=True, slots=True)
class _Label:
    """The text beside a mark's line, and on which side of it; none where another names the mark."""

    text: str = ""
    side: str = "left"

    @property
    def room(self) -> float:
        """The share of the axis that it takes."""
        longest = max(map(len, self.text.split(_NEW_LINE)))
        return _ROOM + _ROOM_OF_CHARACTER * max(longest - len(_MARKED[0]), 0)


def _marks(rows: Distribution) -> list[_Mark]:
    return [
        _Mark(
            name,
            rows.marks[name],
            found.text if (found := _duration(rows, name)).is_bound else "",
        )
        for name in _MARKED
        if name in rows.marks
    ]


def _placed(marks: list[_Mark], low: float, high: float) -> tuple[list[float], list[_Label]]:
    """The axis, in powers of ten, with room for the first label and the last, and all labels.

    The first stands left of its line, the last right of it, and one between them where there is
    room for it and its neighbour's. Where there is none, or both lines are one, one label names
    both: that of the nearer.
    """
    first, last = math.log10(low), math.log10(high)
    length = last - first or 1.0
    labels = [_Label(_text(mark)) for mark in marks]
    if len(labels) > 1:
        labels[-1] = _Label(_text(marks[-1]), "right")
    axis = _axis(first, length, labels)
    for index in range(1, len(marks) - 1):
        whole = axis[1] - axis[0]
        room = whole * labels[index].room
        before, after = (
            marks[index].place - marks[index - 1].place,
            marks[index + 1].place - marks[index].place,
        )
        is_apart = min(before, after) >= whole * _ONE_LINE
        if is_apart and before >= room:
            continue
        if is_apart and after >= room:
            labels[index] = _Label(labels[index].text, "right")
            continue
        labels[index] = _Label()
        if before < after:
            labels[index - 1] = _Label(_text(*marks[index - 1 : index + 1]))
        else:
            labels[index + 1] = _Label(_text(*marks[index : index + 2]), "right")
        axis = _axis(first, length, labels)
    return axis, labels


def _axis(first: float, length: float, labels: list[_Label]) -> list[float]:
    left = max((label.room for label in labels[:1]), default=_ROOM)
    right = max((label.room for label in labels[-1:]), default=_ROOM)
    whole = length / (1 - left - right)
    return [first - whole * left, first + length + whole * right]


def _text(*marks: _Mark) -> str:
    """`p99` or `p95, p99`, above `≥ 10 s` where they are bounds of it.

    Where only the p99 is one, `p95` above `p99 ≥ 10 s`.
    """
    names = ", ".join(mark.name for mark in marks)
    if len({mark.bound for mark in marks}) == 1:
        return f"{names}{_NEW_LINE}{marks[0].bound}" if marks[0].bound else names
    return _NEW_LINE.join(f"{mark.name} {mark.bound}".rstrip() for mark in marks)


def _line(mark: _Mark, label: _Label) -> Figure:
    colour = theme.MEANINGS[mark.name]
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": mark.seconds,
        "x1": mark.seconds,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": 2, "dash": "dot"},
        "label": {
            "text": label.text,
            "textposition": "end",
            "textangle": 0,
            "xanchor": "right" if label.side == "left" else "left",
            "yanchor": "bottom",
            "font": {"color": colour, "size": 11},
        },
    }
