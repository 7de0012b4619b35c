"""The listeners of one process: started, changed while they serve, and told to the pages."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.errors import ListenerError, PortTakenError
from servescope.records import (
    UNIX,
    ListenerOverrides,
    ListenerSpec,
    ListenerState,
    ListenerStatus,
    Sample,
)
from servescope.runtime.hostable import nothing_against
from servescope.runtime.listener_config import settled, wished
from servescope.sampling.owners import holder_of
from servescope.serving import start_listener
from servescope.serving.handover import retire, succeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from servescope.recording import Recorder
    from servescope.serving import RunningListener

logger = logging.getLogger(__name__)

NEXT_PORTS: Final = 50
"""How many ports after a default one are tried when it is taken."""

RETRY_S: Final = 2.0
HANDOVER_S: Final = 1.0
"""How long a new leader waits for its dead predecessor's port before it takes another one."""

STOP_GRACE_S: Final = 1.5
_HANDOVER_STEP_S: Final = 0.02
_AS_SET: Final = ListenerOverrides()


@dataclass(slots=True)
class _Hosted:
    """One listener, what is wanted of it and what became of it."""

    base: ListenerSpec
    is_added: bool = False  # by a person, see ListenerOverrides
    is_leaving: bool = False
    wish: ListenerOverrides | None = None  # the one that was acted on last
    running: RunningListener | None = None
    applied: ListenerSpec | None = None  # what the running one was started with
    status: ListenerStatus | None = None
    message: str = ""
    retry_at: float = 0.0
    change: threading.Thread | None = None
    retiring: list[threading.Thread] = field(default_factory=list)


class Listeners:
    """Makes the listeners what people want, tries again those that failed, and stops them all.

    `previous` are the statuses a former leader left: a port it used is ours to wait for. `logs` is
    the folder of access logs that are switched on while serving. `objection` says why an app may
    not be hosted; `added` what a listener has that a person adds, None where nobody may.
    """

    def __init__(
        self,
        specs: Sequence[ListenerSpec],
        recorder: Recorder,
        logs: Path,
        previous: Sequence[ListenerStatus] = (),
        *,
        objection: Callable[[str], str] = nothing_against,
        added: Callable[[str], ListenerSpec] | None = None,
    ) -> None:
        self._recorder = recorder
        self._logs = logs
        self._objection = objection
        self._added = added
        self._hosted = [_Hosted(spec) for spec in specs]
        self._news: deque[str] = deque()
        self._told: list[ListenerStatus] = []
        self._previous = {
            status.name: status.port for status in previous if status.state is ListenerState.RUNNING
        }

    def reconcile(self, wishes: Mapping[str, ListenerOverrides]) -> bool:
        """Make what is what is wanted; return whether a status changed. Changes take a moment."""
        self._take_in(wishes)
        for hosted in list(self._hosted):
            if hosted.change is not None and hosted.change.is_alive():
                continue
            if hosted.is_leaving:
                self._hosted.remove(hosted)
            elif hosted.is_added and hosted.base.name not in wishes:
                hosted.is_leaving = True
                self._begin(hosted, partial(self._end, hosted))
            else:
                self._see_to(hosted, wishes.get(hosted.base.name, _AS_SET))
        before, self._told = self._told, self.statuses()
        return before != self._told

    def _take_in(self, wishes: Mapping[str, ListenerOverrides]) -> None:
        """Listeners that people have added meanwhile."""
        known = {hosted.base.name for hosted in self._hosted}
        for name, wish in wishes.items():
            if wish.is_added and self._added is not None and name not in known:
                self._hosted.append(_Hosted(self._added(name), is_added=True))

    def news(self) -> Iterator[str]:
        """What was changed since the last call, in a few words each."""
        while self._news:
            yield self._news.popleft()

    def _see_to(self, hosted: _Hosted, wish: ListenerOverrides) -> None:
        before, hosted.wish = hosted.wish, wish
        is_new = wish != before
        if not wish.runs:
            if is_new:
                self._begin(hosted, lambda: self._end(hosted))
        elif hosted.running is None:
            if not is_new and time.monotonic() < hosted.retry_at:
                return
            is_news = before is not None or hosted.is_added
            if wish.app is None:
                self._start(hosted, is_news=is_news)
            else:  # to import somebody's module may take long
                starting = _status(hosted, self._spec(hosted), "")
                hosted.status = hosted.status or replace(starting, state=ListenerState.STARTING)
                self._begin(hosted, lambda: self._start(hosted, is_news=is_news))
        elif is_new:
            again = before is not None and wish.restarts > before.restarts
            self._begin(hosted, lambda: self._change(hosted, again="restarted" if again else ""))
        elif hosted.running.sources is not None and (files := hosted.running.sources.changed()):
            why = f"reloaded for {', '.join(Path(file).name for file in files)}"
            self._begin(hosted, lambda: self._change(hosted, again=why))
        elif hosted.running.look_at_certificate():
            self._tell_of(f"{hosted.base.name}: renewed certificate")
            hosted.message = hosted.running.problem
            self._tell(hosted, hosted.message)
        elif hosted.running.problem != hosted.message:
            hosted.message = hosted.running.problem
            self._tell(hosted, hosted.message)

    def _tell_of(self, news: str, details: str = "") -> None:
        """Put a change on the time axis, in a few words, and into the log with its details."""
        self._news.append(news)
        logger.info("listener %s%s", news, f": {details}" if details else "")

    def _begin(self, hosted: _Hosted, act: Callable[[], None]) -> None:
        """Do something that may take seconds on a thread of its own."""
        hosted.change = threading.Thread(target=act, name=f"{hosted.base.name}-change", daemon=True)
        hosted.change.start()

    def _spec(self, hosted: _Hosted) -> ListenerSpec:
        return wished(hosted.base, hosted.wish or _AS_SET, self._logs)

    def _settled(self, hosted: _Hosted) -> ListenerSpec:
        """What is wanted, its app imported. Raises ListenerError."""
        return settled(self._spec(hosted), hosted.wish or _AS_SET, self._objection)

    def _end(self, hosted: _Hosted) -> None:
        running, hosted.running = hosted.running, None
        if running is not None:
            running.stop(STOP_GRACE_S)
            self._tell_of(f"{hosted.base.name} stopped")
        hosted.applied = None
        hosted.status = replace(
            _status(hosted, self._spec(hosted), ""), state=ListenerState.STOPPED
        )

    def _change(self, hosted: _Hosted, *, again: str) -> None:
        """Give a running listener what is wanted now; what cannot be leaves it as it is.

        `again` says for the log why it begins anew even if nothing else is wanted; it may be empty.
        """
        old, applied = hosted.running, hosted.applied
        if old is None or applied is None:
            return
        name = applied.name
        try:
            spec = self._settled(hosted)
            if spec == applied and not again:
                self._tell(hosted, "")
                return
            if spec.port != applied.port or spec.address != applied.address:
                hosted.running = self._start_on(spec, spec.port)
            elif not again and _but_for_access(spec) == _but_for_access(applied):
                old.change_access(spec.options.deny, spec.options.allow)
                hosted.applied = spec
                self._tell_of(
                    f"{name}: other addresses denied",
                    f"denied {', '.join(spec.options.deny) or 'nobody'}, "
                    f"allowed {', '.join(spec.options.allow) or 'everybody else'}",
                )
                self._tell(hosted, "")
                return
            else:
                hosted.running = succeed(old, replace(spec, port=old.address[1]), self._recorder)
        except PortTakenError as error:
            failure = f"port {error.port} is held by {holder_of(error.port)}"
            self._tell(hosted, f"{failure}; still on port {old.address[1]}")
        except ListenerError as error:
            self._tell(hosted, f"{error}; still as before")
        else:
            hosted.applied = spec
            hosted.retiring = [one for one in hosted.retiring if one.is_alive()]
            hosted.retiring.append(retire(old))
            hosted.status = _status(hosted, spec, "")
            self._tell_of(f"{name} {again or 'changed'}", _how(hosted.status))

    def _tell(self, hosted: _Hosted, message: str) -> None:
        """The listener goes on, with something else to say of it."""
        since = hosted.status.since_s if hosted.status else time.time()
        spec = hosted.applied or self._spec(hosted)
        hosted.status = replace(_status(hosted, spec, message), since_s=since)

    def _start(self, hosted: _Hosted, *, is_news: bool) -> None:
        held_by = refused = failure = ""
        try:
            spec = self._settled(hosted)
        except ListenerError as error:  # what is wanted since cannot be: as the settings say, then
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
                held_by = held_by or f"port {error.port} is held by {holder_of(error.port)}"
                failure = held_by
            except ListenerError as error:
                failure = str(error)
                break
            else:
                message = f"{held_by}; using {hosted.running.address[1]} instead" if held_by else ""
                if refused:
                    message = f"{refused}; with the app of the settings instead"
                hosted.applied = spec
                hosted.status = _status(hosted, spec, message)
                hosted.message = ""
                logger.info("listener %s is up: %s", spec.name, _how(hosted.status))
                if is_news:
                    self._news.append(f"{hosted.base.name} started")
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
        """Ports to try: the wanted one, and for a default the one used before, then the next."""
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
        """Where each listener stands."""
        return [hosted.status for hosted in self._hosted if hosted.status is not None]

    def samples(self) -> Iterator[Sample]:
        """The listeners' own gauges."""
        for hosted in list(self._hosted):  # asked by the collector's thread
            running = hosted.running
            if running is not None:
                yield from running.samples()

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


def _how(status: ListenerStatus) -> str:
    """Where a listener is, and how it serves what."""
    return f"{status.url} serves {status.app} on {status.model}"


def _but_for_access(spec: ListenerSpec) -> ListenerSpec:
    return replace(spec, options=replace(spec.options, deny=(), allow=()))


def _status(hosted: _Hosted, spec: ListenerSpec, message: str) -> ListenerStatus:
    running, wish = hosted.running, hosted.wish or _AS_SET
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
        is_changed=replace(wish, restarts=0) != _AS_SET,
        is_added=hosted.is_added,
        pid=os.getpid(),
        certificate=running.certificate if running else None,
    )
