"""A listener in a process of its own, for a comparison or an experiment.

The socket is bound here and inherited, as the workers of `prefork` inherit theirs; so its accept
queue can be watched from outside at no cost to the server. The cost of a model is then the cost of
its process, and no model shares an interpreter with the dashboard. The process ends when this one
does, `kill -9` included: see `worker`.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servescope.child_process import let_go
from servescope.errors import ListenerError
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.serving.workers.import_path import import_path
from servescope.serving.workers.order import WorkerOrder
from servescope.serving.workers.process import reports, start_worker, tell
from servescope.sockets.binding import bind

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.records.captures import CaptureOrder
    from servescope.records.listeners import ListenerSpec
    from servescope.serving.model import Load

_TCPI_UNACKED: Final = struct.Struct("@24xI")  # linux/tcp.h; of a listening socket its queue
_LAST_WORDS: Final = 300


class ContenderProcess:
    """One listener in one process, started at once. Raises ListenerError when it cannot be.

    The app is imported from `folder`, which is its working folder; None: as it would be here. What
    an app of a folder starts in the process group of this process ends with it. Requests are
    captured by `captures`, or none.
    """

    def __init__(
        self,
        spec: ListenerSpec,
        rings: Path,
        folder: Path | None = None,
        captures: CaptureOrder | None = None,
    ) -> None:
        self._listening = bind(spec.address, spec.port, spec.options.backlog)
        self.address: tuple[str, int] = self._listening.getsockname()[:2]
        self._spec = spec
        self._since_s = time.time()
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._leads_session = folder is not None
        self._load: Load | None = None
        self._failure = ""
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        order = WorkerOrder(
            spec,
            self._listening.fileno(),
            str(rings.absolute()),
            import_path(folder),
            is_alone=True,
            captures=captures,
            folder=str(folder or ""),
        )
        try:
            self._process = start_worker(order, self._words, leads_session=self._leads_session)
        except OSError as error:
            self._listening.close()
            self._words.close()
            raise ListenerError(f"no process could be started: {error.strerror}") from error
        self._reader = threading.Thread(target=self._follow, name=f"{spec.name}-reports")
        self._reader.daemon = True
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process; the workers of prefork are below it."""
        return self._process.pid

    def status(self) -> ListenerStatus:
        """The listener as the pages know it: a temporary one."""
        spec, (address, port) = self._spec, self.address
        return ListenerStatus(
            name=spec.name,
            state=ListenerState.RUNNING,
            address=address,
            port=port,
            model=spec.model,
            app=spec.app,
            wanted_port=0,
            since_s=self._since_s,
            app_kind=spec.app_kind,
            options=spec.options,
            is_temporary=True,
            pid=self.pid,
        )

    @property
    def load(self) -> Load | None:
        """How busy it is, as it reported last; None before it serves."""
        return self._load

    def is_up(self, seconds: float) -> bool:
        """Wait this long for it to serve. Raises ListenerError when it ended instead."""
        is_ready = self._ready.wait(seconds)
        if self._ended.is_set():
            words = self._failure or self._last_words()
            raise ListenerError(words or f"its process ended with {self._process.returncode}")
        return is_ready

    def errors(self, most_bytes: int) -> str:
        """The end of what the process has written to standard error so far."""
        file = self._words.fileno()  # its offset is that of the process, too: it stays
        size = os.fstat(file).st_size
        return os.pread(file, most_bytes, max(0, size - most_bytes)).decode("utf-8", "replace")

    def accept_queue(self) -> int:
        """Connections that wait to be accepted, now."""
        told = self._listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCPI_UNACKED.size)
        return int(_TCPI_UNACKED.unpack(told)[0])

    def stop(self, grace_seconds: float) -> None:
        """Let requests in flight finish within the grace; then nothing of it is left."""
        tell(self._process, {"stop": grace_seconds})
        self._listening.close()
        if not self._ended.wait(grace_seconds + 3.0):
            self._process.kill()
            self._end_group()
            self._ended.wait(3.0)
        self._reader.join(1)
        let_go(self._process)
        self._words.close()

    def _follow(self) -> None:
        for report in reports(self._process):
            self._failure = report.failure
            self._load = report.load or self._load
            if report.load is not None and report.load.is_serving:
                self._ready.set()
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._end_group()
        self._process.wait()
        self._ended.set()
        self._ready.set()

    def _end_group(self) -> None:
        """Kill what the app has started. Before the process is reaped: the number is still its."""
        if self._leads_session:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][-_LAST_WORDS:] if lines else ""
