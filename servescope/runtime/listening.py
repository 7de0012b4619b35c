"""The hosted listeners: wanted by the settings, started by the leader, told to the pages."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope import demo
from servescope.errors import ListenerError, PortTakenError
from servescope.records import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
    ListenerState,
    ListenerStatus,
    Sample,
)
from servescope.sampling.owners import holder_of
from servescope.serving import start_listener

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servescope.recording import Recorder
    from servescope.serving import RunningListener
    from servescope.settings import Settings

NEXT_PORTS: Final = 50
"""How many ports after a default one are tried when it is taken."""

RETRY_S: Final = 2.0
HANDOVER_S: Final = 1.0
"""How long a new leader waits for its dead predecessor's port before it takes another one."""

_HANDOVER_STEP_S: Final = 0.02
BUNDLED_SITE: Final = Path(demo.__file__).parent / "site"


def wanted_listeners(settings: Settings) -> list[ListenerSpec]:
    """The listeners these settings ask for."""
    cores = sorted(os.sched_getaffinity(0))
    options = ListenerOptions(
        threads=settings.threads,
        workers=settings.workers,
        deny=tuple(str(network) for network in settings.deny),
    )
    files = (
        "files",
        settings.files_port,
        settings.files_model,
        AppKind.STATIC,
        str(settings.files_folder or BUNDLED_SITE),
        "files_port",
    )
    wsgi = (
        "wsgi",
        settings.wsgi_port,
        settings.wsgi_model,
        AppKind.WSGI,
        settings.wsgi_app,
        "wsgi_port",
    )
    asgi = ("asgi", settings.asgi_port, "asyncio", AppKind.ASGI, settings.asgi_app, "asgi_port")
    return [
        ListenerSpec(
            name=name,
            address=settings.listen_address,
            port=port,
            model=ConcurrencyModel(model),
            app_kind=kind,
            app=app,
            port_is_default=setting not in settings.model_fields_set,
            options=replace(
                options,
                pin_core=cores[index % len(cores)] if settings.pin_cpu else None,
                debugger=settings.wsgi_debugger and name == "wsgi",
            ),
        )
        for index, (name, port, model, kind, app, setting) in enumerate((files, wsgi, asgi))
    ]


@dataclass(slots=True)
class _Hosted:
    """One wanted listener and what became of it."""

    spec: ListenerSpec
    running: RunningListener | None = None
    status: ListenerStatus | None = None
    retry_at: float = 0.0


class Listeners:
    """Starts the wanted listeners, tries again those that failed, and stops them all.

    `previous` are the statuses a former leader left: a port it used is ours to wait for.
    """

    def __init__(
        self,
        specs: Sequence[ListenerSpec],
        recorder: Recorder,
        previous: Sequence[ListenerStatus] = (),
    ) -> None:
        self._recorder = recorder
        self._hosted = [_Hosted(spec) for spec in specs]
        self._previous = {
            status.name: status.port for status in previous if status.state is ListenerState.RUNNING
        }

    def reconcile(self) -> bool:
        """Start what is wanted and does not run; return whether a status changed."""
        changed = False
        for hosted in self._hosted:
            if hosted.running is None and time.monotonic() >= hosted.retry_at:
                before = hosted.status
                self._start(hosted)
                changed |= hosted.status != before
        return changed

    def _start(self, hosted: _Hosted) -> None:
        spec = hosted.spec
        held_by = ""
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
                hosted.status = _status(spec, hosted.running, message)
                return
        hosted.retry_at = time.monotonic() + RETRY_S
        since = hosted.status.since_s if hosted.status else time.time()
        hosted.status = replace(
            _status(spec, None, failure), state=ListenerState.FAILED, since_s=since
        )

    def _candidates(self, spec: ListenerSpec) -> Iterator[int]:
        """Ports to try: the wanted one, and for a default the one used before, then the next."""
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

    def ports(self) -> list[int]:
        """The ports our listeners are bound to."""
        return [hosted.running.address[1] for hosted in self._hosted if hosted.running]

    def samples(self) -> Iterator[Sample]:
        """The listeners' own gauges."""
        for hosted in self._hosted:
            if hosted.running is not None:
                yield from hosted.running.samples()

    def pin_core(self, name: str) -> int | None:
        """The core a listener's threads are pinned to."""
        for hosted in self._hosted:
            if hosted.spec.name == name:
                return hosted.spec.options.pin_core
        return None

    def stop(self, grace_seconds: float) -> None:
        """Stop every listener gracefully, together within about `grace_seconds` each."""
        for hosted in self._hosted:
            if hosted.running is not None:
                hosted.running.stop(grace_seconds)
                hosted.running = None
            if hosted.status is not None:
                hosted.status = replace(hosted.status, state=ListenerState.STOPPED, message="")


def _status(spec: ListenerSpec, running: RunningListener | None, message: str) -> ListenerStatus:
    address, port = running.address if running else (spec.address, spec.port)
    return ListenerStatus(
        name=spec.name,
        state=ListenerState.RUNNING,
        address=address,
        port=port,
        model=spec.model,
        app=spec.app,
        wanted_port=spec.port,
        message=message,
        since_s=time.time(),
    )
