"""One app served by this process without a dashboard, recorded into the store of its data folder.

Theory of operation. The process records into a ring of its own, and its gauges, once a second, into
a second one. While a dashboard leads on the data folder, that one's collector drains them, as it
does for the middleware. While none does, this process takes the lock and collects, without the
listeners of the settings. As soon as a dashboard is there it gives the lock back: only a dashboard
can start load and host the other listeners. Recording and serving go on all the while.
"""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.control import Control
from servescope.errors import ListenerError, ServescopeError
from servescope.recording import Recorder, SampleWriter
from servescope.recording.recorder import RINGS, SAMPLES_SUFFIX
from servescope.records import ListenerState, Role
from servescope.runtime.collecting import Collecting
from servescope.runtime.election import LeaderLock
from servescope.runtime.hostable import objection
from servescope.runtime.leading import announce, tell_news
from servescope.runtime.listener_config import LOGS
from servescope.runtime.listeners import Listeners
from servescope.runtime.troubles import Troubles
from servescope.store.sqlite.store import open_store
from servescope.store.tiers import Retention

if TYPE_CHECKING:
    from servescope.records import ListenerSpec, ListenerStatus
    from servescope.settings import Settings

logger = logging.getLogger(__name__)

BEAT_S: Final = 1.0
_HALF: Final = 0.5


class ServedApp:
    """Serves one listener; one thread calls its methods.

    Raises ServescopeError when the data folder or its store cannot be used.
    """

    def __init__(self, folder: Path, spec: ListenerSpec, settings: Settings) -> None:
        self._folder = folder
        self._spec = spec
        self._pid = os.getpid()
        self._lock = LeaderLock(folder)
        self._store = open_store(folder, settings.store_mib, Retention.from_settings(settings))
        self._control = Control(folder)
        self._recorder = Recorder(folder / RINGS)
        self._samples = SampleWriter(self._recorder.ring.path.with_suffix(SAMPLES_SUFFIX))
        self._listeners = Listeners(
            [spec],
            self._recorder,
            folder / LOGS,
            objection=partial(objection, settings, own=[spec.app]),
        )
        self._collecting: Collecting | None = None
        self._trouble = ""
        self._troubles = Troubles(logger)
        self._next_beat = 0.0
        self._sampled = 0.0  # the epoch second

    @property
    def leads(self) -> bool:
        """Whether this process collects."""
        return self._lock.held

    def start(self) -> ListenerStatus:
        """Serve; what is so then. Raises ListenerError when it cannot."""
        name = self._spec.name
        for status in self._control.listeners.statuses():
            # A dead leader's rows are still there; a dead server's are not.
            is_there = (
                status.state is ListenerState.RUNNING and Path(f"/proc/{status.pid}").exists()
            )
            if status.name == name and is_there:
                raise ListenerError(
                    f"process {status.pid} hosts a listener {name} on port {status.port} already: "
                    "choose another --name"
                )
        self._control.listeners.discard_overrides(name)  # what the command line says now is newer
        self._listeners.reconcile({})
        (status,) = self._listeners.statuses()
        if status.state is not ListenerState.RUNNING:
            raise ListenerError(status.message)
        self._control.listeners.write_statuses([status], self._pid)
        self.look_after()
        return status

    def look_after(self) -> None:
        """Hold what is wanted against what is; call a few times a second."""
        self._sample()
        try:
            if self._listeners.reconcile(self._control.listeners.overrides()):
                statuses = self._listeners.statuses()
                self._control.listeners.write_statuses(statuses, self._pid)
                self._troubles.tell(statuses)
            tell_news(self._control, self._listeners)
            if time.monotonic() >= self._next_beat:
                self._next_beat = time.monotonic() + BEAT_S
                self._beat()
            self._take_or_leave_the_lead()
        except ServescopeError as error:  # it is served all the same
            if str(error) != self._trouble:
                logger.warning("%s", error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def _sample(self) -> None:
        """Tell the gauges in the second half of each second, so that each has them once."""
        second, into_it = divmod(time.time(), 1.0)
        if into_it >= _HALF and second != self._sampled:
            self._sampled = second
            self._samples.write(int(second), self._listeners.samples())

    def _beat(self) -> None:
        now = time.time()
        self._control.instances.heartbeat(self._pid, Role.SERVER, now)
        self._control.listeners.heartbeat(self._pid, now)

    def _take_or_leave_the_lead(self) -> None:
        instances = self._control.instances.alive(time.time())
        has_dashboard = any(one.role is not Role.SERVER for one in instances)
        if self._collecting is not None:
            if has_dashboard:
                self._leave_the_lead()
        elif not has_dashboard and self._lock.try_take():
            self._collecting = Collecting(self._folder, self._store, self._control)
            self._collecting.start()
            announce(self._control, self._pid, took_over=False)

    def _leave_the_lead(self) -> None:
        collecting, self._collecting = self._collecting, None
        try:
            if collecting is not None:
                collecting.halt()
                collecting.finish()
        finally:
            self._lock.release()

    def stop(self, grace_seconds: float) -> None:
        """Let requests in flight finish within the grace; then everything ends."""
        self._samples.write(int(time.time()), self._listeners.samples())  # what still counted up
        self._listeners.stop(grace_seconds)
        self._recorder.close()
        self._samples.close()
        try:
            self._leave_the_lead()
            self._control.listeners.write_statuses([], self._pid)
            self._control.instances.remove(self._pid)
        except ServescopeError as error:
            logger.warning("while stopping: %s", error)
        finally:
            self._control.close()
            self._store.close()
