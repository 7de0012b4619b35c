"""How a figure with a unit reads: three significant digits, binary bytes, never "0 ms" for some.

Zeros at the end of a number are left out, but below each other in a column: there numbers of one
unit have them where others have digits (`column`).

Units are UCUM codes as in the catalog. `scales` is the one table of what a value is shown in. A
value reads in the unit that suits it wherever it stands (`text`): on a card, in a sentence, in a
table, in a legend and under the cursor it is the same text. The ticks of an axis have one unit, of
`axis_scale` or `shared_scale`. The browser writes these by the same table
(`assets/graph_units.js`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.histogram import LONGEST_S, SHORTEST_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

NOTHING: Final = "—"
"""Stands where there is no figure."""

CORES: Final = "core"
"""Our own unit beside UCUM's: processor cores in use, shown as a percentage of one."""

_KIB: Final = 1024.0
_PREFIXES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_HALF: Final = 0.5
_NAMES: Final = {
    "{request}": "requests",
    "{request}/s": "req/s",
    "{flow}/s": "flows/s",
    "{message}/s": "msg/s",
    "{connection}": "",
    "{connection}/s": "/s",
    "{thread}": "",
    "{cpu}": "CPUs",
    "": "",
}
_NOUNS: Final = {
    "{connection}": ("connection", "connections"),
    "{thread}": ("thread", "threads"),
    "{connection}/s": ("connection/s", "connections/s"),
    "{request}": ("request", "requests"),
    "{cpu}": ("CPU", "CPUs"),
}
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_SECOND: Final = (1.0, "s")
_MINUTE: Final = (_MINUTE_S, "min")
_HOUR: Final = (_HOUR_S, "h")
_DAY: Final = (_DAY_S, "d")
_IN_PARTS_FROM_S: Final = 119.5
"""A length from here on, 120 s as it is read, has minutes and seconds: nobody counts `2.21 min`."""

IN_PARTS: Final = frozenset({_MINUTE[1], _HOUR[1]})
"""Suffixes of scales whose values are said in whole parts, never with decimals."""

_LENGTHS: Final = (
    (2 * _HOUR_S, _MINUTE, _SECOND),
    (2 * _DAY_S, _HOUR, _MINUTE),
    (14 * _DAY_S, _DAY, _HOUR),
    (math.inf, _DAY, _DAY),
)
"""Below how many seconds a length is said in a unit and in parts of it; so in `assets/clock.js`."""

_SIGNS: Final = {"≥": "at least", "≤": "at most", ">": "more than", "<": "less than"}
_WHOLE_PERCENT: Final = 9.95
_LEAST_PERCENT: Final = 0.001
_ALMOST_ALL: Final = 99.5
_MOST_TOLD: Final = 99.9
_ALL: Final = 100.0
_DIGITS: Final = 4
_DIGITS_READ: Final = 3
_NUMBER: Final = re.compile(
    r"(?P<sign>(?:[≥≤] )?-?)(?P<whole>[\d,]+)(?:\.(?P<decimals>\d+))? (?P<unit>\D+)"
)
"""A number with its unit, a bound among them; not a length such as `2 min 13 s`."""

_LEAST_SHARED: Final = 0.05
_MOST_SHARED: Final = 1e5
_MOST_SHARED_OF_DURATIONS: Final = 1e4
"""In a shared unit the smallest value reads the first or more, the largest less than the second:
`10,000 ms` is read as 10 s."""

_MINUTES_FROM_S: Final = 600.0
"""Values beside each other read in minutes from here on: nobody sees 4.4 s in `0.074 min`."""

_LEAST_READ: Final = 0.001
"""Less of a unit that others are read in is said to be less than this."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `least` on, times `factor`, read with `suffix` behind them."""

    factor: float
    suffix: str
    least: float = 0.0


_MS: Final = Scale(1e3, "ms", 0.9995e-3)  # from there on 1,000 µs would be read
_DURATIONS: Final = (
    Scale(1e6, "µs"),
    _MS,
    Scale(1.0, "s", 0.9995),
    Scale(1 / 60, "min", _IN_PARTS_FROM_S),
    Scale(1 / 3600, "h", 3597.0),
)


class Rounding(Enum):
    """To which side the digits that are not shown are left out: a bound must stay one."""

    NEAREST = auto()
    DOWN = auto()  # of a lower bound
    UP = auto()  # of an upper bound

    def at(self, value: float, decimals: int) -> float:
        """The value with so many decimals."""
        if self is Rounding.NEAREST:
            return value
        power = 10.0**decimals
        whole = math.floor if self is Rounding.DOWN else math.ceil
        # 0.067 s times 1e3 is a little more than 67 ms, which it is nevertheless.
        exact = round(value * power, 6)
        return whole(exact) / power


def number(value: float, rounding: Rounding = Rounding.NEAREST) -> str:
    """Three significant digits below 100, whole numbers with separators from there on."""
    size = abs(value)
    if not math.isfinite(value):
        return NOTHING
    if size == 0:
        return "0"
    if size >= 99.95:  # noqa: PLR2004 - where one decimal would round up to 100.0
        return f"{rounding.at(value, 0):,.0f}"
    decimals = max(2 - math.floor(math.log10(size)), 0) if size >= 1 else 0
    if size < 1:
        decimals = 1 - math.floor(math.log10(size))
    shown = f"{rounding.at(value, decimals):.{decimals}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def count(value: float | None) -> str:
    """A whole number with separators: `2,000`."""
    return NOTHING if value is None else f"{int(value):,}"


def quantity(value: float | None, unit: str) -> tuple[str, str]:
    """Number and unit apart, as a card shows them; the unit is "" where the heading names it.

    So it is of a duration that has minutes and seconds: `2 min 13 s` is one text.
    """
    if value is None or not math.isfinite(value):
        return NOTHING, ""
    if unit == "s" and abs(value) >= _IN_PARTS_FROM_S:
        return _in_parts(value, Rounding.NEAREST), ""
    scale = scale_for(unit, abs(value))
    shown = value * scale.factor
    if unit == "1" and _ALMOST_ALL <= shown < _ALL:  # neither of which is 100 %
        return (number(shown) if shown < _MOST_TOLD else f"> {_MOST_TOLD}"), "%"
    if scale.suffix == "%" and abs(shown) >= _WHOLE_PERCENT:
        return f"{shown:,.0f}", "%"
    if scale.suffix == "%" and 0 < abs(shown) < _LEAST_PERCENT:
        return f"< {_LEAST_PERCENT}", "%"
    return number(shown), scale.suffix


def ticks(seconds: Sequence[float]) -> list[str]:
    """Durations of an axis, ascending: in one unit, or each in its own where one is too far off."""
    scale = shared_scale("s", seconds)
    if min(seconds, default=0.0) * scale.factor < _LEAST_READ:
        return [text_in(one, scale_for("s", min(one, 1.0))) for one in seconds]
    return [text_in(one, scale) for one in seconds]


def text_in(value: float | None, scale: Scale) -> str:
    """Number and unit in one, in the unit of others beside it: `0.42 ms` or `< 0.001 s`."""
    if value is None or not math.isfinite(value):
        return NOTHING
    shown = value * scale.factor
    if 0 < shown < _LEAST_READ:
        return f"< {_LEAST_READ} {scale.suffix}"
    return f"{number(shown)} {scale.suffix}".rstrip()


def text(value: float | None, unit: str) -> str:
    """Number and unit in one, e.g. `420 µs`, `1.3 MiB/s`, `12 %`."""
    return " ".join(part for part in quantity(value, unit) if part)


def at_least(seconds: float | None) -> str:
    """`≥ ` before a percentile from a histogram beyond the durations that it tells apart."""
    return "≥ " if seconds is not None and seconds >= LONGEST_S else ""


def at_most(seconds: float | None) -> str:
    """`≤ ` before a percentile from a histogram below the durations that it tells apart."""
    return "≤ " if seconds is not None and seconds <= SHORTEST_S else ""


def lower_bound(seconds: float) -> str:
    """A duration that is one from below: `≥ 10 s`, never more than it is."""
    return f"≥ {_bound(seconds, Rounding.DOWN)}"


def bound_in_words(seconds: float) -> str:
    """The same where a sign would need a word beside it: `64 s or longer`."""
    return f"{_bound(seconds, Rounding.DOWN)} or longer"


def upper_bound(seconds: float) -> str:
    """A duration that is a bound from above: `≤ 0.96 µs`, never less than it is."""
    return f"≤ {_bound(seconds, Rounding.UP)}"


def _bound(seconds: float, rounding: Rounding) -> str:
    if seconds >= _IN_PARTS_FROM_S:
        return _in_parts(seconds, rounding)
    scale = scale_for("s", abs(seconds))
    return f"{number(seconds * scale.factor, rounding)} {scale.suffix}"


def between(low_s: float, high_s: float) -> str:
    """The durations of a bucket: `9.5 ms to 10.4 ms`; of the first and the last one the known end.

    `high_s` of the last bucket is infinity, or the longest that was measured in it.
    """
    if low_s < SHORTEST_S:
        return f"up to {text(high_s, 's')}"
    if math.isinf(high_s):
        return f"longer than {text(low_s, 's')}"
    return f"{text(low_s, 's')} to {text(high_s, 's')}"


def in_words(told: str) -> str:
    """A figure within a sentence: `at least 64 s`, `more than 99.9 %` where it reads `≥`, `>`."""
    for sign, words in _SIGNS.items():
        told = told.replace(sign, words)
    return told


def text_in_words(value: float | None, unit: str) -> str:
    """The figure with its unit within a sentence: `more than 99.9 %`."""
    return in_words(text(value, unit))


def percentile(seconds: float | None) -> str:
    """A percentile from a histogram: `97 ms`; `≥ 64 s` or `≤ 0.96 µs` where it is a bound."""
    return Duration.of_percentile(seconds).text


def percentile_in_words(seconds: float | None) -> str:
    """The same within a sentence: `at least 64 s`."""
    return in_words(percentile(seconds))


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration in seconds, which may be a bound, as it reads wherever it stands; None: no one."""

    seconds: float | None
    is_bound: bool = False  # it is one from below
    is_upper_bound: bool = False

    @property
    def text(self) -> str:
        """In the unit that suits it."""
        if self.seconds is None or not math.isfinite(self.seconds):
            return NOTHING
        if self.is_bound:
            return lower_bound(self.seconds)
        return upper_bound(self.seconds) if self.is_upper_bound else text(self.seconds, "s")

    @classmethod
    def of_percentile(cls, seconds: float | None) -> Duration:
        """A percentile from a histogram."""
        return cls(seconds, bool(at_least(seconds)), bool(at_most(seconds)))


def mean_and_percentiles(mean_s: float | None, *percentiles_s: float | None) -> list[Duration]:
    """The durations of a row of a table: a mean is exact, percentiles come from histograms."""
    return [Duration(mean_s), *map(Duration.of_percentile, percentiles_s)]


def column(texts: Sequence[str]) -> list[str]:
    """Figures below each other: of one unit with as many decimals, as far as three digits go.

    `94.9 s`, `95.0 s` and `9.51 s`; a zero alone and texts that are no number with a unit stay.
    """
    found = [_NUMBER.fullmatch(told) for told in texts]
    most: dict[str, int] = {}
    for one in found:
        if one:
            most[one["unit"]] = max(most.get(one["unit"], 0), len(one["decimals"] or ""))
    return [
        _with_decimals(one, most[one["unit"]]) if one else told
        for one, told in zip(found, texts, strict=True)
    ]


def _with_decimals(number: re.Match[str], most: int) -> str:
    shown = number["decimals"] or ""
    whole = number["whole"]
    # Below 1 the digits that are shown are all that there are: 0.4 ms may be no more than that.
    wanted = 0 if whole == "0" else max(min(most, _DIGITS_READ - len(whole)), 0)
    decimals = shown.ljust(wanted, "0")
    told = f"{number['sign']}{whole}{'.' if decimals else ''}{decimals}"
    return f"{told} {number['unit']}"


def with_texts(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """The rows of a table with its durations as texts, those of a column by `column`."""
    told = [list(row) for row in rows]
    for at in range(max(map(len, told), default=0)):
        of_durations = [row for row in told if at < len(row) and isinstance(row[at], Duration)]
        texts = column([row[at].text for row in of_durations])
        for row, one in zip(of_durations, texts, strict=True):
            row[at] = one
    return told


def length(seconds: float) -> str:
    """The length of a span of time: below 2 h to the second, below 2 d to the minute.

    Below 14 d to the hour, from there on to the day. For example `90 s`, `6 min 40 s`, `5 min`,
    `6 h`, `2 h 30 min`, `2 d 12 h`, `90 d`.
    """
    if seconds < _IN_PARTS_FROM_S:
        return f"{number(seconds)} {_SECOND[1]}"
    return _in_parts(seconds, Rounding.NEAREST)


def _in_parts(seconds: float, rounding: Rounding) -> str:
    """A length of minutes or more in a unit and whole parts of it, such as `2 min 13 s`."""
    size = abs(seconds)
    (unit_s, name), (part_s, part_name) = next(
        (unit, part) for limit, unit, part in _LENGTHS if size < limit
    )
    parts = round(rounding.at(size / part_s, 0))
    whole, rest = divmod(parts, round(unit_s / part_s))
    sign = "-" if seconds < 0 else ""
    return sign + (f"{whole:,} {name} {rest} {part_name}" if rest else f"{whole:,} {name}")


def scale_for(unit: str, largest: float) -> Scale:
    """The scale of a value of the size `largest` that stands alone, in `unit`."""
    known = scales(unit)
    return next((scale for scale in reversed(known) if scale.least <= largest), known[0])


def axis_scale(unit: str, largest: float) -> Scale:
    """The scale of values from zero to `largest` that are read beside each other, in `unit`.

    An axis without durations is in ms. One that is 0 alone reads in µs: it is less than any other.
    """
    if unit == "s" and not largest:
        return _MS
    if unit == "s" and largest < _MINUTES_FROM_S:
        largest = min(largest, _SECOND[0])
    return scale_for(unit, largest)


def shared_scale(unit: str, values: Iterable[float | None]) -> Scale:
    """The scale of values that are read beside each other: µs beside s cannot be compared at once.

    That of the largest; or a smaller unit, in which the smallest that is not zero reads 0.05 or
    more, as far as the largest reads less than 100,000 there, of durations less than 10,000. Those
    of minutes read in seconds: a tenth of a minute is no length that anybody knows.
    """
    sizes = [abs(one) for one in values if one is not None and math.isfinite(one) and one]
    least, most = min(sizes, default=0.0), max(sizes, default=0.0)
    is_of_durations = unit == "s"
    chosen = axis_scale(unit, min(most, _SECOND[0]) if is_of_durations else most)
    limit = _MOST_SHARED_OF_DURATIONS if is_of_durations else _MOST_SHARED
    smaller = [scale for scale in scales(unit) if sizes and scale.factor > chosen.factor]
    for scale in sorted(smaller, key=lambda one: one.factor):
        if least * chosen.factor >= _LEAST_SHARED or most * scale.factor >= limit:
            break
        chosen = scale
    return chosen


def scales(unit: str) -> tuple[Scale, ...]:
    """The scales that values of a unit are shown in, each from its least value, 0 for the first."""
    if unit == "s":
        return _DURATIONS
    if unit in {"By", "By/s"}:
        return tuple(
            Scale(
                _KIB**-power,
                prefix + unit.removeprefix("By"),
                (_KIB - _HALF) * _KIB ** (power - 1) if power else 0.0,
            )
            for power, prefix in enumerate(_PREFIXES)
        )
    if unit in {"1", CORES}:
        return (Scale(100.0, "%"),)
    return (Scale(1.0, _NAMES.get(unit, unit)),)


def reading(unit: str, scale: Scale, *, log: bool = False) -> dict[str, Any]:
    """By which the browser writes a figure, the ticks of its axis in the unit of `scale`, as JSON.

    The values drawn are in that unit as well, but on a logarithmic axis in the base unit: `factor`
    is what base units were multiplied by, `times` what a drawn value is to be multiplied by.
    Durations beyond `longest`, in seconds, are not told apart. `scales` are those in which a value
    reads alone, and ticks of a logarithmic axis where they lie too far apart for one: least value,
    factor, suffix. Of a `share` all is 100 %, which a little less does not read as.
    """
    return {
        "factor": 1.0 if log else scale.factor,
        "times": scale.factor if log else 1.0,
        "suffix": scale.suffix,
        "base": scale_of_base(unit).suffix,
        "noun": list(noun(unit)),
        "share": unit == "1",
        "longest": LONGEST_S if unit == "s" else None,
        "scales": [[one.least, one.factor, one.suffix] for one in scales(unit)],
    }


def scale_of_base(unit: str) -> Scale:
    """The scale in which a value is written as it is stored."""
    known = scales(unit)
    return next((scale for scale in known if scale.factor == 1.0), known[0])


def noun(unit: str) -> tuple[str, str]:
    """The unit behind a single value where the axis has none: behind 1, behind any other number."""
    return _NOUNS.get(unit, ("", ""))


def rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Values as JSON carries them: four significant digits, NaN as None."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        short = np.where(np.isfinite(power), np.round(values * power) / power, values)
    return [None if value != value else value for value in short.tolist()]  # noqa: PLR0124 - NaN
