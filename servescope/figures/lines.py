"""Lines and stacked areas over time: the whole figure, and what a poll adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.figures import theme, units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from servescope.figures.theme import Figure, Style
    from servescope.queries.rows import Lines

Shape = dict[str, Any]
"""The part of a figure that a delta must fit: JSON, sent to the browser and back in the cursor."""

_MS: Final = 1000
_OUTGROWN: Final = 2_000.0
"""Values beyond this on a byte axis want its next prefix."""


@dataclass(frozen=True, slots=True)
class LinePlot:
    """How `Lines` are drawn.

    `unit` overrides that of the lines; `most` fixes the axis' upper end, in the unit shown; `log`
    makes the axis logarithmic. Names in `first` come first, in this order. Lines without a value
    are left out, unless none has one; with `drop_idle` those that stay zero too. Stacked values
    travel as `customdata`, and the browser adds them up: Plotly's own stacking closes gaps.
    """

    stacked: bool = False
    unit: str | None = None
    most: float | None = None
    styles: Callable[[Sequence[str]], list[Style]] = theme.by_meaning
    step_line: bool = False  # a value holds until the next: counts of things
    drop_idle: bool = False
    log: bool = False
    first: tuple[str, ...] = ()

    def shape(self, rows: Lines) -> Shape:
        """Names and scale of the figure these rows make."""
        largest = float(np.nanmax(rows.values)) if _has_value(rows.values) else 0.0
        scale = units.scale_for(self._unit(rows), largest)
        known = dict(zip(rows.names, rows.values, strict=True))
        ordered = [name for name in self.first if name in known]
        ordered += [name for name in rows.names if name not in self.first]
        names = [name for name in ordered if self._counts(known[name])]
        if not names and not self.drop_idle:
            names = ordered
        return {"names": names, "factor": scale.factor, "suffix": scale.suffix}

    def figure(self, rows: Lines, shape: Shape) -> Figure:
        """The whole figure; x in epoch milliseconds, in plain lists."""
        x = (rows.times * _MS).tolist()
        names: list[str] = shape["names"]
        known = dict(zip(rows.names, rows.values, strict=True))
        traces = [
            self._trace(name, style, shape["suffix"] or units.noun(self._unit(rows)))
            | self._values(x, known[name], shape["factor"])
            for name, style in zip(names, self.styles(names), strict=True)
        ]
        axis = theme.value_axis(shape["suffix"], most=self.most, log=self.log)
        layout = theme.layout(axis) | {"meta": {"stacked": self.stacked}}
        return {"data": traces, "layout": layout}

    def delta(self, rows: Lines, shape: Shape) -> Figure | None:
        """The points to append, in the order of the names; None when it needs a new figure."""
        names: list[str] = shape["names"]
        factor = shape["factor"]
        known = dict(zip(rows.names, rows.values, strict=True))
        if any(self._counts(known[name]) for name in known if name not in names):
            return None
        if self._outgrown(rows, factor):
            return None
        missing = np.full(rows.times.size, np.nan)
        return {
            "x": (rows.times * _MS).tolist(),
            "y": [units.rounded(known.get(name, missing) * factor) for name in names],
        }

    def legend(self, rows: Lines, shape: Shape) -> list[dict[str, str]]:
        """Name, colour and newest value of each line, in the order of the figure's names."""
        names: list[str] = shape["names"]
        known = dict(zip(rows.names, rows.values, strict=True))
        return [
            {
                "name": name,
                "colour": style.colour,
                "dash": style.dash,
                "value": self._newest(known.get(name), self._unit(rows)),
            }
            for name, style in zip(names, self.styles(names), strict=True)
        ]

    def _counts(self, row: NDArray[np.float64]) -> bool:
        return _moves(row) if self.drop_idle else _has_value(row)

    def _unit(self, rows: Lines) -> str:
        return rows.unit if self.unit is None else self.unit

    def _outgrown(self, rows: Lines, factor: float) -> bool:
        return (
            self._unit(rows) in {"By", "By/s"}
            and _has_value(rows.values)
            and float(np.nanmax(rows.values)) * factor > _OUTGROWN
        )

    @staticmethod
    def _newest(row: NDArray[np.float64] | None, unit: str) -> str:
        if row is None or not row.size:
            return ""
        return units.text(float(row[-1]), unit)

    def _values(self, x: list[int], row: NDArray[np.float64], factor: float) -> Figure:
        return {"x": x, "customdata" if self.stacked else "y": units.rounded(row * factor)}

    def _trace(self, name: str, style: Style, suffix: str) -> Figure:
        unit = f" {suffix}" if suffix else ""
        trace: Figure = {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "connectgaps": False,
            "line": {"color": style.colour, "width": 1.6, "dash": style.dash},
            "hovertemplate": f"%{{{'customdata' if self.stacked else 'y'}:,.3~r}}{unit}",
        }
        if self.step_line:
            trace["line"]["shape"] = "hv"
        if self.stacked:
            trace["line"]["width"] = 0.8  # the browser fills below it
        return trace


def _moves(values: NDArray[np.float64]) -> bool:
    return _has_value(values) and float(np.nanmax(values)) > 0


def _has_value(values: NDArray[np.float64]) -> bool:
    return bool(values.size) and not bool(np.isnan(values).all())
