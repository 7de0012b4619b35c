"""A process that serves at an inherited socket: `python -m servescope.serving.worker`.

The workers of the model `prefork` are such, with a thread pool each, and the contenders of a
comparison, with any model. It is told what to serve in one line on standard input, and reports its
load as JSON lines on standard output, the first as soon as it serves: open connections, busy
threads, queued requests, and whether processes of its own are up.
Further lines are JSON objects:

    {"deny": […], "allow": […]}     who is denied from now on
    {"pair": {…}}                   another certificate is shown from now on
    {"retire": true}                leave new connections to somebody else
    {"stop": seconds}               end gracefully within the grace

It ends as well when standard input ends: then its parent is gone, however that went.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.bounded_exit import exit_within
from servescope.errors import ListenerError
from servescope.forked_child import disown_in_children, restore_signals_in_children
from servescope.recording import Recorder
from servescope.serving.binding import prepare
from servescope.serving.certificates import Pair
from servescope.serving.listener import GRACE_SECONDS, RunningListener, start_listener
from servescope.serving.worker_order import WorkerOrder

if TYPE_CHECKING:
    from types import FrameType

REPORT_MS: Final = 250
EXIT_S: Final = 0.5
"""How long what the app left behind may hold up the end; see `servescope.bounded_exit`."""

_LINE_BYTES: Final = 65_536


class ParentPipes:
    """The pipes from and to the parent, at descriptors that the app does not know.

    At 0 the app finds an empty input: a program that it starts must not read our orders. At 1 it
    finds standard error: what it prints must not look like a report.
    """

    def __init__(self) -> None:
        self.orders = os.dup(0)
        self.reports = os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)
        disown_in_children(self)

    def read_line(self) -> bytes:
        """The first line, and nothing behind it: a stop that is there already is for the poll."""
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self.orders, 1)):
            line += byte
        return line

    def disown(self) -> None:
        """Close a forked child's copies: their ends must tell parent and worker of each other."""
        os.close(self.orders)
        os.close(self.reports)


def main() -> int:
    """Serve until told to stop; the exit code."""
    # Ctrl-C is for the parent, which tells us. SIG_IGN would be inherited by what the app starts.
    signal.signal(signal.SIGINT, _do_nothing)
    restore_signals_in_children([signal.SIGINT])
    pipes = ParentPipes()
    order = WorkerOrder.from_line(pipes.read_line())
    sys.path[:] = order.path
    recorder = Recorder(Path(order.rings))
    sock = socket.socket(fileno=order.descriptor)
    prepare(sock)  # before the app is imported, which may start children itself
    try:
        listener = start_listener(
            order.spec, recorder, sock, multiprocess=not order.is_alone, pair=order.pair
        )
    except ListenerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    grace_seconds = _serve(listener, pipes)
    listener.stop(grace_seconds)
    recorder.close()
    exit_within(EXIT_S)
    return 0


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    """Handle a signal by going on."""


def _serve(listener: RunningListener, pipes: ParentPipes) -> float:
    """Report and obey until told to stop; the seconds of grace."""
    poll = select.poll()
    poll.register(pipes.orders, select.POLLIN)
    told, given = b"", b""
    while True:
        load = listener.load()
        told_now = [load.open_connections, load.busy_threads, load.queued_requests, load.is_serving]
        line = json.dumps(told_now).encode()
        if line != told:
            told = line
            try:
                os.write(pipes.reports, line + b"\n")
            except BrokenPipeError:
                return GRACE_SECONDS  # the parent is gone
        if not poll.poll(REPORT_MS):
            continue
        data = os.read(pipes.orders, _LINE_BYTES)
        if not data:
            return GRACE_SECONDS
        *lines, given = (given + data).split(b"\n")
        for words in map(json.loads, lines):
            if "stop" in words:
                return float(words["stop"])
            if "retire" in words:
                listener.retire()
            elif "pair" in words:
                listener.change_certificate(Pair(**words["pair"]))
            else:
                listener.change_access(words["deny"], words["allow"])


if __name__ == "__main__":
    sys.exit(main())
