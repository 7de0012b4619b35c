"""Guess, theory and measurement of an experiment in one picture."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Curve
from servescope.figures import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.chapters.chapter import Chapter, Reading, Setting
    from servescope.chapters.guesses import Answer
    from servescope.figures.theme import Figure

HEIGHT: Final = 280
COLOURS: Final = {"measured": theme.BLUE, "theory": theme.TEAL, "guess": theme.AMBER}
_DIAMOND: Final = "diamond"
_OUTLINE: Final = "#ffffff"
"""Around a mark: the colours of two series are too near to each other to be told apart."""

_MARK_PX: Final = 12
_ROOM: Final = 1.08
_COUNTED: Final = frozenset({"clients", "requests"})
_FEW: Final = 5
"""Up to so many there is a tick at each whole number: there is no half client."""

_LABEL: Final = 10
"""Characters of a line of a bar's label: four bars side by side on a phone have room for them."""


def picture(chapter: Chapter, setting: Setting, reading: Reading, guess: Answer) -> Figure | None:
    """The chapter's picture of what was measured; None when there is none."""
    drawn = chapter.asked(setting).picture
    if isinstance(drawn, Bars):
        return _bars(drawn, setting, reading.points, guess)
    if isinstance(drawn, Curve):
        return _curve(drawn, setting, reading.points, guess)
    return None


def shapes(drawn: Bars | Curve) -> dict[str, str]:
    """By the name of each series how it is drawn: a bar, a diamond, or a line of some dash."""
    if isinstance(drawn, Bars):
        return {"measured": "bar", "theory": _DIAMOND, "guess": "dash"}
    return {"measured": _DIAMOND, "theory": "solid", "guess": "dash"}


def guess_out_of_sight(figure: Figure, guess: Answer) -> str:
    """Whether a guess is too high for the picture, in words; empty where all of it is seen."""
    _, top = figure["layout"]["yaxis"]["range"]
    numbers = guess if isinstance(guess, tuple) else (guess,)
    above = [isinstance(one, float | int) and one > top for one in numbers]
    if not any(above):
        return ""
    return "too high to be seen here" if all(above) else "in part too high to be seen here"


def _bars(drawn: Bars, setting: Setting, values: Sequence[float], guess: Answer) -> Figure:
    """A bar for each measured point, a mark where theory has it, a line at a guessed number.

    A guess far beyond everything else is left outside, so that the rest can be read.
    """
    known = [
        (point.label, point.expected) for point in setting.points if point.expected is not None
    ]
    highest = max([*values, *(expected for _, expected in known)]) * _ROOM or 1.0
    labels = [point.label for point in setting.points]
    place = labels.index(drawn.asked) if drawn.asked else None
    ends = (-0.5, len(labels) - 0.5) if place is None else (place - 0.5, place + 0.5)
    guessed = [guess] if isinstance(guess, float | int) else []
    top = max([highest, *(min(one * _ROOM, 2 * highest) for one in guessed)])
    lines = [_line_at(one, *ends) for one in guessed if one <= top]
    layout = _layout(drawn.unit, top) | {"shapes": lines}
    layout["xaxis"] |= {
        "type": "category",
        "tickvals": labels,
        "ticktext": ["<br>".join(wrap(label, _LABEL, break_long_words=False)) for label in labels],
        "tickangle": 0,
    }
    return {
        "data": [
            {
                "type": "bar",
                "name": "measured",
                "x": labels,
                "y": list(values),
                "marker": {"color": COLOURS["measured"]},
                "hovertemplate": f"%{{y:,.3~f}} {drawn.unit}<extra>measured</extra>",
            },
            _marks("theory", drawn.unit, *_columns(known)),
        ],
        "layout": layout,
    }


def _curve(drawn: Curve, setting: Setting, values: Sequence[float], guess: Answer) -> Figure:
    """Lines of guess and theory, and the measured points, at their places."""
    places = [point.at for point in setting.points]
    known = [(point.at, point.expected) for point in setting.points if point.expected is not None]
    highest = max([*values, *(expected for _, expected in known)]) * _ROOM or 1.0
    guessed = list(guess) if isinstance(guess, tuple) else []
    top = max([highest, *(min(one * _ROOM, 2 * highest) for one in guessed)])
    lines = [
        ("guess", places if guessed else [], guessed, "dash"),
        ("theory", *_columns(known), "solid"),
    ]
    return {
        "data": [
            *(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "x": across,
                    "y": up,
                    "line": {"color": COLOURS[name], "width": 2, "dash": dash},
                    "hovertemplate": f"%{{y:,.3~f}} {drawn.unit}<extra>{name}</extra>",
                }
                for name, across, up, dash in lines
            ),
            _marks("measured", drawn.unit, places, list(values)),
        ],
        "layout": _layout(drawn.unit, top),
    }


def _layout(unit: str, top: float) -> dict[str, Any]:
    """Without a title of the horizontal axis: a figure has one line for it, which a phone cuts."""
    axis = theme.value_axis(unit) | {"range": [0, top], "fixedrange": True, "automargin": True}
    if unit in _COUNTED and top < _FEW:
        axis["dtick"] = 1
    layout = theme.layout(axis)
    return layout | {
        "dragmode": False,
        "hovermode": "closest",
        "xaxis": {
            "fixedrange": True,
            "automargin": True,
            "ticks": "outside",  # unseen: they keep the labels below a mark that stands at 0
            "ticklen": _MARK_PX / 2 + 3,
            "tickcolor": "transparent",
        },
    }


def _columns(pairs: Sequence[tuple[Any, float]]) -> tuple[list[Any], list[float]]:
    return [across for across, _ in pairs], [up for _, up in pairs]


def _marks(name: str, unit: str, across: list[Any], up: list[float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": across,
        "y": up,
        "cliponaxis": False,
        "marker": {
            "color": COLOURS[name],
            "symbol": _DIAMOND,
            "size": _MARK_PX,
            "line": {"color": _OUTLINE, "width": 1.5},
        },
        "hovertemplate": f"%{{y:,.3~f}} {unit}<extra>{name}</extra>",
    }


def _line_at(guess: float, start: float, end: float) -> dict[str, Any]:
    """A line at the guess, between two places on an axis of labels, the first of which is at 0."""
    return {
        "type": "line",
        "xref": "x",
        "yref": "y",
        "x0": start,
        "x1": end,
        "y0": guess,
        "y1": guess,
        "line": {"color": COLOURS["guess"], "width": 2, "dash": "dash"},
    }
