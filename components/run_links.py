"""Addresses of load runs and of experiments, and of other pages over their spans."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from dash import html

from components.help import attributes
from components.path_prefix import below_prefix
from servescope.chapters import CHAPTERS
from servescope.records.dashboard import EventKind

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from servescope.chapters.chapter import Chapter
    from servescope.records.dashboard import Event

RUNS: Final = "/runs"
COMPARE: Final = "/runs/compare"
LEARN: Final = "/learn"
_PAGES: Final = (
    ("Requests", "/requests", True),
    ("Latency", "/latency", True),
    ("Ports", "/ports", False),
    ("Host", "/host", False),
)
"""Name, path, and whether the page can be narrowed to a listener."""

_NAMED: Final = re.compile(r"(run|comparison|search|verdict|experiment) (\d+): (.*)", re.ASCII)


def address_of(run_id: int) -> str:
    """The URL path of the page of one run."""
    return below_prefix(f"{RUNS}/{run_id}")


def compare_address(first: int, second: int, tolerance_percent: object = None) -> str:
    """The URL of the page that has two runs side by side, and judges them by that tolerance."""
    judged = "" if tolerance_percent is None else f"&tolerance={quote(str(tolerance_percent))}"
    return f"{below_prefix(COMPARE)}?a={first}&b={second}{judged}"


def comparison_address(number: int) -> str:
    """The URL of the page Servers with one comparison of models."""
    return f"{below_prefix('/servers')}?comparison={number}#compare"


def chapter_address(chapter: Chapter, experiment: int = 0) -> str:
    """The URL of a chapter, with the result of one of its experiments if it has a number."""
    query = f"?experiment={experiment}" if experiment else ""
    return below_prefix(f"{LEARN}/{chapter.name}") + query


def address_of_event(event: Event) -> str:
    """The address of what an event on graphs is about: a run, a search, an experiment …; or "".

    Its text names it: see whoever calls `control.events.under_way`, and `runtime/load_runs.py`.
    An experiment of a chapter that there is no more leads nowhere.
    """
    named = _NAMED.match(event.text) if event.kind is EventKind.LOAD_RUN else None
    if named is None:
        return ""
    kind, number, about = named.groups()
    if kind == "run":
        return address_of(int(number))
    if kind == "comparison":
        return comparison_address(int(number))
    if kind == "experiment":
        chapter = next((one for one in CHAPTERS if one.title == about), None)
        return "" if chapter is None else chapter_address(chapter, int(number))
    return f"{below_prefix('/load')}#{'capacity' if kind == 'search' else 'verdict'}"


def view_query(start: int, end: int | None) -> str:
    """The query by which a live page shows these epoch seconds; without an end, up to now."""
    return f"from={start}&to={'now' if end is None else end}"


def ways_on(start: int, end: int | None, listener: str) -> list[Component]:
    """Links to the pages that show more of the same span.

    `assets/live_view.js` follows them, since they bring a view along.
    """
    query = view_query(start, end)
    narrowed = f"{query}&listener={quote(listener, safe='')}" if listener else query
    return [
        html.A(
            name,
            href=f"{below_prefix(path)}?{narrowed if takes_listener else query}",
            className="way-on",
            **attributes(data_view=""),
        )
        for name, path, takes_listener in _PAGES
    ]
