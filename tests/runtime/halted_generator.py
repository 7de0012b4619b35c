"""A load generator that gets half of its time, as on a machine that others share."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HALF_S: Final = 0.02


@contextmanager
def halted_half_of_the_time(pids: Callable[[], list[int]]) -> Iterator[None]:
    """Stop the processes that `pids` names for 20 of every 40 ms."""
    over = threading.Event()

    def halt() -> None:
        while not over.wait(HALF_S):
            halted = pids()
            for signalled in (signal.SIGSTOP, signal.SIGCONT):
                for pid in halted:
                    with suppress(ProcessLookupError):  # its step has ended
                        os.kill(pid, signalled)
                if signalled is signal.SIGSTOP:
                    over.wait(HALF_S)

    thread = threading.Thread(target=halt, name="halts the generator")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
