"""The listeners hosted here as what load may be aimed at: one that does not run says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import dcc

from components.path_prefix import below_prefix
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.records.listeners import ListenerStatus


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


def not_running(statuses: Iterable[ListenerStatus]) -> list[Any]:
    """Which of them do not run, and the way to where they are started; nothing where all do."""
    told = [
        f"{one.name} ({one.state})"
        for one in standing(statuses)
        if one.state is not ListenerState.RUNNING
    ]
    if not told:
        return []
    do = "does" if len(told) == 1 else "do"
    it = "it is" if len(told) == 1 else "they are"
    return [
        f"{', '.join(told)} {do} not run: {it} started on the page ",
        dcc.Link("Servers", href=below_prefix("/servers")),
        ".",
    ]
