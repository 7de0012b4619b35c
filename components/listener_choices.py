"""The listeners hosted here as what load may be aimed at: one that does not run says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import html

from components.page_links import linked
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.records.listeners import ListenerStatus

PANEL: Final = "listeners"
"""The id of the panel in which listeners are started, on the page Servers."""


def standing(statuses: Iterable[ListenerStatus]) -> list[ListenerStatus]:
    """All but those of a comparison or an experiment, which load aims at by itself."""
    return [one for one in statuses if not one.is_temporary]


def choices(statuses: Iterable[ListenerStatus]) -> list[Any]:
    """The options of a select; a listener that does not run cannot be chosen.

    It stays among them: a select drops the value that it has no option for.
    """
    return [
        one.name
        if one.state is ListenerState.RUNNING
        else {"value": one.name, "label": f"{one.name} ({one.state})", "disabled": True}
        for one in standing(statuses)
    ]


def preferred(statuses: Iterable[ListenerStatus], name: str) -> str:
    """The listener of this name if it runs, else the first that does; else any that stands.

    The name alone where there is no listener.
    """
    known = standing(statuses)
    names = [one.name for one in known if one.state is ListenerState.RUNNING]
    names = names or [one.name for one in known]
    return name if name in names or not names else names[0]


def not_running(statuses: Iterable[ListenerStatus], *, is_here: bool = False) -> list[Any]:
    """Which of them cannot be chosen, as they do not run, and where that is changed.

    Nothing where all run. `is_here`: it is changed on the page at hand.
    """
    of_state: dict[ListenerState, list[str]] = {}
    for one in standing(statuses):
        if one.state is not ListenerState.RUNNING:
            of_state.setdefault(one.state, []).append(one.name)
    if not of_state:
        return []
    told = "; ".join(
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {state}"
        if state is not ListenerState.FAILED
        else f"{', '.join(names)} failed"
        for state, names in of_state.items()
    )
    stopped = of_state.get(ListenerState.STOPPED, [])
    is_all = len(of_state) == 1 and bool(stopped)  # else not all of them can be started
    told += ", and cannot be chosen"
    way = f"start {'it' if len(stopped) == 1 else 'them'}" if is_all else "see"
    if is_here:
        panel = html.A("Listeners", href=f"#{PANEL}")
        return [f"{told}: {way} {'in ' if is_all else ''}the panel ", panel, "."]
    return [*linked(f"{told}: {way} {'on ' if is_all else ''}the page Servers.")]


def hint(prefix: str, statuses: Iterable[ListenerStatus], *, is_here: bool = False) -> html.P:
    """Why some choices of the form with this prefix cannot be chosen; see `not_running`."""
    told = not_running(statuses, is_here=is_here)
    return html.P(told, id=_hint(prefix), className="choices-hint dimmed")


def hint_props(
    prefix: str, statuses: Iterable[ListenerStatus], *, is_here: bool = False
) -> dict[str, dict[str, Any]]:
    """Properties of `hint`, as of now."""
    return {_hint(prefix): {"children": not_running(statuses, is_here=is_here)}}


def _hint(prefix: str) -> str:
    return f"{prefix}-not-running"
