"""The logarithmic axis of durations below a distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from servescope.figures import units

if TYPE_CHECKING:
    from servescope.figures.theme import Figure

_DECADES_S: Final = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
_FEW_DECADES: Final = 2.0
_PARTS: Final = ((1.0, 2.0, 5.0), (1.0, 1.5, *map(float, range(2, 10))))
"""Of each decade, for an axis of up to so many, and for one on which few of the former lie."""

_LABEL: Final = 0.1
"""Share of the axis that the label of the last bar takes left of it."""

_LEAST_TICKS: Final = 2
_FEW: Final = 4
"""As many labels as `1,000 ms` stand beside each other on the 200 px that a phone has for them."""


def duration_axis(
    first: float,
    last: float,
    *,
    few: bool = False,
    open_bar: tuple[float, float] | None = None,
    bound_s: float | None = None,
) -> Figure:
    """Range and ticks from `first` to `last`, powers of ten of seconds.

    All ticks lie within; where fewer than two round durations do, they stand near both ends. `few`
    leaves out every second one where not all have room on a phone; `live_graphs.js` does so by
    their width. `open_bar`: lower and drawn upper edge, in seconds, of the last bar, whose
    durations have no upper end: its label says so, with `bound_s` in place of the lower edge where
    that is given, and no tick stands beyond it.
    """
    end = last if open_bar is None else math.log10(open_bar[0]) - (last - first) * _LABEL
    ticks = _ticks(first, end) if end > first else []
    labels = units.ticks(ticks)
    if open_bar is not None:
        bound_s = open_bar[0] if bound_s is None else bound_s
        labels = [*units.ticks([*ticks, bound_s])[:-1], units.lower_bound(bound_s)]
        ticks.append(math.sqrt(open_bar[0] * open_bar[1]))
    if few and len(ticks) > _FEW:
        kept = slice((len(ticks) - 1) % 2, None, 2)
        ticks, labels = ticks[kept], labels[kept]
    return {
        "type": "log",
        "fixedrange": True,
        "tickangle": 0,  # the end of a turned label would be cut
        "ticklabelstandoff": 8,  # below the zero of the other axis, where both begin
        "range": [first, last],
        "tickvals": ticks,
        "ticktext": labels,
    }


def _ticks(first: float, last: float) -> list[float]:
    for parts in ((1.0,),) if last - first > _FEW_DECADES else _PARTS:
        found = [decade * part for decade in _DECADES_S for part in parts]
        within = [seconds for seconds in found if first <= math.log10(seconds) <= last]
        if len(within) >= _LEAST_TICKS:
            return within
    inset = (last - first) / 6
    return [10 ** (first + inset), 10 ** (last - inset)]
