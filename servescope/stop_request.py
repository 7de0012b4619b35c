"""The signal that asks a program to stop: SIGTERM, or SIGINT (Ctrl-C)."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from servescope.forked_child import restore_signals_in_children

if TYPE_CHECKING:
    from types import FrameType

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
LOOK_S: Final = 0.5
"""How often the main thread wakes to run signal handlers. The kernel may deliver a signal to
another thread (signal(7)), which does not wake this one."""


class StopRequest:
    """Takes both signals from when it is made: in the main thread, once in a process.

    Children that an app forks do not take them. With `second_interrupt_status` a second SIGINT ends
    the process where it is, with this exit status.
    """

    def __init__(self, *, second_interrupt_status: int | None = None) -> None:
        self._second_interrupt_status = second_interrupt_status
        self._is_interrupted = False
        self._has_come = threading.Event()
        for number in STOP_SIGNALS:
            signal.signal(number, self._take)
        restore_signals_in_children(STOP_SIGNALS)

    def wait(self) -> None:
        """Wait for the first one."""
        while not self.comes_within(LOOK_S):
            pass

    def comes_within(self, seconds: float) -> bool:
        """Wait for the first one for so long, `LOOK_S` at most; whether it has come."""
        return self._has_come.wait(min(seconds, LOOK_S))

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._is_interrupted and self._second_interrupt_status is not None:
                os._exit(self._second_interrupt_status)
            self._is_interrupted = True
        self._has_come.set()
