"""How a figure with a unit reads: three significant digits, binary bytes, never "0 ms" for some.

Units are UCUM codes as in the catalog. Cards and tables use `text`; an axis uses one `Scale` for
all its values, so that its ticks and hover texts share a unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING: Final = "—"
"""Stands where there is no figure."""

CORES: Final = "core"
"""Our own unit beside UCUM's: processor cores in use, shown as a percentage of one."""

_KIB: Final = 1024.0
_PREFIXES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_NAMES: Final = {
    "{request}": "requests",
    "{request}/s": "req/s",
    "{message}/s": "msg/s",
    "{connection}": "",
    "{connection}/s": "/s",
    "{thread}": "",
    "{cpu}": "CPUs",
    "": "",
}
_NOUNS: Final = {
    "{connection}": "connections",
    "{thread}": "threads",
    "{connection}/s": "connections/s",
}
_FINEST_MS: Final = 0.01
_MINUTE_S: Final = 60.0
_LONG_S: Final = 10.0
_WHOLE_PERCENT: Final = 9.95
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """Values times `factor` read with `suffix` behind them."""

    factor: float
    suffix: str


def number(value: float) -> str:
    """Three significant digits below 100, whole numbers with separators from there on."""
    size = abs(value)
    if not math.isfinite(value):
        return NOTHING
    if size == 0:
        return "0"
    if size >= 99.95:  # noqa: PLR2004 - where one decimal would round up to 100.0
        return f"{value:,.0f}"
    decimals = max(2 - math.floor(math.log10(size)), 0) if size >= 1 else 0
    if size < 1:
        decimals = 1 - math.floor(math.log10(size))
    shown = f"{value:.{decimals}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def quantity(value: float | None, unit: str) -> tuple[str, str]:
    """Number and unit apart, as a card shows them; the unit is "" where the heading names it."""
    if value is None or not math.isfinite(value):
        return NOTHING, ""
    if unit == "s":
        return _duration(value)
    if unit in {"By", "By/s"}:
        scale = scale_for(unit, abs(value))
    elif unit in {"1", CORES}:
        scale = Scale(100.0, "%")
    else:
        scale = Scale(1.0, _NAMES.get(unit, unit))
    shown = value * scale.factor
    if scale.suffix == "%" and abs(shown) >= _WHOLE_PERCENT:
        return f"{shown:,.0f}", "%"
    return number(shown), scale.suffix


def text(value: float | None, unit: str) -> str:
    """Number and unit in one, e.g. `0.42 ms`, `1.3 MiB/s`, `12 %`."""
    return " ".join(part for part in quantity(value, unit) if part)


def scale_for(unit: str, largest: float) -> Scale:
    """The scale of an axis whose largest value is `largest`, in `unit`."""
    if unit in {"By", "By/s"}:
        power = 0
        while largest >= _KIB and power < len(_PREFIXES) - 1:
            largest /= _KIB
            power += 1
        return Scale(_KIB**-power, _PREFIXES[power] + unit.removeprefix("By"))
    if unit == "s":
        return Scale(1.0, "s") if largest >= _LONG_S else Scale(1e3, "ms")
    if unit in {"1", CORES}:
        return Scale(100.0, "%")
    return Scale(1.0, _NAMES.get(unit, unit))


def noun(unit: str) -> str:
    """The unit behind a single value, as in a hover text, where the axis has none."""
    return _NOUNS.get(unit, "")


def rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Values as JSON carries them: four significant digits, NaN as None."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        short = np.where(np.isfinite(power), np.round(values * power) / power, values)
    return [None if value != value else value for value in short.tolist()]  # noqa: PLR0124 - NaN


def _duration(seconds: float) -> tuple[str, str]:
    milliseconds = seconds * 1e3
    if abs(seconds) >= _MINUTE_S:
        return number(seconds / _MINUTE_S), "min"
    if abs(seconds) >= 1:
        return number(seconds), "s"
    if 0 < abs(milliseconds) < _FINEST_MS:
        return number(seconds * 1e6), "µs"
    return number(milliseconds), "ms"
