"""Change, add, remove, reset, start, stop and restart a listener.

Each writes overrides, which the process that hosts the listener reconciles it with.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import psutil

from servescope.actions import fields
from servescope.actions.hostable_apps import why_not_hostable
from servescope.actions.port_holders import describe_holder
from servescope.errors import ListenerError, ListenerRefusedError
from servescope.records.listeners import (
    UNIX,
    AppKind,
    ConcurrencyModel,
    ListenerOverrides,
    ListenerState,
    ListenerStatus,
)
from servescope.serving.access import networks
from servescope.sockets.binding import MOST_PORT, is_free, next_free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.control.listeners import Listeners, OverridesChange
    from servescope.settings import Settings

LISTENER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
"""A name of a listener: it becomes a label and the name of a file."""

MOST_THREADS: Final = 256
MOST_WORKERS: Final = 64

OUTCOME_WITHIN_S: Final = 10.0
"""How long an outcome is waited for: a round takes 0.2 s, the import of an app longer."""

_LOOK_S: Final = 0.05

_BOUNDS: Final = {
    "port": ("The port", 0, MOST_PORT),
    "threads": ("The number of threads", 1, MOST_THREADS),
    "workers": ("The number of workers", 1, MOST_WORKERS),
}
_SET_BY_FORM: Final = (
    "port",
    "model",
    "threads",
    "workers",
    "deny",
    "allow",
    "app",
    "access_log",
)


@dataclass(frozen=True, slots=True)
class ListenerRequest:
    """A listener as a person described it, unread. A field that says what is so changes nothing."""

    port: object
    model: object
    threads: object
    workers: object
    deny: object  # addresses and networks, separated by commas or lines
    allow: object
    app: object
    access_log: object  # whether one is written


@dataclass(frozen=True, slots=True)
class NewListenerRequest:
    """A listener to add, as a person described it, unread."""

    name: object
    app: object
    port: object


def change(
    listeners: Listeners, settings: Settings, name: object, request: ListenerRequest
) -> OverridesChange:
    """Ask for a listener as the request describes it. Raises ListenerRefusedError."""
    statuses = listeners.statuses()
    status = changeable(statuses, name)
    asked = read(status, request, _why_not(settings, statuses))
    _check_port(status.address, asked.port, statuses)
    return listeners.change_overrides(status.name, lambda before: _merged(before, asked, status))


def add(
    listeners: Listeners, settings: Settings, request: NewListenerRequest
) -> tuple[str, OverridesChange]:
    """Ask for one more listener; return its name. Raises ListenerRefusedError."""
    statuses = listeners.statuses()
    taken = [status.name for status in statuses]
    name, overrides = read_new(request, taken, _why_not(settings, statuses))
    _check_port(settings.listen_address, overrides.port, statuses)
    return name, listeners.change_overrides(name, lambda _before: overrides)


def remove(listeners: Listeners, name: object) -> str:
    """End a listener that was added; return its name. Raises ListenerRefusedError."""
    status = changeable(listeners.statuses(), name)
    if not status.is_added:
        raise ListenerRefusedError(
            f"The listener {status.name} is not one that was added here: stop it instead."
        )
    listeners.discard_overrides(status.name)
    return status.name


def reset(listeners: Listeners, name: object) -> OverridesChange:
    """Ask for a listener as its settings say. Raises ListenerRefusedError."""
    status = changeable(listeners.statuses(), name)
    if status.is_added:
        raise ListenerRefusedError(
            f"The listener {status.name} was added here and has no settings: remove it instead."
        )
    return listeners.change_overrides(status.name, lambda _before: ListenerOverrides())


def start(listeners: Listeners, name: object) -> OverridesChange:
    """Ask that a listener runs. Raises ListenerRefusedError when there is none of this name."""
    status = changeable(listeners.statuses(), name)
    return listeners.change_overrides(status.name, lambda before: replace(before, runs=True))


def stop(listeners: Listeners, name: object) -> OverridesChange:
    """Ask that a listener does not run. Raises ListenerRefusedError when there is none."""
    status = changeable(listeners.statuses(), name)
    return listeners.change_overrides(status.name, lambda before: replace(before, runs=False))


def restart(listeners: Listeners, name: object) -> OverridesChange:
    """Ask for a new generation of a listener; it runs after that, whatever was before.

    Raises ListenerRefusedError when there is none of this name.
    """
    status = changeable(listeners.statuses(), name)
    return listeners.change_overrides(
        status.name, lambda before: replace(before, runs=True, restarts=before.restarts + 1)
    )


def outcome(
    listeners: Listeners, name: object, revision: int, within_s: float = OUTCOME_WITHIN_S
) -> ListenerStatus | None:
    """The status of a listener once its process has acted on overrides of this revision.

    None when it has not within the time: an import may take long, and a process may have ended.
    """
    wanted, deadline = fields.text(name), time.monotonic() + within_s
    while True:
        for status in listeners.statuses():
            is_there = status.name == wanted and status.state is not ListenerState.STARTING
            if is_there and status.revision >= revision:
                return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(_LOOK_S)


def has_ended(listeners: Listeners, name: object, within_s: float = OUTCOME_WITHIN_S) -> bool:
    """Whether a listener that was removed is gone within the time."""
    wanted, deadline = fields.text(name), time.monotonic() + within_s
    while any(status.name == wanted for status in listeners.statuses()):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def claim(listeners: Listeners, name: str) -> None:
    """Take a name for a listener of the command line, which is newer than any override of it.

    Raises ListenerError while a process that is alive hosts a listener of this name.
    """
    for status in listeners.statuses():
        # A dead leader's rows are still there; a dead server's are not.
        is_there = status.state is ListenerState.RUNNING and psutil.pid_exists(status.pid)
        if status.name == name and is_there:
            raise ListenerError(
                f"process {status.pid} hosts a listener {name} on port {status.port} already: "
                "choose another --name"
            )
    listeners.discard_overrides(name)


def read(
    status: ListenerStatus, request: ListenerRequest, why_not: Callable[[str], str]
) -> ListenerOverrides:
    """The overrides that a request asks for. `why_not` says why an app may not be hosted.

    Raises ListenerRefusedError with a sentence for each field that cannot be.
    """
    faults: dict[str, str] = {}
    asked: dict[str, Any] = {
        "deny": _entries(request.deny),
        "allow": _entries(request.allow),
        "app": fields.text(request.app),
        "access_log": bool(request.access_log),
    }
    for name in _BOUNDS:
        asked[name] = _whole_number(name, getattr(request, name), faults)
    try:
        asked["model"] = ConcurrencyModel(str(request.model))
    except ValueError:
        faults["model"] = "Choose a model."
    options = status.options
    present = {
        "port": status.port,
        "model": status.model,
        "threads": options.threads,
        "workers": options.workers,
        "deny": options.deny,
        "allow": options.allow,
        "app": status.app,
        "access_log": bool(options.access_log),
    }
    changed = {name: value for name, value in asked.items() if value != present[name]}
    overrides = ListenerOverrides(**changed)
    faults = validate(status, overrides, why_not) | faults
    if faults:
        raise ListenerRefusedError.of_fields(faults)
    return overrides


def read_new(
    request: NewListenerRequest, taken: Sequence[str], why_not: Callable[[str], str]
) -> tuple[str, ListenerOverrides]:
    """The listener to add: its name, and all that is known of it. `taken` are names in use.

    Raises ListenerRefusedError with a sentence for each field that cannot be.
    """
    faults: dict[str, str] = {}
    name, app = fields.text(request.name), fields.text(request.app)
    if not LISTENER_NAME.fullmatch(name):
        faults["name"] = (
            "A name has 1 to 40 of the characters A-Z a-z 0-9 . _ - and begins with a letter or a "
            "digit."
        )
    elif name in taken:
        faults["name"] = f"There is a listener {name} already."
    port = _whole_number("port", request.port, faults)
    overrides = ListenerOverrides(is_added=True, app=app, port=port)
    faults |= _out_of_bounds(overrides)
    if reason := why_not(app):
        faults["app"] = reason
    if faults:
        raise ListenerRefusedError.of_fields(faults)
    return name, overrides


def validate(
    status: ListenerStatus, overrides: ListenerOverrides, why_not: Callable[[str], str]
) -> dict[str, str]:
    """A sentence for each field of the overrides that cannot be, by its name.

    `why_not` says why an app may not be hosted, nothing when it may.
    """
    faults: dict[str, str] = {}
    if overrides.app is not None and (reason := why_not(overrides.app)):
        faults["app"] = reason
    faults |= _out_of_bounds(overrides)
    on_loop = overrides.model in {None, ConcurrencyModel.ASYNCIO}
    if status.app_kind == AppKind.ASGI and overrides.app is None and not on_loop:
        faults["model"] = "An ASGI app needs an event loop: choose asyncio."
    for name in ("deny", "allow"):
        try:
            networks(getattr(overrides, name) or ())
        except ListenerError as error:
            faults[name] = f"{error}."
    return faults


def _check_port(address: str, port: int | None, statuses: Sequence[ListenerStatus]) -> None:
    """Raise ListenerRefusedError when the port that is asked for is taken.

    The process that hosts the listener finds out as well; asked here, nothing of it is written.
    """
    if not port or address.startswith(UNIX) or is_free(address, port):
        return
    free = next_free_port(address, port)
    holder = describe_holder(port, statuses, address)
    suggestion = f"; the next free port is {free}" if free else ""
    raise ListenerRefusedError.of_fields(
        {"port": f"Port {port} is held by {holder}{suggestion}."}, free
    )


def changeable(statuses: Sequence[ListenerStatus], name: object) -> ListenerStatus:
    """The status of a listener that a person may change. Raises ListenerRefusedError."""
    known = {status.name: status for status in statuses if not status.is_temporary}
    wanted = fields.text(name)
    if not wanted:
        raise ListenerRefusedError("Choose a listener.")
    if wanted not in known:
        raise ListenerRefusedError(
            f"There is no listener {fields.quoted(name)} to change; "
            f"known are: {', '.join(known) or 'none'}."
        )
    return known[wanted]


def _why_not(settings: Settings, statuses: Sequence[ListenerStatus]) -> Callable[[str], str]:
    """`why_not_hostable` over the settings, and over what is hosted as it was started.

    An app of `python -m servescope serve` is in no settings and may be hosted on.
    """
    own = [status.app for status in statuses if not status.is_changed]
    return lambda app: why_not_hostable(settings, app, own)


def _whole_number(name: str, value: object, faults: dict[str, str]) -> int | None:
    """The number in a field; a fault where there is none."""
    number = fields.whole_number(value)
    if not fields.text(value):
        faults[name] = "Fill in a whole number."
    elif number is None:
        faults[name] = f"{_BOUNDS[name][0]} is a whole number, not {fields.quoted(value)}."
    return number


def _entries(value: object) -> tuple[str, ...]:
    parts = fields.text(value).replace("\n", ",").split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _out_of_bounds(overrides: ListenerOverrides) -> dict[str, str]:
    faults = {}
    for name, (said, least, most) in _BOUNDS.items():
        value = getattr(overrides, name)
        if value is not None and not least <= value <= most:
            faults[name] = f"{said} is between {least} and {most:,}, not {fields.quoted(value)}."
    return faults


def _merged(
    before: ListenerOverrides, asked: ListenerOverrides, status: ListenerStatus
) -> ListenerOverrides:
    """Former overrides with what is asked for now in their place.

    An app that could not be hosted is asked for no longer when the listener runs another one.
    """
    is_running = status.state is ListenerState.RUNNING
    if is_running and before.app not in {None, status.app}:
        before = replace(before, app=status.app)
    changed = {name: value for name in _SET_BY_FORM if (value := getattr(asked, name)) is not None}
    return replace(before, **changed)
