"""How a command ends when a person or the system interrupts it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""Exit statuses as shells have them: 128 and the number of SIGINT or SIGTERM."""


@contextmanager
def handled(
    signals: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Have a handler take these signals within the block. In the main thread alone."""
    before = [signal.signal(number, handler) for number in signals]
    try:
        yield
    finally:
        for number, previous in zip(signals, before, strict=True):
            signal.signal(number, previous)
