"""Sentences about the outcome of a change of a listener, from its status before and after.

A change counts as applied where the listener's status shows it; `after` is None when the process
that hosts the listener has not acted on it in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.status import sentence
from servescope.actions.listeners import OUTCOME_WITHIN_S
from servescope.records.listeners import ConcurrencyModel, ListenerState

if TYPE_CHECKING:
    from servescope.records.listeners import ListenerStatus

_ACCESS: Final = frozenset({"deny", "allow"})
"""Changes that the running server takes over, without a new generation."""


def changed(
    before: ListenerStatus, after: ListenerStatus | None, *, is_asked: bool
) -> tuple[str, bool]:
    """The outcome of Apply, and whether it is applied, or nothing was to be.

    `is_asked`: the form asked for something else than what was asked for before. What is refused a
    second time has the message of the first.
    """
    if after is None:
        return _pending(before.name), False
    parts = differences(before, after)
    if parts:
        return f"Applied: {_list(parts)}{_from_now_on(parts, after)}.", True
    if after.message and (is_asked or after.message != before.message):
        return _with_full_stop(f"Nothing was applied: {after.message}"), False
    return f"Nothing to apply: the form says how {before.name} is.", True


def reset(before: ListenerStatus, after: ListenerStatus | None) -> tuple[str, bool]:
    """The outcome of "Back to the settings"."""
    if after is None:
        return _pending(before.name), False
    parts = differences(before, after)
    if after.is_changed:
        return _with_full_stop(f"{before.name} is not back to its settings: {after.message}"), False
    if not parts:
        return f"Nothing changed: {before.name} was as its settings say.", True
    return f"Back to the settings: {_list(parts)}{_from_now_on(parts, after)}.", True


def started(name: str, after: ListenerStatus | None) -> tuple[str, bool]:
    """The outcome of a start, or of adding a listener."""
    if after is None:
        return _pending(name), False
    if after.state is ListenerState.RUNNING:
        message = f" {sentence(after.message)}" if after.message else ""
        return f"{name} runs on {_place(after)}.{message}", True
    return _with_full_stop(f"{name} does not run: {after.message or after.state.value}"), False


def stopped(before: ListenerStatus, after: ListenerStatus | None) -> tuple[str, bool]:
    """The outcome of a stop."""
    if after is None or after.state is not ListenerState.STOPPED:
        return _pending(before.name), False
    return f"{before.name} is stopped: it listens on {_place(before)} no longer.", True


def restarted(before: ListenerStatus, after: ListenerStatus | None) -> tuple[str, bool]:
    """The outcome of a restart."""
    if after is None:
        return _pending(before.name), False
    if after.state is ListenerState.RUNNING and after.since_s > before.since_s:
        return (
            f"{before.name} was restarted: a new generation takes new connections on "
            f"{_place(after)}, the old one answers what it has."
        ), True
    return _with_full_stop(
        f"{before.name} was not restarted: {after.message or after.state.value}"
    ), False


def removed(name: str, *, has_ended: bool) -> tuple[str, bool]:
    """The outcome of a removal."""
    return (f"{name} was removed.", True) if has_ended else (_pending(name), False)


def differences(before: ListenerStatus, after: ListenerStatus) -> dict[str, str]:
    """The fields in which two statuses of a listener differ, each with its new value in words."""
    old, new = before.options, after.options
    shown = {
        "port": (before.port, after.port, f"port {after.port}"),
        "app": (before.app, after.app, f"app {after.app}"),
        "model": (before.model, after.model, f"model {ConcurrencyModel(after.model).label}"),
        "threads": (old.threads, new.threads, f"threads {new.threads}"),
        "workers": (old.workers, new.workers, f"workers {new.workers}"),
        "deny": (old.deny, new.deny, f"deny {', '.join(new.deny) or 'nobody'}"),
        "allow": (old.allow, new.allow, f"allow {', '.join(new.allow) or 'everybody else'}"),
        "log": (old.access_log, new.access_log, f"access log {new.access_log or 'off'}"),
    }
    return {name: words for name, (was, now, words) in shown.items() if was != now}


def _from_now_on(parts: dict[str, str], after: ListenerStatus) -> str:
    """From when on the changes count."""
    if after.state is not ListenerState.RUNNING:
        why = f": {after.message}" if after.message else ""
        return f"; {after.name} does not run ({after.state.value}{why})"
    if parts.keys() <= _ACCESS:
        return "; this counts from the next request on"
    return f"; new connections go to {_place(after)}"


def _with_full_stop(text: str) -> str:
    """A message of others at the end of a sentence that may begin with a listener's name."""
    return text if text.endswith(".") else f"{text}."


def _place(status: ListenerStatus) -> str:
    return f"port {status.port}" if status.port else status.address


def _list(parts: dict[str, str]) -> str:
    return ", ".join(parts.values())


def _pending(name: str) -> str:
    return (
        f"This was asked for, and is not carried out after {OUTCOME_WITHIN_S:.0f} s: the card of "
        f"{name} will say how it goes."
    )
