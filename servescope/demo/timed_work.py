"""Work of a given length, for the endpoints that show how a server carries it.

The time is the thread's own CPU time, not the clock's: work that waits for a core, or for the
global interpreter lock, takes longer by the clock. So two threads of one process get no more of it
done than one, and two processes on two cores do.
"""

from __future__ import annotations

import time
from typing import Final

from servescope.whole_numbers import read_whole_number

MAX_CPU_MS: Final = 1_000
MAX_WAIT_MS: Final = 30_000
DEFAULT_CPU_MS: Final = 20
DEFAULT_WAIT_MS: Final = 500
_NS_PER_MS: Final = 1_000_000
_NUMBERS: Final = 1_000
"""Added up between two looks at the clock: some 10 µs, where a look takes 1 µs."""


def whole_number_of(text: str, name: str, most: int) -> int:
    """The number of a query parameter `name`. Raises ValueError with a sentence for a client."""
    number = read_whole_number(text, most)
    if number is None:
        raise ValueError(f"{name} must be a whole number from 0 to {most}.")
    return number


def use_cpu(milliseconds: float) -> float:
    """Compute until this thread has used so many milliseconds of CPU; how many it has used."""
    start_ns = time.thread_time_ns()
    end_ns = start_ns + round(milliseconds * _NS_PER_MS)
    while (now_ns := time.thread_time_ns()) < end_ns:
        sum(range(_NUMBERS))
    return (now_ns - start_ns) / _NS_PER_MS
