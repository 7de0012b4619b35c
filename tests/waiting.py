"""Waiting for other threads, processes and the kernel: the one loop with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
DEADLINE_S = 60.0
"""So long that only what never happens takes it: where many others want the cores as well, the
start of a process with all its imports takes half of it."""


def eventually(
    condition: Callable[[], T], seconds: float = DEADLINE_S, step: float = 0.02, what: str = ""
) -> T:
    """Wait until `condition()` is true and return its value; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what or condition}"
        time.sleep(step)


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait for what happens in this process, or beside it, in milliseconds."""
    eventually(condition, seconds, 0.002, what)
