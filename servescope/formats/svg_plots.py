"""Plots as static SVG: no script, no network, and colours that follow the page's style sheet.

Text, grid and axes have classes (`tick`, `grid`), so that a style sheet gives them colours that
read on dark, on light and on paper. Coordinates are in user units of a box `WIDTH` wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.figures import bounds, theme, units
from servescope.histogram import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from servescope.figures.theme import Style
    from servescope.queries.rows import Lines

WIDTH: Final = 480
HEIGHT: Final = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 10, 34
"""Px; `10,000 req/s` and `100,000 ms` stand whole left of the plot."""
_HALF_CHARACTER: Final = 3.6
"""Px: a label at the right end is not cut."""

_TICKS: Final = 5
_DASHES: Final = {"solid": "", "dash": "6 4", "dot": "2 3", "dashdot": "6 3 2 3"}
_DECADES_WITH_HALVES: Final = 3
_LABEL: Final = 0.1
"""Share of the axis that the label of the last bar takes left of it."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values to places: `at(low)` is the first end of the axis, `at(high)` the other."""

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def at(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = self._scaled(np.array([self.low, self.high]))
        share = (self._scaled(values) - low) / ((high - low) or 1.0)
        places: NDArray[np.float64] = self.first + share * (self.last - self.first)
        return places

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(values) if self.log else values

    def ticks(self, factor: float = 1.0) -> list[float]:
        """Round values, on a linear axis in a unit that values times `factor` have."""
        if not self.log:
            return [one / factor for one in _linear_ticks(self.low * factor, self.high * factor)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= _DECADES_WITH_HALVES else (1,)
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        return [value for value in found if self.low <= value * (1 + 1e-9) and value <= self.high]


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    if rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def line_plot(
    lines: Lines,
    begin_s: float,
    *,
    what: str,
    log: bool = False,
    most: float | None = None,
    styles: Callable[[Sequence[str]], list[Style]] = theme.by_meaning,
) -> str:
    """Lines over the seconds since `begin_s`, with a legend; a sentence where there is no value.

    `what` names the plot for those who cannot see it; `most` is the end of the value axis.
    """
    known = lines.values[np.isfinite(lines.values)]
    known = known[known > 0] if log else known
    if not known.size:
        return '<p class="dimmed">Nothing was measured.</p>'
    chosen = styles(lines.names)
    seconds = (lines.times - begin_s + lines.step / 2).astype(np.float64)
    x_axis = _Axis(
        min(float(lines.times[0]) - begin_s, 0.0),
        float(lines.times[-1]) - begin_s + lines.step,
        _LEFT,
        WIDTH - _RIGHT,
    )
    are_bounds = np.zeros(lines.values.shape, bool) if lines.bounds is None else lines.bounds
    levels = lines.values[are_bounds].tolist()
    y_axis = _Axis(
        float(known.min()) * 0.9 if log else min(float(known.min()), 0.0),
        most or _top(known, log=log, has_label=bool(levels)) or 1.0,
        HEIGHT - _BOTTOM,
        _TOP,
        log,
    )
    parts = [*_frame(x_axis, y_axis, lines.unit, "s since the start")]
    for row, is_bound, style in zip(lines.values, are_bounds, chosen, strict=True):
        drawn = np.where(row > 0, row, np.nan) if log else row
        x, y = x_axis.at(seconds), y_axis.at(np.minimum(drawn, y_axis.high))
        parts += _line(x, y, style)
        parts += _triangles(x[is_bound], y[is_bound], style)
    if levels:
        parts += _reference(levels, float(y_axis.at(np.array([max(levels)]))[0]))
    legend = _legend(list(zip(lines.names, chosen, strict=True)))
    return _figure(parts, what) + legend


def _top(known: NDArray[np.float64], *, log: bool, has_label: bool) -> float:
    """The end of the value axis: above the highest value, and the label of bounds."""
    highest = float(known.max())
    if not log:
        return highest * (1 + bounds.HEADROOM if has_label else 1.05)
    return highest * max((highest / float(known.min())) ** bounds.HEADROOM if has_label else 1, 1.1)


def _triangles(x: NDArray[np.float64], y: NDArray[np.float64], style: Style) -> Iterator[str]:
    """A triangle for each lower bound, or for some of them: they do not touch each other."""
    each = -(-x.size // bounds.MOST) or 1
    for one, two in zip(x[::each].tolist(), y[::each].tolist(), strict=True):
        yield f'<path d="M{one - 4:.1f} {two + 3:.1f}h8l-4 -7z" fill="{style.colour}"/>'


def _reference(levels: list[float], y: float) -> Iterator[str]:
    """The label of lower bounds, and a line where all are one."""
    if len(set(levels)) == 1:
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke-dasharray="2 3"/>'
    label = escape(bounds.label(levels))
    yield f'<text class="tick" x="{_LEFT + 4}" y="{y - 7:.1f}">{label}</text>'


def distribution_plot(
    edges_s: NDArray[np.float64],
    shares: dict[str, NDArray[np.float64]],
    *,
    what: str,
) -> str:
    """Shares of requests by duration: `edges_s` (B + 1,) finite and positive, each share (B,).

    Each is a step line over a logarithmic axis of durations.
    """
    chosen = theme.in_order(list(shares))
    x_axis = _Axis(float(edges_s[0]), float(edges_s[-1]), _LEFT, WIDTH - _RIGHT, log=True)
    highest = max(float(share.max()) for share in shares.values()) or 1.0
    y_axis = _Axis(0.0, highest * 1.05, HEIGHT - _BOTTOM, _TOP)
    parts = [*_frame(x_axis, y_axis, "1", "duration", x_unit="s")]
    x = np.repeat(x_axis.at(edges_s), 2)
    for share, style in zip(shares.values(), chosen, strict=True):
        y = y_axis.at(np.concatenate(([0.0], np.repeat(share, 2), [0.0])))
        points = " ".join(f"{one:.1f},{two:.1f}" for one, two in zip(x, y, strict=True))
        parts.append(
            f'<polygon points="{points}" fill="{style.colour}" fill-opacity=".18" '
            f'stroke="{style.colour}"/>'
        )
    return _figure(parts, what) + _legend(list(zip(shares, chosen, strict=True)))


def _frame(
    x_axis: _Axis, y_axis: _Axis, unit: str, x_title: str, x_unit: str = ""
) -> Iterator[str]:
    """Grid, ticks and their texts, each with its unit."""
    scale = units.axis_scale(unit, y_axis.high)
    ticks = y_axis.ticks(scale.factor)
    is_of_durations = y_axis.log and unit == "s"
    texts = units.ticks(ticks) if is_of_durations else [units.text_in(one, scale) for one in ticks]
    for value, told in zip(ticks, texts, strict=True):
        y = float(y_axis.at(np.array([value]))[0])
        text = escape(told)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
        yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    below = HEIGHT - _BOTTOM
    for value, text in _ticks_below(x_axis, x_unit):
        x = float(x_axis.at(np.array([value]))[0])
        yield f'<path class="grid" d="M{x:.1f} {below}v4"/>'
        x = min(x, WIDTH - len(text) * _HALF_CHARACTER)
        yield f'<text class="tick" x="{x:.1f}" y="{below + 16}" text-anchor="middle">{text}</text>'
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    yield (
        f'<text class="tick" x="{middle:.0f}" y="{HEIGHT - 3}" text-anchor="middle">'
        f"{escape(x_title)}</text>"
    )


def _ticks_below(x_axis: _Axis, unit: str) -> Iterator[tuple[float, str]]:
    """Places and texts of the ticks below a plot: the last bar of durations may have no end."""
    is_open = unit == "s" and x_axis.high > LONGEST_S
    end = LONGEST_S * (x_axis.low / x_axis.high) ** _LABEL if is_open else x_axis.high
    for value in x_axis.ticks():
        if value <= end:
            yield value, units.text(value, unit) if unit else units.number(value)
    if is_open:
        yield math.sqrt(LONGEST_S * x_axis.high), escape(units.lower_bound(LONGEST_S))


def _line(x: NDArray[np.float64], y: NDArray[np.float64], style: Style) -> Iterator[str]:
    """Pieces between gaps; a value between two gaps is a point."""
    dash = _DASHES.get(style.dash, "")
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    there = np.concatenate(([False], np.isfinite(y), [False]))
    begins, ends = (np.flatnonzero(np.diff(there.astype(np.int8)) == sign) for sign in (1, -1))
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin == 1:
            yield f'<circle cx="{x[begin]:.1f}" cy="{y[begin]:.1f}" r="2" fill="{style.colour}"/>'
            continue
        points = " ".join(
            f"{one:.1f},{two:.1f}" for one, two in zip(x[begin:end], y[begin:end], strict=True)
        )
        yield f'<polyline points="{points}" stroke="{style.colour}"{dashes}/>'


def _legend(named: Sequence[tuple[str, Style]]) -> str:
    entries = []
    for name, style in named:
        dash = _DASHES.get(style.dash, "")
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        entries.append(
            '<li><svg viewBox="0 0 20 6" width="20" height="6" aria-hidden="true">'
            f'<path d="M0 3H20" stroke="{style.colour}"{dashes}/></svg>{escape(name)}</li>'
        )
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _figure(parts: Sequence[str], what: str) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">'
        f"{''.join(parts)}</svg>"
    )
