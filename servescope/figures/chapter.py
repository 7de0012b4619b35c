"""Guess, theory and measurement of an experiment in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.figures import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.chapters.chapter import Chapter, Setting
    from servescope.figures.theme import Figure

HEIGHT: Final = 280
COLOURS: Final = {"measured": theme.BLUE, "theory": theme.TEAL, "guess": theme.AMBER}
_ROOM: Final = 1.08


def picture(chapter: Chapter, setting: Setting, values: Sequence[float], guess: float) -> Figure:
    """A bar for each measured point, a mark where theory has it, a line at the guess.

    A guess far beyond everything else is left outside, so that the rest can be read.
    """
    unit = chapter.guess.unit
    labels = [point.label for point in setting.points]
    known = [
        (point.label, point.expected) for point in setting.points if point.expected is not None
    ]
    highest = max([*values, *(expected for _, expected in known)]) * _ROOM
    top = max(highest, min(guess * _ROOM, 2 * highest))
    axis = theme.value_axis(unit) | {"range": [0, top], "fixedrange": True}
    layout = theme.layout(axis)
    layout["dragmode"] = False
    layout["hovermode"] = "closest"
    layout["xaxis"] = {"type": "category", "fixedrange": True, "title": {"text": chapter.across}}
    layout["margin"] = layout["margin"] | {"b": 46}
    layout["shapes"] = [_line_at(guess)] if guess <= top else []
    return {
        "data": [
            {
                "type": "bar",
                "name": "measured",
                "x": labels,
                "y": list(values),
                "marker": {"color": COLOURS["measured"]},
                "hovertemplate": f"%{{y:,.0f}} {unit}<extra>measured</extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "theory",
                "x": [label for label, _ in known],
                "y": [expected for _, expected in known],
                "marker": {"color": COLOURS["theory"], "symbol": "diamond", "size": 10},
                "hovertemplate": f"%{{y:,.0f}} {unit}<extra>theory</extra>",
            },
        ],
        "layout": layout,
    }


def _line_at(guess: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": guess,
        "y1": guess,
        "line": {"color": COLOURS["guess"], "width": 2, "dash": "dash"},
    }
