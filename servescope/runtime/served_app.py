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
from typing import TYPE_CHECKING, Final

from servescope.actions import listeners as listener_actions
from servescope.actions.hostable_apps import why_not_hostable
from servescope.control import Control
from servescope.errors import ListenerError, ServescopeError
from servescope.recording.recorder import RINGS, SAMPLES_SUFFIX, Recorder
from servescope.recording.samples import SampleWriter
from servescope.records.dashboard import Role
from servescope.records.listeners import UNIX, ListenerState
from servescope.runtime.captures import CaptureReconciler
from servescope.runtime.collector_thread import CollectorThread
from servescope.runtime.election import LeaderLock
from servescope.runtime.leading import write_leader_event
from servescope.runtime.listener_config import LOGS
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.runtime.reconcile_loop import ReconcileLoop
from servescope.sockets.binding import is_free, next_free_port
from servescope.store.sqlite.store import open_store
from servescope.store.tiers import Retention

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.records.listeners import ListenerSpec, ListenerStatus
    from servescope.settings import Settings

logger = logging.getLogger(__name__)

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
        self._listener = ListenerReconciler(
            [spec],
            self._recorder,
            folder / LOGS,
            why_not_hostable=partial(why_not_hostable, settings, own=[spec.app]),
            others=self._control.listeners.statuses,
        )
        self._host = ListenerHost(self._listener, self._control, self._pid)
        self._loop = ReconcileLoop(self._reconcile, self._heartbeat)
        self._captures = CaptureReconciler(self._control.captures, folder, settings)
        self._collector: CollectorThread | None = None
        self._sampled = 0.0  # the epoch second

    def start(self) -> ListenerStatus:
        """Serve; the listener's status then. Raises ListenerError when it cannot."""
        listener_actions.claim(self._control.listeners, self._spec.name)
        self._listener.reconcile({})
        (status,) = self._listener.statuses()
        if status.state is not ListenerState.RUNNING:
            raise ListenerError(f"{status.message}{self._suggestion()}")
        self.run_once()
        return status

    def _suggestion(self) -> str:
        """Another port in place of one that is taken; empty where that is not the trouble."""
        address, port = self._spec.address, self._spec.port
        if address.startswith(UNIX) or not port or is_free(address, port):
            return ""
        free = next_free_port(address, port)
        return f"; port {free} is free" if free else ""

    def run_once(self) -> None:
        """One round: gauges, and desired with actual state; call every ROUND_S."""
        self._sample()
        self._loop.run_once()

    def _reconcile(self) -> None:
        self._host.reconcile()
        if self._collector is not None:
            self._captures.reconcile()
        self._take_or_leave_the_lead()

    def _sample(self) -> None:
        """Record the gauges in the second half of each second, so that each has them once."""
        second, into_it = divmod(time.time(), 1.0)
        if into_it >= _HALF and second != self._sampled:
            self._sampled = second
            self._samples.write(int(second), self._host.samples())

    def _heartbeat(self) -> None:
        now = time.time()
        self._control.instances.heartbeat(self._pid, Role.SERVER, now)
        self._control.listeners.heartbeat(self._pid, now)

    def _take_or_leave_the_lead(self) -> None:
        instances = self._control.instances.alive(time.time())
        has_dashboard = any(one.role is not Role.SERVER for one in instances)
        if self._collector is not None:
            if has_dashboard:
                self._leave_the_lead()
        elif not has_dashboard and self._lock.try_take():
            self._collector = CollectorThread(self._folder, self._store, self._control)
            self._collector.start()
            took_over = self._lock.ended_holder is not None
            write_leader_event(self._control.events, self._pid, took_over=took_over)

    def _leave_the_lead(self) -> None:
        collector, self._collector = self._collector, None
        try:
            if collector is not None:
                collector.halt()
                collector.finish()
        finally:
            self._lock.release()

    def stop(self, grace_seconds: float) -> None:
        """Let requests in flight finish within the grace; then everything ends."""
        self._samples.write(int(time.time()), self._host.samples())  # what still counted up
        self._host.stop(grace_seconds)
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
