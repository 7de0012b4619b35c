"""The dashboard's side of an export's process: start it, read from it, end it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import weakref
from typing import IO, TYPE_CHECKING, Final, Self

from servescope.child_process import let_go, say, start_child
from servescope.errors import ExportFailedError
from servescope.exports.order import IDLE_S, LONGEST_S, REFUSED
from servescope.forked_child import disown_in_children

if TYPE_CHECKING:
    import subprocess

    from servescope.exports.order import ExportOrder, RunExportOrder

MODULE: Final = "servescope.exports.worker"
MOST_AT_ONCE: Final = 2
"""Exports that one dashboard process makes at a time: each takes 100 to 150 MiB and a thread."""

_BLOCK_BYTES: Final = 65_536
_STDERR_TAIL_BYTES: Final = 4_000

logger = logging.getLogger(__name__)


class ExportProcesses:
    """Starts the exports of this process, a child process each, at most `most` at a time."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._most = most
        self._free = threading.BoundedSemaphore(most)

    def start(self, order: ExportOrder | RunExportOrder) -> ExportStream:
        """Start an export and wait for its first bytes.

        Raises ExportFailedError when there are `most` exports already, when no process can be
        started, and when it ends without a byte.
        """
        if not self._free.acquire(blocking=False):
            raise ExportFailedError(
                f"this dashboard process is writing {self._most} exports, the most at a time: "
                "try again when one of them is done"
            )
        try:
            stream = ExportStream(order, self._free)
        except OSError as error:
            self._free.release()
            raise ExportFailedError(
                f"no process could be started for the export: {error.strerror}"
            ) from error
        stream.read_ahead()
        return stream


class ExportStream:
    """The bytes of one export as its process writes them, an iterator for a WSGI response.

    `close` ends the process, as the end of the bytes and the collection of this object do; then
    `free` is released. Raises OSError when no process can be started.
    """

    def __init__(self, order: ExportOrder | RunExportOrder, free: threading.Semaphore) -> None:
        self._ahead = b""
        # In memory: an export works while the disk is full.
        self._stderr = os.fdopen(os.memfd_create("export-stderr"), "w+b", buffering=0)
        try:
            self._process = start_child(MODULE, self._stderr)
        except OSError:
            self._stderr.close()
            raise
        self._end = weakref.finalize(self, _end, self._process, self._stderr, free)
        self._end.atexit = False  # the process ends when this one does
        disown_in_children(self)
        say(self._process, order.to_line())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def read_ahead(self) -> None:
        """Wait for the first bytes. Raises ExportFailedError when the process ends without any."""
        self._ahead = self._read()

    def __iter__(self) -> Self:
        """The stream is its own iterator."""
        return self

    def __next__(self) -> bytes:
        """The next bytes. Raises ExportFailedError when the process failed: the rest is missing."""
        block, self._ahead = self._ahead or self._read(), b""
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """End the process if it has not ended; nothing more can be read."""
        self._ahead = b""
        self._end()

    def disown(self) -> None:
        """Leave the process to the parent, in a forked child."""
        self._end.detach()
        self._stderr.close()

    def _read(self) -> bytes:
        """Some bytes; none at the end of a complete export."""
        if not self._end.alive:
            return b""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        block: bytes = self._process.stdout.read1(_BLOCK_BYTES)  # type: ignore[attr-defined]
        if not block:
            code = self._process.wait()
            said = self._last_words()
            self.close()
            if code:
                raise ExportFailedError(_failure(code, said))
        return block

    def _last_words(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(size - _STDERR_TAIL_BYTES, 0))
        return self._stderr.read().decode("utf-8", "replace").strip()


def _end(process: subprocess.Popen[bytes], stderr: IO[bytes], free: threading.Semaphore) -> None:
    process.kill()
    process.wait()
    let_go(process)
    if process.stdout is not None:
        process.stdout.close()
    stderr.close()
    free.release()


def _failure(code: int, said: str) -> str:
    """The sentence about a process that ended with `code` and wrote `said` to standard error."""
    if code == REFUSED and said:
        return said.splitlines()[-1]
    if code == -signal.SIGALRM:
        return (
            f"the export was ended: no byte of it was made or taken for {IDLE_S} s, or it took "
            f"longer than {LONGEST_S // 60} min; a longer step or a shorter span makes it smaller"
        )
    if code < 0:
        name = signal.Signals(-code).name
        reason = " (the kernel does so when memory runs out)" if -code == signal.SIGKILL else ""
        return f"the export's process was ended by {name}{reason}"
    logger.error("an export's process ended with status %d: %s", code, said)
    return "the export failed by a fault of Servescope; the dashboard's log says which"
