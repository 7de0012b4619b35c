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
from typing import Final

from servescope.errors import ListenerError
from servescope.recording import Recorder
from servescope.serving.certificates import Pair
from servescope.serving.listener import GRACE_SECONDS, RunningListener, start_listener
from servescope.serving.worker_order import WorkerOrder

REPORT_MS: Final = 250
_LINE_BYTES: Final = 65_536


def main() -> int:
    """Serve until told to stop; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which tells us
    # What the app prints must not look like a report.
    report = os.dup(1)
    os.dup2(2, 1)
    # Unbuffered: a stop that is there already must be left for the poll below.
    with open(0, "rb", buffering=0, closefd=False) as orders:
        order = WorkerOrder.from_line(orders.readline())
    sys.path[:] = order.path
    recorder = Recorder(Path(order.rings))
    sock = socket.socket(fileno=order.descriptor)
    try:
        listener = start_listener(
            order.spec, recorder, sock, multiprocess=not order.is_alone, pair=order.pair
        )
    except ListenerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    grace_seconds = _serve(listener, report)
    listener.stop(grace_seconds)
    recorder.close()
    return 0


def _serve(listener: RunningListener, report: int) -> float:
    """Report and obey until told to stop; the seconds of grace."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    told, given = b"", b""
    while True:
        load = listener.load()
        told_now = [load.open_connections, load.busy_threads, load.queued_requests, load.is_serving]
        line = json.dumps(told_now).encode()
        if line != told:
            told = line
            try:
                os.write(report, line + b"\n")
            except BrokenPipeError:
                return GRACE_SECONDS  # the parent is gone
        if not poll.poll(REPORT_MS):
            continue
        data = os.read(0, _LINE_BYTES)
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
