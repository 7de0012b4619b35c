"""Threads that work off one queue, for a model whose loop must not wait."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.sockets.cpu_affinity import pin_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_log = UnfailingLogger(__name__)


class WorkerThreads:
    """`number` daemon threads; their tasks must not raise."""

    def __init__(self, name: str, number: int, pin_core: int | None) -> None:
        self._name = name
        self._pin_core = pin_core
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._busy = [False] * number  # one writer each: no lock
        self._threads = [
            threading.Thread(
                target=self._work_forever, args=(at,), name=f"{name}-worker-{at}", daemon=True
            )
            for at in range(number)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, act: Callable[[], None]) -> None:
        """Let some thread do it."""
        self._work.put(act)

    @property
    def busy(self) -> int:
        """How many are at work."""
        return sum(self._busy)

    @property
    def queued(self) -> int:
        """How much waits for a thread."""
        return self._work.qsize()

    def stop(self, seconds: float) -> None:
        """End the threads; one that is stuck is a daemon and is left behind, with a warning.

        The caller does the work that no thread has begun, so that it does not wait for a stuck one.
        """
        with suppress(Empty):
            while True:
                act = self._work.get_nowait()
                if act is not None:
                    act()
        for _ in self._threads:
            self._work.put(None)
        join_answering(self._name, [one for one in self._threads if one.is_alive()], seconds)

    def _work_forever(self, number: int) -> None:
        pin_this_thread(self._pin_core)
        while (act := self._work.get()) is not None:
            self._busy[number] = True
            act()
            self._busy[number] = False
            del act  # an idle thread holds nothing of the last request


def join_answering(listener: str, threads: list[threading.Thread], seconds: float) -> None:
    """Wait for daemon threads to end; of those that are stuck in the app, only warn."""
    give_up = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(give_up - time.monotonic(), 0.0))
    stuck = [thread.name for thread in threads if thread.is_alive()]
    if stuck:
        _log.warning("listener %s: still in the app: %s", listener, ", ".join(stuck))
