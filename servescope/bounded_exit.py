"""An end of this process that what an app left behind cannot hold up.

At its end the interpreter waits without bound for every thread that is no daemon, for the children
that multiprocessing started, and for whatever was registered with `atexit`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
from contextlib import suppress

_log = logging.getLogger(__name__)


def exit_within(seconds: float, status: int = 0) -> None:
    """Leave this process at most `seconds` from now on; of several calls the soonest holds.

    Threads and children that have not ended by then are named in the log and left behind.
    """

    def leave() -> None:
        time.sleep(seconds)
        _log.warning(
            "ended without waiting for %s", ", ".join(_left()) or "the app's exit handlers"
        )
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)

    threading.Thread(target=leave, name="bounded-exit", daemon=True).start()


def _left() -> list[str]:
    """Threads and children that the interpreter waits for."""
    main = threading.main_thread()
    threads = [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not main
    ]
    return threads + [f"process {child.pid}" for child in multiprocessing.active_children()]
