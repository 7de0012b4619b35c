"""How a graph shows that a point is a lower bound: by a triangle, with a label that says so.

Requests that timed out, and durations beyond those that a histogram tells apart, took so long at
least; a line through such points lies flat, and would read as if nothing took longer.
`assets/graph_bounds.js` draws the same into the graphs that live on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.figures import theme, units

if TYPE_CHECKING:
    from collections.abc import Collection

    from servescope.figures.theme import Figure

SYMBOL: Final = "triangle-up"
SIGN: Final = "▲"
SIZE_PX: Final = 8
MOST: Final = 24
"""Triangles of a line: more would touch each other, and hide it."""

HEADROOM: Final = 0.12
"""Share of the axis above the highest bound, which the label takes."""


def label(levels_s: Collection[float]) -> str:
    """The label beside bounds of these seconds; nothing of none."""
    if not levels_s:
        return ""
    if len(set(levels_s)) > 1:
        return f"{SIGN} so long or longer"
    (level_s,) = set(levels_s)
    return f"{SIGN} {units.bound_in_words(level_s)}"


def reference_line(levels_s: Collection[float], highest: float) -> list[Figure]:
    """A labelled line at the `highest` bound, as it is drawn; the label alone where they differ."""
    if not levels_s:
        return []
    shape: dict[str, Any] = {
        "type": "line",
        "layer": "below",
        "xref": "paper",
        "yref": "y",
        "x0": 0.012,  # the label begins beside the axis
        "x1": 1,
        "y0": highest,
        "y1": highest,
        "line": {"color": theme.GREY, "dash": "dot", "width": int(len(set(levels_s)) == 1)},
        "label": {
            "text": label(levels_s),
            "textposition": "start",
            "yanchor": "bottom",
            "padding": 6,
            "font": {"size": 10},
        },
    }
    return [shape]
