"""The model `prefork`: N processes accept from one listening socket, each with a thread pool.

It also gives an app on another model a process of its own (`ListenerOptions.reload`), so that each
generation of it imports the app anew.

The processes are started with `subprocess` and inherit the socket; this process, which has threads,
is never forked. Each records into a ring of its own. A worker lives as long as the pipe to its
standard input is held open, so none outlives this process, `kill -9` included. One that dies is
replaced and counted.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.child_process import let_go
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.records.listeners import ConcurrencyModel, calls_app_on_loop
from servescope.serving.connection import STAGES_IN_HAND
from servescope.serving.model import Assignment, Load
from servescope.serving.workers.order import WorkerOrder
from servescope.serving.workers.process import reports, start_worker, tell

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from servescope.records.captures import CaptureOrder
    from servescope.records.listeners import ListenerSpec
    from servescope.serving.tls.certificates import Pair
    from servescope.serving.tls.served_certificate import ServedCertificate

SHORT_LIFE_S: Final = 1.0
"""A worker that lived shorter than this, or that could not serve at all, is replaced only after as
long: no storm of starts."""

KILL_AFTER_S: Final = 1.0
"""Beyond the grace; then a worker is ended by SIGKILL."""

_NOT_UP: Final = Load(0, 0, 0, 0, is_serving=False)
_log = UnfailingLogger(__name__)


class _Worker:
    """One worker process after the other, in one place."""

    def __init__(
        self, assignment: Assignment, spec: ListenerSpec, number: int, *, is_alone: bool
    ) -> None:
        self._assignment = assignment
        self._is_retired = False
        self._order = WorkerOrder(
            spec,
            assignment.listening.fileno(),
            str(assignment.rings.absolute()),
            sys.path,
            assignment.tls.pair if assignment.tls else None,
            is_alone=is_alone,
        )
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.load = _NOT_UP
        """Its counts include those of the processes that have ended, so they never decrease."""
        self.replaced = 0
        self.thread = threading.Thread(
            target=self._keep, name=f"{assignment.site.name}-worker-{number}", daemon=True
        )

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def _keep(self) -> None:
        """Start the process, follow its reports, replace it when it dies."""
        while True:
            began, began_ns = time.monotonic(), time.time_ns()
            try:
                process = self._start()
            except OSError as error:  # no memory, or no more processes: later, maybe
                process, ended = None, error.strerror or str(error)
            else:
                if process is None:
                    return
                code = self._follow(process, began_ns)
                ended = self.load.failure or f"worker {process.pid} ended with {code}"
            if self.load.failure or time.monotonic() - began < SHORT_LIFE_S:
                self._is_stopping.wait(SHORT_LIFE_S)
            if self._is_stopping.is_set() or self._is_retired:
                return
            self.replaced += 1
            _log.warning("listener %s: %s; replacing it", self._assignment.site.name, ended)

    def _follow(self, process: subprocess.Popen[bytes], began_ns: int) -> int:
        """Read the reports until the process ends; its return code."""
        failure, sources, ended = "", self._assignment.sources, self.load
        for report in reports(process):
            failure = report.failure
            if report.load is not None:
                self.load = report.load.with_counts_of(ended)
            if sources is not None:
                sources.add(report.sources, began_ns)
        code = process.wait()
        with self._lock:
            self._process = None
            self.load = replace(_NOT_UP, failure=failure).with_counts_of(self.load)
            let_go(process)
        return code

    def _start(self) -> subprocess.Popen[bytes] | None:
        """A new process, or None once it is to stop."""
        with self._lock:
            # Once retired, too, the listening socket's number may be somebody else's.
            if self._is_stopping.is_set() or self._is_retired:
                return None
            self._process = start_worker(self._order)
            return self._process

    def change_access(self) -> None:
        """Pass the lists of who is denied on to the process, and to those that replace it."""
        access = self._assignment.access
        lists = {"deny": access.deny, "allow": access.allow}
        with self._lock:
            spec = self._order.spec
            options = replace(spec.options, deny=access.deny, allow=access.allow)
            self._order = replace(self._order, spec=replace(spec, options=options))
            self._tell(lists)

    def change_certificate(self, pair: Pair) -> None:
        """Pass a renewed certificate on to the process, and to those that replace it."""
        with self._lock:
            self._order = replace(self._order, pair=pair)
            self._tell({"pair": asdict(pair)})

    def change_captures(self, order: CaptureOrder | None) -> None:
        """Pass an order to capture on to the process, and to those that replace it."""
        with self._lock:
            self._order = replace(self._order, captures=order)
            self._tell({"captures": None if order is None else order.to_json()})

    def retire(self) -> None:
        """Ask the process to leave new connections to somebody else."""
        with self._lock:
            self._is_retired = True
            self._tell({"retire": True})

    def _tell(self, told: Mapping[str, object]) -> None:
        if self._process is not None:
            tell(self._process, told)

    def stop(self, grace_seconds: float) -> None:
        """Ask for a graceful end."""
        with self._lock:
            self._is_stopping.set()
            self._tell({"stop": grace_seconds})

    def kill(self) -> None:
        """End the process at once."""
        with self._lock:
            if self._process is not None:
                self._process.kill()


class Prefork:
    """Serves an assignment in processes; see `serving.model.Model`."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        cores = sorted(os.sched_getaffinity(0))
        options = assignment.options
        self._workers = []
        is_prefork = assignment.spec.model is ConcurrencyModel.PREFORK
        for number in range(options.workers if is_prefork else 1):
            is_pinned = options.pin_core is not None
            core = cores[((options.pin_core or 0) + number) % len(cores)] if is_pinned else None
            spec = replace(
                assignment.spec,
                model=ConcurrencyModel.THREAD_POOL if is_prefork else assignment.spec.model,
                options=replace(options, pin_core=core),
            )
            self._workers.append(_Worker(assignment, spec, number, is_alone=not is_prefork))
        assignment.access.on_change(self._change_access)
        if assignment.tls is not None:
            assignment.tls.on_change(partial(self._change_certificate, assignment.tls))

        assignment.captures.on_change(self._change_captures)

    def start(self) -> None:
        """Start the processes; clients that connect earlier wait in the accept queue."""
        for worker in self._workers:
            worker.thread.start()

    @property
    def pids(self) -> list[int]:
        """The processes now."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def load(self) -> Load:
        """How busy all workers were at their last reports, a quarter of a second old at most."""
        loads, spec = [worker.load for worker in self._workers], self._assignment.spec
        return Load(
            sum(load.open_connections for load in loads),
            sum(load.busy_threads for load in loads),
            sum(load.queued_requests for load in loads),
            sum(load.active_requests for load in loads),
            sum(worker.replaced for worker in self._workers),
            is_serving=all(load.is_serving for load in loads),
            # Of one process at most: several have threads, and no WebSockets.
            websocket=next((load.websocket for load in loads if load.websocket), None),
            failure=next((load.failure for load in loads if load.failure), ""),
            in_stage={
                stage: sum(load.in_stage.get(stage, 0) for load in loads)
                for stage in STAGES_IN_HAND
            },
            left_connections=sum(load.left_connections for load in loads),
            accepted=sum(load.accepted for load in loads),
            turned_away=sum(load.turned_away for load in loads),
            has_request_threads=not calls_app_on_loop(spec.model, spec.app_kind),
        )

    def _change_access(self) -> None:
        for worker in self._workers:
            worker.change_access()

    def _change_certificate(self, served: ServedCertificate) -> None:
        for worker in self._workers:
            worker.change_certificate(served.pair)

    def _change_captures(self, order: CaptureOrder | None) -> None:
        for worker in self._workers:
            worker.change_captures(order)

    def retire(self) -> None:
        """Leave the accept queue to somebody else; see `Model`."""
        for worker in self._workers:
            worker.retire()
        self._assignment.listening.close()

    def disown(self) -> None:
        """Nothing is left: `start_child` sees to the pipes; see `Model`."""

    def stop(self, grace_seconds: float) -> None:
        """Let every worker stop gracefully; those that do not within the grace are killed."""
        for worker in self._workers:
            worker.stop(grace_seconds)
        self._assignment.listening.close()  # the workers' own is the last that is open
        give_up = time.monotonic() + grace_seconds + KILL_AFTER_S
        for worker in self._workers:
            worker.thread.join(max(give_up - time.monotonic(), 0.0))
            if worker.thread.is_alive():
                name = self._assignment.site.name
                _log.warning("listener %s: worker %s did not end", name, worker.pid)
                worker.kill()
                worker.thread.join(KILL_AFTER_S)
