"""Lines and stacked areas over time: the whole figure, and what a poll adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units
from servescope.histogram import EXACT_FROM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.figures.theme import Figure, Style
    from servescope.queries.rows import Lines

    ListenerStyles = Callable[[Sequence[str], Mapping[str, int]], list[Style]]

Shape = dict[str, Any]
"""The part of a figure that a delta must fit: JSON, sent to the browser and back in the cursor."""

EARLIER: Final = {"width": 1.0, "dash": "dash"}
"""How the lines of an earlier span are drawn: a paler colour could not be seen by everybody."""

TOGETHER: Final = "all together"
"""The name of the sum of stacked lines."""

_COUNTS: Final = frozenset({"", "{connection}"})
"""Units whose axis has ticks at whole numbers alone; a load average counts threads, in parts."""

_OF_EVENTS: Final = frozenset({"{request}/s", "{flow}/s", "{message}/s", "{connection}/s"})
"""Units of rates of what happens: where none of it does the graph says so in a sentence."""

_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class LinePlot:
    """How `Lines` are drawn.

    `unit` overrides that of the lines; `most` fixes the axis' upper end, in the unit shown; `log`
    makes the axis logarithmic: its values stay in base units, its ticks are read in one. Names in
    `first` come first, in this order. Lines without a value are left out, unless none has one or
    with `keep_empty`; with `drop_idle` those that stay zero too, and of those in `seldom` always.
    Lines that `idle_as` gives one name are dropped together or not at all: of an interface that
    only receives, the graph says that it sends nothing. `listener_styles` stand in place of
    `styles` for lines of listeners: they get the places of these, too. Stacked values travel as
    `customdata`, and the browser adds them up: Plotly's own stacking closes gaps. `meta` of layout
    and traces is what the browser reads values by (`assets/graph_legend.js`).
    """

    stacked: bool = False
    unit: str | None = None
    most: float | None = None
    styles: Callable[[Sequence[str]], list[Style]] = theme.by_meaning
    listener_styles: ListenerStyles | None = None
    step_line: bool = False  # a value holds until the next: counts of things
    drop_idle: bool = False
    idle_as: Callable[[str], str] = str
    seldom: tuple[str, ...] = ()
    log: bool = False
    first: tuple[str, ...] = ()
    keep_empty: bool = False  # their names in the legend say what is missing

    def shape(self, rows: Lines) -> Shape:
        """Names, scale and step of the figure these rows make."""
        known = dict(zip(rows.names, rows.values, strict=True))
        ordered = [name for name in self.first if name in known]
        ordered += [name for name in rows.names if name not in self.first]
        counting = self._counting(known)
        names = [name for name in ordered if self.keep_empty or name in counting]
        if not names and not self.drop_idle:
            names = [name for name in ordered if name not in self.seldom]
        return {"names": names, "factor": self._scale(rows).factor, "step": rows.step}

    def figure(self, rows: Lines, shape: Shape) -> Figure:
        """The whole figure; x in epoch milliseconds, in plain lists."""
        x = (rows.times * _MS).tolist()
        names: list[str] = shape["names"]
        index = {name: position for position, name in enumerate(rows.names)}
        scale = self._scale(rows)
        traces = [
            self._trace(name, style)
            | self._values(x, rows.values[index[name]], scale.factor)
            | {"meta": _meta(rows, index[name])}
            for name, style in zip(names, self._styles(rows, names), strict=True)
        ]
        axis = theme.value_axis("" if self.log else scale.suffix, most=self.most, log=self.log)
        meta = units.reading(self._unit(rows), self._read_in(rows), log=self.log)
        meta |= {"stacked": self.stacked, "step": rows.step, "few": EXACT_FROM}
        meta["of_events"] = self._unit(rows) in _OF_EVENTS
        meta["whole"] = (
            self.step_line or self._unit(rows) in _COUNTS or scale.suffix in units.IN_PARTS
        )
        return {"data": traces, "layout": theme.layout(axis) | {"meta": meta}}

    def delta(self, rows: Lines, shape: Shape) -> Figure | None:
        """The points to append, in the order of the names; None when it needs a new figure."""
        names: list[str] = shape["names"]
        factor = shape["factor"]
        known = dict(zip(rows.names, rows.values, strict=True))
        if not self._counting(known) <= {*names}:
            return None
        if self._scale(rows).factor < factor:
            return None  # the values have outgrown the unit of the axis
        missing = np.full(rows.times.size, np.nan)
        points: Figure = {
            "x": (rows.times * _MS).tolist(),
            "y": [units.rounded(known.get(name, missing) * factor) for name in names],
        }
        if rows.requests is not None:
            counted = dict(zip(rows.names, rows.requests, strict=True))
            points["requests"] = [_counts(counted.get(name, missing)) for name in names]
        if rows.bounds is not None:
            bounds = dict(zip(rows.names, rows.bounds, strict=True))
            points["bounds"] = [_counts(bounds.get(name, missing)) for name in names]
        return points

    def legend(self, rows: Lines, shape: Shape) -> list[dict[str, str]]:
        """Name and colour of each line, in the order of the figure's names.

        The browser has their values: it reads them off the points.
        """
        names: list[str] = shape["names"]
        return [
            {"name": name, "colour": style.colour, "dash": style.dash}
            for name, style in zip(names, self._styles(rows, names), strict=True)
        ]

    def earlier(self, rows: Lines, shape: Shape, later_s: int) -> list[Figure]:
        """Lines of an earlier span, `later_s` seconds later; of stacked ones their sum."""
        x = ((rows.times + later_s) * _MS).tolist()
        known = dict(zip(rows.names, rows.values, strict=True))
        names = [name for name in shape["names"] if name in known]
        if not names:
            return []
        drawn = self._styles(rows, shape["names"])
        styles = dict(zip(shape["names"], drawn, strict=True))
        lines = [
            (name, known[name], styles[name].colour, _meta(rows, rows.names.index(name)))
            for name in names
        ]
        if self.stacked:
            sum_of_all = np.sum([known[name] for name in names], axis=0)
            lines = [(TOGETHER, sum_of_all, theme.GREY, {})]
        return [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "showlegend": self.stacked,  # a line that is there now names both
                "meta": meta,
                "x": x,
                "y": units.rounded(row * shape["factor"]),
                "connectgaps": False,
                "hoverinfo": "skip",
                "line": {"color": colour} | EARLIER | self._steps(),
            }
            for name, row, colour, meta in lines
        ]

    def _counting(self, known: Mapping[str, NDArray[np.float64]]) -> set[str]:
        """Names of the lines that are not left out."""
        moving = {self.idle_as(name) for name, row in known.items() if _moves(row)}
        return {
            name
            for name, row in known.items()
            if _has_value(row)
            and (self.idle_as(name) in moving or not (self.drop_idle or name in self.seldom))
        }

    def _styles(self, rows: Lines, names: Sequence[str]) -> list[Style]:
        if self.listener_styles is None:
            return self.styles(names)
        return self.listener_styles(names, rows.places or {})

    def _unit(self, rows: Lines) -> str:
        return rows.unit if self.unit is None else self.unit

    def _scale(self, rows: Lines) -> units.Scale:
        if self.log:
            return units.Scale(1.0, "")
        largest = float(np.nanmax(rows.values)) if _has_value(rows.values) else 0.0
        return units.axis_scale(self._unit(rows), largest)

    def _read_in(self, rows: Lines) -> units.Scale:
        """The scale that the ticks have, until the whole figure comes again."""
        if not self.log:
            return self._scale(rows)
        positive = rows.values[rows.values > 0]
        extremes = (positive.min(), positive.max()) if positive.size else ()
        return units.shared_scale(self._unit(rows), extremes)

    def _values(self, x: list[int], row: NDArray[np.float64], factor: float) -> Figure:
        return {"x": x, "customdata" if self.stacked else "y": units.rounded(row * factor)}

    def _steps(self) -> Figure:
        return {"shape": "hv"} if self.step_line else {}

    def _trace(self, name: str, style: Style) -> Figure:
        trace: Figure = {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "connectgaps": False,
            "line": {"color": style.colour, "width": 1.6, "dash": style.dash},
        }
        trace["line"] |= self._steps()
        if self.stacked:
            trace["line"]["width"] = 0.8  # the browser fills below it
            trace["fillcolor"] = style.area or style.colour
        return trace


def _meta(rows: Lines, index: int) -> Figure:
    """Of a line: whether its points have a mean over time.

    Of its points: of how many requests each is, and whether it is a lower bound (1, else 0).
    """
    meta: Figure = {"mean": not (rows.without_mean and rows.without_mean[index])}
    if rows.requests is not None:
        meta["requests"] = _counts(rows.requests[index])
    if rows.bounds is not None:
        meta["bounds"] = _counts(rows.bounds[index])
    return meta


def _counts(values: NDArray[np.float64] | NDArray[np.bool_]) -> list[int]:
    return [int(value) for value in np.nan_to_num(values).tolist()]


def first_word(name: str) -> str:
    """The part of a name that both lines of a pair share: `eth0` of `eth0 receive`."""
    return name.partition(" ")[0]


def together(_name: str) -> str:
    """One name for all lines of a figure."""
    return ""


def _moves(values: NDArray[np.float64]) -> bool:
    return _has_value(values) and float(np.nanmax(values)) > 0


def _has_value(values: NDArray[np.float64]) -> bool:
    return bool(values.size) and not bool(np.isnan(values).all())
