"""Explanations for people and for assistive technology: the question mark, HTML attributes."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from servescope.histogram import EXACT_FROM, least_count

SUPPORT: Final = (
    f"Where steps have fewer than {EXACT_FROM} requests they are made longer, up to a 24th of the "
    "span. Of fewer all the same, the line is thin and dotted; of too few it has a gap: "
    f"p50 takes {least_count(0.5)}, p90 {least_count(0.9)}, p95 {least_count(0.95)}, "
    f"p99 {least_count(0.99)}, p99.9 {least_count(0.999):,}."
)
READ: Final = (
    "Of the requests that were read: a connection that is turned away with 503 over capacity, or "
    "sends no HTTP, has no duration here."
)
NOT_RECORDED: Final = "Nothing was recorded in this span."
NO_LISTENER: Final = "No listener was measured in this span."
NO_REQUESTS: Final = "No requests in this span."
REQUESTS_ADVICE: Final = (
    "A request to a listener shows here a second or two later; the page Overview names the "
    "listeners."
)
TOO_FEW: Final = (
    "No requests in this span, or too few in each step for a percentile: "
    f"p50 takes {least_count(0.5)} of them, p99 {least_count(0.99)}."
)
BUTTON: Final[dict[str, Any]] = {"component": "button", "type": "button"}
"""Properties that make the target of a menu or popover a button, which may say `aria-expanded`.

Mantine makes it a `div` around a button, which may not.
"""


def attributes(**named: str) -> dict[str, Any]:
    """`aria_label="x"` as `{"aria-label": "x"}`: names of HTML that are no names of Python."""
    return {name.replace("_", "-"): value for name, value in named.items()}


def help_mark(text: str) -> html.Button:
    """A small question mark that explains a heading, by pointer, by keyboard and by touch.

    The text is a sentence or two; `assets/help_marks.js` shows it. (Mantine makes each tooltip
    before anybody points at it, and a page has fifteen.)
    """
    return html.Button(
        "?",
        type="button",
        className="help-mark",
        **attributes(aria_label=f"Help: {text}", data_help=text),
    )
