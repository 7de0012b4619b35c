"""A listener's access log: requests are queued where they end, and written by a thread.

Serving never waits for the disk: when the file cannot be written, or the queue is full, lines are
dropped and counted, and that is said once a minute.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.rate_limited_log import RateLimitedLog
from servescope.serving.access_log.lines import LineWriter
from servescope.serving.access_log.rotating_file import RotatingFile

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange
    from servescope.records.listeners import ListenerOptions
    from servescope.serving.access_log.lines import Entry

MOST_QUEUED: Final = 32_768
"""Requests that wait for the writer at most."""

ROUND_S: Final = 0.1
"""How often the queue is written, so how old a line is at most; a kill -9 loses as much."""

_BATCH: Final = 512  # lines in one write(2), some 64 KiB
_STOP_S: Final = 2.0
_log = UnfailingLogger(__name__)


class AccessLog:
    """Writes lines into the file the options name. `add` is for any thread."""

    def __init__(self, options: ListenerOptions, name: str) -> None:
        self.path = Path(options.access_log)
        self.dropped = 0
        """Lines lost since the start."""
        self.problem = ""
        """Why nothing can be written now, a sentence; empty when it can."""
        self._file = RotatingFile(self.path, options.access_log_bytes, options.access_log_files)
        self._lines = LineWriter(options.access_log_format)
        self._queue: deque[Entry] = deque()
        self._dropping = threading.Lock()
        self._told_dropped = 0
        self._full_log = RateLimitedLog(_log)
        self._stopping = threading.Event()
        self._name = name
        self._thread = threading.Thread(
            target=self._write_forever, name=f"{name}-access-log", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def add(self, exchange: Exchange, end_ns: int) -> None:
        """Queue the line of an exchange that ended."""
        if len(self._queue) >= MOST_QUEUED:
            self._drop(1)
            return
        self._queue.append(
            (
                end_ns,
                exchange.client[0],
                exchange.head,
                exchange.refusal,
                exchange.status,
                exchange.bytes_sent - exchange.head_bytes,
            )
        )

    def stop(self) -> None:
        """Write what is queued and close the file; a disk that hangs is not waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _drop(self, count: int) -> None:
        with self._dropping:
            self.dropped += count

    def _write_forever(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(ROUND_S)
            self._write_queued()
            self._tell_dropped()
        self._file.close()

    def _write_queued(self) -> None:
        queue, line = self._queue, self._lines.line
        while queue:
            entries = [queue.popleft() for _ in range(min(len(queue), _BATCH))]
            text = "".join([line(entry) for entry in entries])
            try:
                self._file.write(text.encode("ascii"))
            except OSError as error:
                self._drop(len(entries))
                self._fail(error)
            else:
                self._recover()

    def _fail(self, error: OSError) -> None:
        if not self.problem:
            _log.warning(
                "listener %s: the access log %s cannot be written: %s",
                self._name,
                self.path,
                error.strerror,
            )
        self.problem = f"the access log cannot be written: {error.strerror}"

    def _recover(self) -> None:
        if self.problem:
            self.problem = ""
            _log.warning(
                "listener %s: the access log %s is written again, %d lines were lost",
                self._name,
                self.path,
                self.dropped,
            )
            self._told_dropped = self.dropped

    def _tell_dropped(self) -> None:
        if self.dropped > self._told_dropped and not self.problem:
            lost, self._told_dropped = self.dropped - self._told_dropped, self.dropped
            self._full_log.line(
                logging.WARNING,
                "full",
                "listener %s: %d lines of the access log are lost: the disk is too slow",
                self._name,
                lost,
            )
