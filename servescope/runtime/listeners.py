"""The listeners of one process: started, changed while they serve, stopped."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.actions.port_holders import describe_holder
from servescope.errors import ListenerError, PortTakenError, StoreError
from servescope.records.listeners import (
    UNIX,
    ListenerOverrides,
    ListenerSpec,
    ListenerState,
    ListenerStatus,
)
from servescope.runtime.listener_config import apply_overrides, resolve_app
from servescope.serving import start_listener
from servescope.serving.handover import retire, succeed
from servescope.sockets.binding import NEXT_PORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from servescope.recording.recorder import Recorder
    from servescope.records.captures import CaptureOrder
    from servescope.records.metrics import Sample
    from servescope.serving import RunningListener
    from servescope.serving.model import Load

logger = logging.getLogger(__name__)

RETRY_S: Final = 2.0
HANDOVER_S: Final = 1.0
"""How long a new leader waits for its dead predecessor's port before it takes another one."""

STOP_GRACE_S: Final = 1.5
_HANDOVER_STEP_S: Final = 0.02
_AS_CONFIGURED: Final = ListenerOverrides()


@dataclass(slots=True)
class _Hosted:
    """One listener: its desired state, and its actual one."""

    base: ListenerSpec
    is_added: bool = False  # by a person, see ListenerOverrides
    is_leaving: bool = False
    overrides: ListenerOverrides | None = None  # those that were acted on last
    accepted: ListenerOverrides | None = None  # those that were carried out last
    refused: ListenerOverrides | None = None  # those that could not be, until others come
    running: RunningListener | None = None
    applied: ListenerSpec | None = None  # what the running one was started with
    status: ListenerStatus | None = None
    message: str = ""
    retry_at: float = 0.0
    change: threading.Thread | None = None
    retiring: list[threading.Thread] = field(default_factory=list)


class RefusedOverrides(NamedTuple):
    """Overrides that a running listener could not be given, and those that it goes on with."""

    name: str
    refused: ListenerOverrides
    kept: ListenerOverrides


class ListenerReconciler:
    """Reconciles listeners with their overrides, tries again those that failed, stops them all.

    A change of a running listener is carried out whole or not at all; see `take_refused`.

    `previous` are the statuses a former leader left: a port it used is ours to wait for. `logs` is
    the folder of access logs that are switched on while serving. `why_not_hostable` says why an app
    may not be hosted; `added_listener` makes the one that a person adds, None where nobody may;
    `others` gives listeners of other processes, which may hold a port.
    """

    def __init__(
        self,
        specs: Sequence[ListenerSpec],
        recorder: Recorder,
        logs: Path,
        previous: Sequence[ListenerStatus] = (),
        *,
        why_not_hostable: Callable[[str], str],
        added_listener: Callable[[str], ListenerSpec] | None = None,
        others: Callable[[], Sequence[ListenerStatus]] = list,
    ) -> None:
        self._recorder = recorder
        self._logs = logs
        self._why_not_hostable = why_not_hostable
        self._added_listener = added_listener
        self._others = others
        self._hosted = [_Hosted(spec) for spec in specs]
        self._changes: deque[str] = deque()
        self._refused: deque[RefusedOverrides] = deque()
        self._previous = {
            status.name: status.port for status in previous if status.state is ListenerState.RUNNING
        }

    def reconcile(
        self, overrides: Mapping[str, ListenerOverrides], captures: CaptureOrder | None = None
    ) -> None:
        """Begin what makes the actual state the desired one; a change takes a moment.

        Requests are captured by `captures`, or none.
        """
        for hosted in self._hosted:
            if hosted.running is not None:
                only = captures.filter.listener if captures is not None else ""
                is_meant = only in {"", hosted.base.name}
                hosted.running.change_captures(captures if is_meant else None)
        self._host_added(overrides)
        for hosted in list(self._hosted):
            if hosted.change is not None and hosted.change.is_alive():
                continue
            if hosted.is_leaving:
                self._hosted.remove(hosted)
            elif hosted.is_added and hosted.base.name not in overrides:
                hosted.is_leaving = True
                self._begin(hosted, partial(self._end, hosted))
            else:
                asked = overrides.get(hosted.base.name, _AS_CONFIGURED)
                if hosted.overrides is not None and _are_same(asked, hosted.refused):
                    asked = hosted.overrides  # until those that were refused are withdrawn
                self._reconcile_one(hosted, asked)

    def _host_added(self, overrides: Mapping[str, ListenerOverrides]) -> None:
        """Take in the listeners that people have added meanwhile."""
        if self._added_listener is None:
            return
        known = {hosted.base.name for hosted in self._hosted}
        for name, one in overrides.items():
            if one.is_added and name not in known:
                self._hosted.append(_Hosted(self._added_listener(name), is_added=True))

    def take_changes(self) -> Iterator[str]:
        """The changes since the last call, each in a few words."""
        while self._changes:
            yield self._changes.popleft()

    def take_refused(self) -> Iterator[RefusedOverrides]:
        """The overrides since the last call that a running listener could not be given.

        It goes on as it was; its desired state shall be what it was, too.
        """
        while self._refused:
            yield self._refused.popleft()

    def _reconcile_one(self, hosted: _Hosted, overrides: ListenerOverrides) -> None:
        before, hosted.overrides = hosted.overrides, overrides
        is_new = not _are_same(overrides, before)
        if not overrides.runs:
            if is_new:
                self._begin(hosted, lambda: self._end(hosted))
        elif hosted.running is None:
            if not is_new and time.monotonic() < hosted.retry_at:
                return
            is_change = before is not None or hosted.is_added
            if overrides.app is None:
                self._start(hosted, is_change=is_change)
            else:  # to import somebody's module may take long
                starting = _status(hosted, self._spec(hosted), "")
                hosted.status = hosted.status or replace(starting, state=ListenerState.STARTING)
                self._begin(hosted, lambda: self._start(hosted, is_change=is_change))
        elif is_new:
            again = before is not None and overrides.restarts > before.restarts
            self._begin(hosted, lambda: self._change(hosted, again="restarted" if again else ""))
        elif hosted.running.sources is not None and (files := hosted.running.sources.changed()):
            why = f"reloaded for {', '.join(Path(file).name for file in files)}"
            self._begin(hosted, lambda: self._change(hosted, again=why))
        elif hosted.running.look_at_certificate():
            self._note_change(f"{hosted.base.name}: renewed certificate")
            hosted.message = hosted.running.problem
            self._set_message(hosted, hosted.message)
        elif hosted.running.problem != hosted.message:
            hosted.message = hosted.running.problem
            self._set_message(hosted, hosted.message)

    def _note_change(self, change: str, details: str = "") -> None:
        """Keep a change, in a few words, for `take_changes`, and log it with its details."""
        self._changes.append(change)
        logger.info("listener %s%s", change, f": {details}" if details else "")

    def _begin(self, hosted: _Hosted, act: Callable[[], None]) -> None:
        """Do something that may take seconds on a thread of its own."""
        hosted.change = threading.Thread(target=act, name=f"{hosted.base.name}-change", daemon=True)
        hosted.change.start()

    def _spec(self, hosted: _Hosted) -> ListenerSpec:
        return apply_overrides(hosted.base, hosted.overrides or _AS_CONFIGURED, self._logs)

    def _resolved(self, hosted: _Hosted) -> ListenerSpec:
        """The desired state, its app imported. Raises ListenerError."""
        overrides = hosted.overrides or _AS_CONFIGURED
        return resolve_app(self._spec(hosted), overrides, self._why_not_hostable)

    def _end(self, hosted: _Hosted) -> None:
        running, hosted.running = hosted.running, None
        if running is not None:
            running.stop(STOP_GRACE_S)
            self._note_change(f"{hosted.base.name} stopped")
        hosted.applied = None
        hosted.status = replace(
            _status(hosted, self._spec(hosted), ""), state=ListenerState.STOPPED
        )

    def _change(self, hosted: _Hosted, *, again: str) -> None:
        """Give a running listener its desired state; where that fails it stays as it is.

        `again` says for the log why it begins anew even if nothing else changes; it may be empty.
        """
        old, applied = hosted.running, hosted.applied
        if old is None or applied is None:
            return
        name = applied.name
        try:
            spec = self._resolved(hosted)
            if spec == applied and not again:
                self._accept(hosted)
                self._set_message(hosted, "")
                return
            if spec.port != applied.port or spec.address != applied.address:
                hosted.running = self._start_on(spec, spec.port)
            elif not again and _but_for_access(spec) == _but_for_access(applied):
                old.change_access(spec.options.deny, spec.options.allow)
                hosted.applied = spec
                self._accept(hosted)
                self._note_change(
                    f"{name}: other addresses denied",
                    f"denied {', '.join(spec.options.deny) or 'nobody'}, "
                    f"allowed {', '.join(spec.options.allow) or 'everybody else'}",
                )
                self._set_message(hosted, "")
                return
            else:
                hosted.running = succeed(old, replace(spec, port=old.address[1]), self._recorder)
        except PortTakenError as error:
            self._refuse(hosted)
            failure = self._taken(error.port, spec.address)
            self._set_message(hosted, f"{failure}; still on port {old.address[1]}")
        except ListenerError as error:
            self._refuse(hosted)
            self._set_message(hosted, f"{error}; still as before")
        else:
            hosted.applied = spec
            self._accept(hosted)
            hosted.retiring = [one for one in hosted.retiring if one.is_alive()]
            hosted.retiring.append(retire(old))
            hosted.status = _status(hosted, spec, "")
            self._note_change(f"{name} {again or 'changed'}", _how(hosted.status))

    @staticmethod
    def _accept(hosted: _Hosted) -> None:
        hosted.accepted, hosted.refused = hosted.overrides, None

    def _refuse(self, hosted: _Hosted) -> None:
        """Go on with the overrides before these, unless there are no newer ones than before."""
        asked, before = hosted.overrides, hosted.accepted or _AS_CONFIGURED
        if asked is None or _are_same(asked, before):
            return
        hosted.refused = asked
        hosted.overrides = replace(before, restarts=asked.restarts, revision=asked.revision)
        self._refused.append(RefusedOverrides(hosted.base.name, asked, hosted.overrides))

    def _taken(self, port: int, address: str) -> str:
        try:
            others = self._others()
        except StoreError:  # then they are named as any other process
            others = []
        holder = describe_holder(port, [*self.statuses(), *others], address)
        return f"port {port} is held by {holder}"

    def _set_message(self, hosted: _Hosted, message: str) -> None:
        """The listener goes on, with another message in its status."""
        since = hosted.status.since_s if hosted.status else time.time()
        spec = hosted.applied or self._spec(hosted)
        hosted.status = replace(_status(hosted, spec, message), since_s=since)

    def _start(self, hosted: _Hosted, *, is_change: bool) -> None:
        held_by = refused = failure = ""
        try:
            spec = self._resolved(hosted)
        except ListenerError as error:  # the overrides cannot be: as the settings say, then
            spec, refused = self._spec(hosted), str(error)
            if hosted.is_added:
                self._fail(hosted, spec, refused)
                return
            spec = replace(
                spec, app=hosted.base.app, app_kind=hosted.base.app_kind, model=hosted.base.model
            )
        for port in self._candidates(spec):
            try:
                hosted.running = self._start_on(spec, port)
            except PortTakenError as error:
                held_by = held_by or self._taken(error.port, spec.address)
                failure = held_by
            except ListenerError as error:
                failure = str(error)
                break
            else:
                message = f"{held_by}; using {hosted.running.address[1]} instead" if held_by else ""
                if refused:
                    message = f"{refused}; with the app of the settings instead"
                hosted.applied = spec
                self._accept(hosted)
                hosted.status = _status(hosted, spec, message)
                hosted.message = ""
                logger.info("listener %s is up: %s", spec.name, _how(hosted.status))
                if is_change:
                    self._changes.append(f"{hosted.base.name} started")
                return
        self._fail(hosted, spec, failure)

    @staticmethod
    def _fail(hosted: _Hosted, spec: ListenerSpec, failure: str) -> None:
        """It could not be started: say why, and when to try again."""
        hosted.retry_at = time.monotonic() + RETRY_S
        since = hosted.status.since_s if hosted.status else time.time()
        hosted.status = replace(
            _status(hosted, spec, failure), state=ListenerState.FAILED, since_s=since
        )

    def _candidates(self, spec: ListenerSpec) -> Iterator[int]:
        """Ports to try: the desired one, and for a default the one used before, then the next."""
        if spec.address.startswith(UNIX):
            yield 0
            return
        yield spec.port
        if spec.port_is_default and spec.port:
            previous = self._previous.get(spec.name)
            if previous not in {None, spec.port}:
                yield previous
            yield from range(spec.port + 1, spec.port + 1 + NEXT_PORTS)

    def _start_on(self, spec: ListenerSpec, port: int) -> RunningListener:
        """Start on one port; wait a moment for it when a former leader had it."""
        spec = replace(spec, port=port)
        patience = HANDOVER_S if self._previous.get(spec.name) == port else 0.0
        deadline = time.monotonic() + patience
        while True:
            try:
                return start_listener(spec, self._recorder)
            except PortTakenError:
                if time.monotonic() >= deadline:
                    raise
                # The kernel closes a killed process's sockets after it gave back its lock.
                time.sleep(_HANDOVER_STEP_S)

    def statuses(self) -> list[ListenerStatus]:
        """The actual state of each listener."""
        return [hosted.status for hosted in self._hosted if hosted.status is not None]

    def samples(self) -> Iterator[Sample]:
        """The listeners' own gauges."""
        for hosted in list(self._hosted):  # asked by the collector's thread
            running = hosted.running
            if running is not None:
                yield from running.samples()

    def load(self, name: str) -> Load | None:
        """How busy a listener is now; None where it does not run here."""
        for hosted in list(self._hosted):
            if hosted.running is not None and hosted.running.spec.name == name:
                return hosted.running.load()
        return None

    def stop(self, grace_seconds: float) -> None:
        """Stop every listener gracefully, together within about `grace_seconds` each."""
        for hosted in self._hosted:
            if hosted.change is not None:
                hosted.change.join(grace_seconds)
            if hosted.running is not None:
                hosted.running.stop(grace_seconds)
                hosted.running = None
                logger.info("listener %s stopped", hosted.base.name)
            for retiring in hosted.retiring:
                retiring.join(grace_seconds)
            if hosted.status is not None:
                hosted.status = replace(hosted.status, state=ListenerState.STOPPED, message="")


def _are_same(one: ListenerOverrides, other: ListenerOverrides | None) -> bool:
    """Whether they are the same, asked for at the same time."""
    return other is not None and one == other and one.revision == other.revision


def _how(status: ListenerStatus) -> str:
    """Where a listener is, and how it serves what."""
    return f"{status.url} serves {status.app} on {status.model}"


def _but_for_access(spec: ListenerSpec) -> ListenerSpec:
    return replace(spec, options=replace(spec.options, deny=(), allow=()))


def _status(hosted: _Hosted, spec: ListenerSpec, message: str) -> ListenerStatus:
    running, overrides = hosted.running, hosted.overrides or _AS_CONFIGURED
    at_path = spec.address.startswith(UNIX)
    address, port = running.address if running else (spec.address, 0 if at_path else spec.port)
    return ListenerStatus(
        name=spec.name,
        state=ListenerState.RUNNING,
        address=address,
        port=port,
        model=spec.model,
        app=spec.app,
        wanted_port=0 if at_path else spec.port,
        message=message,
        since_s=time.time(),
        is_tls=bool(spec.options.certificate),
        app_kind=spec.app_kind,
        options=spec.options,
        is_changed=replace(overrides, restarts=0) != _AS_CONFIGURED,
        is_added=hosted.is_added,
        pid=os.getpid(),
        certificate=running.certificate if running else None,
        revision=overrides.revision,
        address_setting=spec.address_setting,
    )
