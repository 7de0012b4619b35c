"""The stages of one request, one below the other, each beginning where the one above ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dash import html

from servescope.figures import theme, units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dash.development.base_component import Component

MEANING: Final = {
    "kernel": "the bytes wait in the kernel until the server reads them",
    "read": "from the first byte to the end of the request's head",
    "queue": "the complete head waits for a thread",
    "app": "the app works until its response head is ready",
    "body": "the app makes the response body",
    "write": "the response goes to the kernel",
}
"""The work of a request in each stage."""


def waterfall(stages_s: Mapping[str, float]) -> html.Div:
    """Bars in proportion to seconds; durations beside them."""
    total = sum(stages_s.values()) or 1.0
    begun = 0.0
    cells: list[Component] = []
    for stage, seconds in stages_s.items():
        bar = html.Div(
            className="bar",
            style={
                "left": f"{100 * begun / total:.3f}%",
                "width": f"{100 * seconds / total:.3f}%",
                "background": theme.MEANINGS.get(stage, theme.GREY),
            },
        )
        cells += [
            html.Span(stage, title=MEANING.get(stage, "")),
            html.Div(bar, className="track"),
            html.Span(units.text(seconds, "s"), className="amount"),
        ]
        begun += seconds
    whole = units.text(sum(stages_s.values()), "s")
    cells += [html.B("whole"), html.Span(), html.B(whole, className="amount")]
    return html.Div(cells, className="waterfall")
