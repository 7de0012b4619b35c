"""A process that serves at an inherited socket: `python -m servescope.serving.worker`.

The workers of the model `prefork` are such, with a thread pool each, and the contenders of a
comparison, with any model. It is told what to serve in one line on standard input, and reports on
standard output how busy it is, the first time as soon as it serves, or why it cannot
(`workers.report`). Further lines to it are JSON objects:

    {"deny": […], "allow": […]}     who is denied from now on
    {"pair": {…}}                   another certificate is shown from now on
    {"captures": {…}}               capture the next requests, null: none
    {"retire": true}                leave new connections to somebody else
    {"stop": seconds}               end gracefully within the grace

It ends as well when standard input ends: then its parent is gone, however that went. If it leads a
session, what the app has started in its process group ends with it; else its parent sees to that.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.bounded_exit import exit_within
from servescope.errors import ListenerError
from servescope.forked_child import restore_signals_in_children
from servescope.recording.recorder import Recorder
from servescope.records.captures import CaptureOrder
from servescope.serving.listener import GRACE_SECONDS, RunningListener, start_listener
from servescope.serving.source_files import imported_sources, sources_of_failure
from servescope.serving.tls.certificates import Pair
from servescope.serving.workers.order import WorkerOrder
from servescope.serving.workers.pipes import ParentPipes
from servescope.serving.workers.report import WorkerReport
from servescope.sockets.binding import prepare

if TYPE_CHECKING:
    from types import FrameType

REPORT_MS: Final = 250
EXIT_S: Final = 0.5
"""How long what the app left behind may hold up the end; see `servescope.bounded_exit`."""

_LINE_BYTES: Final = 65_536


def main() -> int:
    """Serve until told to stop; the exit code."""
    # Ctrl-C is for the parent, which tells us. SIG_IGN would be inherited by what the app starts.
    signal.signal(signal.SIGINT, _do_nothing)
    restore_signals_in_children([signal.SIGINT])
    pipes = ParentPipes()
    line = pipes.read_line()
    if not line.endswith(b"\n"):
        return 0  # the parent has gone before it said what to serve
    order = WorkerOrder.from_line(line)
    sys.path[:] = order.path
    if order.folder:
        os.chdir(order.folder)
    recorder = Recorder(Path(order.rings))
    sock = socket.socket(fileno=order.descriptor)
    prepare(sock)  # before the app is imported, which may start children itself
    if order.spec.options.reload:
        # A file of bytecode passes for that of a source which was edited within the same second.
        sys.dont_write_bytecode = True
    # We are the process of its own that the app was to have.
    spec = replace(order.spec, options=replace(order.spec.options, reload=False))
    try:
        listener = start_listener(
            spec, recorder, sock, multiprocess=not order.is_alone, pair=order.pair
        )
    except ListenerError as error:
        _tell_failure(error, pipes, with_sources=order.spec.options.reload)
        exit_within(EXIT_S, 1)
        return 1
    gc.freeze()  # the app stays: no full collection, at the end neither, walks over its modules
    listener.change_captures(order.captures)
    news = News(listener, pipes, with_sources=order.spec.options.reload)
    grace_seconds = _serve(listener, pipes, news)
    listener.stop(GRACE_SECONDS if grace_seconds is None else grace_seconds)
    recorder.close()
    if grace_seconds is None and os.getsid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # ourselves included
    exit_within(EXIT_S)
    return 0


def _tell_failure(error: ListenerError, pipes: ParentPipes, *, with_sources: bool) -> None:
    files = imported_sources() | sources_of_failure(error) if with_sources else ()
    with suppress(BrokenPipeError):  # the parent is gone
        pipes.report(WorkerReport(failure=str(error), sources=tuple(files)).to_line())


class News:
    """Reports changes to the parent: the load, source files of the app."""

    def __init__(
        self, listener: RunningListener, pipes: ParentPipes, *, with_sources: bool
    ) -> None:
        self._listener = listener
        self._pipes = pipes
        self._with_sources = with_sources
        self._told = b""
        self._modules = 0
        self._sources: set[str] = set()

    def tell(self) -> None:
        """Raises BrokenPipeError when the parent is gone."""
        line = WorkerReport(self._listener.load()).to_line()
        if line != self._told:
            self._told = line
            self._pipes.report(line)
        if self._with_sources and len(sys.modules) != self._modules:  # some are imported late
            self._modules = len(sys.modules)
            new = imported_sources() - self._sources
            self._sources |= new
            self._pipes.report(WorkerReport(sources=tuple(new)).to_line())


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    """Handle a signal by going on."""


def _serve(listener: RunningListener, pipes: ParentPipes, news: News) -> float | None:
    """Report and obey until told to stop; the seconds of grace, None when the parent is gone."""
    poll = select.poll()
    poll.register(pipes.orders, select.POLLIN)
    given = b""
    while True:
        try:
            news.tell()
        except BrokenPipeError:
            return None
        if not poll.poll(REPORT_MS):
            continue
        data = os.read(pipes.orders, _LINE_BYTES)
        if not data:
            return None
        *lines, given = (given + data).split(b"\n")
        for words in map(json.loads, lines):
            if "stop" in words:
                return float(words["stop"])
            if "retire" in words:
                listener.retire()
            elif "captures" in words:
                told = words["captures"]
                listener.change_captures(CaptureOrder.from_json(told) if told else None)
            elif "pair" in words:
                listener.change_certificate(Pair(**words["pair"]))
            else:
                listener.change_access(words["deny"], words["allow"])


if __name__ == "__main__":
    sys.exit(main())
