"""Colours by meaning, and the frame every figure stands in.

Text, grid and paper take their colour from CSS variables (`assets/graphs.css`): changing between
dark and light redraws nothing. The colours here have to read on both. Red means bad and nothing
else; neighbours differ in lightness, so that they hold for colour-blind eyes too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import cycle, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from servescope.records.colour_places import BUNDLED, COLOURS, suggested_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Figure = dict[str, Any]
"""A Plotly figure as plain data: `{"data": [...], "layout": {...}}`."""

# One colour for both schemes: each has a contrast of 3:1 or more on white and on the panels of the
# dark scheme (WCAG 2, 1.4.11), so they differ in hue, hardly in lightness.
BLUE: Final = "#2683ea"
SKY: Final = "#0aa2ae"
NAVY: Final = "#6068f5"
TEAL: Final = "#16a05d"
AMBER: Final = "#b98a00"
ORANGE: Final = "#e8590c"
VIOLET: Final = "#9a5bf2"
PINK: Final = "#d34fc0"
GREY: Final = "#868e96"
RED: Final = "#e93a3a"

SERIES: Final = (BLUE, AMBER, TEAL, VIOLET, SKY, ORANGE, PINK, NAVY)
"""For names without a meaning of their own; after these they repeat dashed."""

NAMED: Final = (
    AMBER,
    SKY,
    ORANGE,
    PINK,
    NAVY,
    "#5a9699",
    "#5c940d",
    "#a87c4f",
    "#8d7fb5",
    "#b0705f",
)
"""For names that have one colour on all pages, COLOURS of them; without those of the bundled
listeners."""

NO_PLACES: Final[Mapping[str, int]] = MappingProxyType({})

MEANINGS: Final = {
    "1xx": VIOLET,
    "2xx": BLUE,
    "3xx": TEAL,
    "4xx": AMBER,
    "5xx": RED,
    "no answer": PINK,
    "client gone": GREY,  # it stands on 5xx, which an orange is hard to tell from
    "p50": SKY,
    "p90": BLUE,
    "p95": NAVY,
    "p99": VIOLET,
    "p99.9": PINK,
    "kernel": VIOLET,
    "read": TEAL,
    "queue": AMBER,
    "app": BLUE,
    "body": SKY,
    "write": GREY,
    "CPU": BLUE,
    "memory": TEAL,
    "used": BLUE,
    "reclaimable": TEAL,
    "free": GREY,
    "files": TEAL,
    "comparison": GREY,
    "wsgi": BLUE,
    "asgi": VIOLET,
    "available": GREY,
    "all others": GREY,
    "highest": AMBER,
    "lowest": TEAL,
    "GET": BLUE,
    "POST": AMBER,
    "HEAD": SKY,
    "PUT": TEAL,
    "PATCH": VIOLET,
    "DELETE": PINK,
    "OPTIONS": NAVY,
    "CONNECT": ORANGE,
    "TRACE": NAMED[6],
    "other method, or none read": GREY,
    "generator: failed": RED,
    "generator: finished": BLUE,
    "server: answered": TEAL,
    "server: client gone": GREY,
    "requests queued": AMBER,
    "threads busy": BLUE,
    "requests on the loop": SKY,
    "accept queue": VIOLET,
    "established": BLUE,
    "syn_received": TEAL,
    "fin_wait_1": VIOLET,
    "fin_wait_2": SKY,
    "close_wait": ORANGE,
    "last_ack": PINK,
    "closing": NAVY,
    "time_wait": GREY,
    "listen": TEAL,
    "lo": GREY,
    "dashboard": BLUE,
    "load": AMBER,  # the first word of the load generator's lines
    "served": TEAL,  # and of those of a served app
}
_CLOCKS: Final = {" inside ": VIOLET, " intended send": BLUE, " actual send": SKY}
"""By what stands in the name of a percentile: the clock that it is counted by."""

_LISTENERS: Final = (*BUNDLED, "comparison")
"""Those whose colour is a meaning: to a listener that somebody calls `app` no other one is."""

_CLOCK: Final = [
    {"dtickrange": [None, 30_000], "value": "%H:%M:%S"},  # 60,000 is the next that Plotly takes
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M"},
    {"dtickrange": [86_400_000, None], "value": "%d %b"},
]
"""Labels of time ticks by their distance in milliseconds; the time bar says the date."""

_TRANSPARENT: Final = "rgba(0,0,0,0)"
_LEFT: Final = 60
_LEFT_OF_LONG_UNITS: Final = 84  # px; `1,000 KiB/s` stands whole
_LONG_UNIT: Final = 4
_LONG_TICK: Final = 8  # characters; `10,000 ms` takes more than _LEFT


_AREAS: Final = {"free": "rgba(134,142,150,0.25)"}
"""Areas below stacked lines that are no more than a ground."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is drawn; `dash` is Plotly's name; `area`: below a stacked one, if another."""

    colour: str
    dash: str = "solid"
    area: str = ""


def by_meaning(names: Sequence[str]) -> list[Style]:
    """A fixed colour for a name that has a meaning, for any other the one that it suggests.

    So no line changes its colour when others come or go. Two that share one differ by their dashes;
    those with a meaning have none.
    """
    meant = {
        name: Style(MEANINGS[name], area=_AREAS.get(name, "")) for name in names if name in MEANINGS
    }
    others = [name for name in names if name not in meant]
    told = _told_apart(
        [(style.colour, 0) for style in meant.values()] + [_suggested(name) for name in others]
    )
    style_of = dict(zip(others, told[len(meant) :], strict=True)) | meant
    return [style_of[name] for name in names]


def _suggested(name: str) -> tuple[str, int]:
    """The colour that a name suggests, and how often all colours were given before.

    Names that differ in the number at their end, such as `core 0` and `core 1`, have neighbouring
    ones.
    """
    stem = name.rstrip("0123456789")
    number = int(name[len(stem) :] or 0)
    colour = SERIES[(crc32(stem.encode()) + number) % len(SERIES)]
    return colour, number // len(SERIES) if number < _MOST_NUMBERED else 0


def by_name(names: Sequence[str]) -> list[Style]:
    """One colour a name in every graph of every page: for routes.

    Two names that share a colour differ by their dashes within a graph.
    """
    return _told_apart((MEANINGS.get(name) or NAMED[suggested_place(name)], 0) for name in names)


def by_listener(names: Sequence[str], places: Mapping[str, int] = NO_PLACES) -> list[Style]:
    """One colour a listener or app in every graph of every page, by its place among the colours.

    One without a place, as of another host, has the colour that its name suggests. Two that share a
    colour differ by their dashes.
    """
    return _told_apart(_colour_of(name, places) for name in names)


def _colour_of(listener: str, places: Mapping[str, int]) -> tuple[str, int]:
    """The colour of a listener, and how often all colours were given before."""
    if listener in _LISTENERS:
        return MEANINGS[listener], 0
    turn, place = divmod(places.get(listener, suggested_place(listener)), COLOURS)
    return NAMED[place], turn


def _told_apart(wanted: Iterable[tuple[str, int]]) -> list[Style]:
    """Each in its colour, with the dash of its turn, or with the next one that is free there."""
    taken: set[tuple[str, int]] = set()
    styles = []
    for colour, turn in wanted:
        nth = turn
        while (colour, nth) in taken:
            nth += 1
        taken.add((colour, nth))
        styles.append(Style(colour, _DASHES[nth % len(_DASHES)]))
    return styles


def by_clock(names: Sequence[str]) -> list[Style]:
    """Percentiles of load in the colour of their clock, with a value or without one.

    Several servers differ by their dashes.
    """
    return _told_apart(
        (next((colour for words, colour in _CLOCKS.items() if words in name), GREY), 0)
        for name in names
    )


def in_order(names: Sequence[str]) -> list[Style]:
    """The series' colours in order, whatever the names mean elsewhere."""
    return list(islice(_series(SERIES), len(names)))


def by_status(names: Sequence[str]) -> list[Style]:
    """Status codes in the colour of their class; several of one class differ by their dashes."""
    return _told_apart(
        (MEANINGS.get(name) or MEANINGS.get(f"{name[:1]}xx", GREY), 0) for name in names
    )


def paired(*dashes: tuple[str, str]) -> Callable[[Sequence[str]], list[Style]]:
    """Lines that share a first word share a colour; `dashes` maps the rest of the name to a dash.

    E.g. `paired((" highest", "dot"))`: `CPU` solid and `CPU highest` dotted, in one colour.
    """
    return lambda names: _in_pairs(names, dashes, by_meaning)


def paired_listeners(
    *dashes: tuple[str, str], bad: str = ""
) -> Callable[[Sequence[str], Mapping[str, int]], list[Style]]:
    """The same of lines whose first word is a listener's name, in its colour.

    Of a listener whose colour was given before, each dash has its long form. Lines whose names end
    with `bad` are red, and differ by their dashes.
    """

    def styles(names: Sequence[str], places: Mapping[str, int]) -> list[Style]:
        found = _in_pairs(names, dashes, lambda stems: by_listener(stems, places))
        broken = cycle(_BROKEN)
        for at, name in enumerate(names):
            if bad and name.endswith(bad):
                found[at] = Style(RED, next(broken))
        return found

    return styles


def _in_pairs(
    names: Sequence[str],
    dashes: Sequence[tuple[str, str]],
    colours: Callable[[Sequence[str]], list[Style]],
) -> list[Style]:
    stems = sorted({name.partition(" ")[0] for name in names})
    style_of = dict(zip(stems, colours(stems), strict=True))
    found = []
    for name in names:
        of_stem = style_of[name.partition(" ")[0]]
        dash = next((dash for ending, dash in dashes if name.endswith(ending)), "solid")
        is_first = of_stem.dash == "solid"
        found.append(Style(of_stem.colour, dash if is_first else _LONG_FORMS[dash]))
    return found


_DASHES: Final = ("solid", "dot", "dash", "longdash", "dashdot")
_BROKEN: Final = ("dash", "dot", "longdash", "dashdot")
_MOST_NUMBERED: Final = len(SERIES) * len(_DASHES)
_LONG_FORMS: Final = {"solid": "longdash", "dot": "dashdot", "dash": "longdashdot"}


def _series(colours: Sequence[str]) -> Iterator[Style]:
    """The colours in order, solid at first, then with one dash after the other."""
    for dash in cycle(_DASHES):
        for colour in colours:
            yield Style(colour, dash)


_FEW_COUNTS: Final = 3
"""From there on Plotly's own ticks of a count are whole numbers; so in `assets/live_graphs.js`."""

_IN_THE_HEADING: Final = frozenset({"req/s", "/s", "requests"})


def layout(y_axis: Figure) -> Figure:
    """The layout of a graph over time.

    The browser adds the range of the x axis, the events and the ticks of a logarithmic axis. It
    draws the cursor too (`assets/graph_cursor.js`): one for all graphs of a page.
    """
    is_wide = len(y_axis.get("ticksuffix", "")) > _LONG_UNIT or _longest_tick(y_axis) > _LONG_TICK
    left = _LEFT_OF_LONG_UNITS if is_wide else _LEFT
    return {
        # Events have their labels above; half of a time's label stands right of the axis' end.
        "margin": {"l": left, "r": 26, "t": 22, "b": 28},
        "paper_bgcolor": _TRANSPARENT,
        "plot_bgcolor": _TRANSPARENT,
        "showlegend": False,
        "hovermode": False,
        "dragmode": "zoom",
        "font": {"family": "inherit", "size": 12},
        "xaxis": {
            "type": "date",
            "nticks": 7,
            "zeroline": False,
            "showgrid": False,
            "tickformatstops": _CLOCK,
            "ticklabelstandoff": 5,
            "ticks": "",
        },
        "yaxis": {"fixedrange": True, "zeroline": False, "ticks": "", "nticks": 5, **y_axis},
    }


def whole_ticks(largest: float) -> Figure:
    """Of an axis of counts up to `largest`: no tick lies between two whole numbers."""
    return {"dtick": 1} if largest < _FEW_COUNTS else {}


def _longest_tick(y_axis: Figure) -> int:
    """Characters of the longest label that is given and lies in the range of a logarithmic axis."""
    places = [math.log10(value) for value in y_axis.get("tickvals", ())]
    low, high = y_axis.get("range", (-math.inf, math.inf))
    texts = zip(places, y_axis.get("ticktext", ()), strict=True)
    return max((len(text) for place, text in texts if low <= place <= high), default=0)


def value_axis(suffix: str, *, most: float | None = None, log: bool = False) -> Figure:
    """An axis from zero, or a logarithmic one, whose ticks bear their unit.

    `most` fixes its upper end. Rates and counts have their unit in the heading.
    """
    unit = "" if suffix in _IN_THE_HEADING else suffix
    axis: Figure = {"ticksuffix": f" {unit}" if unit else "", "tickformat": ",~r"}
    if log:
        return axis | {"type": "log"}
    axis["rangemode"] = "tozero"
    if most is not None:
        axis["range"] = [0, most]
    return axis
