"""Waiting for other threads, processes and the kernel: the one loop with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
DEADLINE_S = 60.0
"""So long that only what never happens takes it: where many others want the cores as well, the
start of a process with all its imports takes half of it."""

LONGER: Final = 1.2
LONGEST_STEP_S: Final = 0.05
"""A wait asks less often the longer it takes: most ask a database, which costs CPU time."""


def eventually(
    condition: Callable[[], T], seconds: float = DEADLINE_S, step: float = 0.02, what: str = ""
) -> T:
    """Wait until `condition()` is true and return its value; fail after `seconds`.

    It asks after `step` seconds, then after a little longer each time.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what or condition}"
        time.sleep(step)
        step = max(step, min(step * LONGER, LONGEST_STEP_S))


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait for what happens in this process, or beside it, in milliseconds."""
    eventually(condition, seconds, 0.002, what)
