"""Between two runs: the requests that the first has left in a server are answered first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DRAIN_S: Final = 10.0
"""How long a run waits for the requests that the one before has left in the server."""

POLL_S: Final = 0.05


def await_drained(
    unfinished: Callable[[], int | None], wait: Callable[[float], None], lasting: int = 0
) -> int:
    """Wait until a server has answered the requests of the run before, for DRAIN_S at most.

    `unfinished` returns how many it has, None where that is not known: then nothing is waited for.
    `wait` waits so many seconds; an exception of it ends this. So many as `lasting` are not waited
    for: an event stream of another client never ends. Returns how many are left.
    """
    give_up = time.monotonic() + DRAIN_S
    while (left := unfinished() or 0) > lasting and time.monotonic() < give_up:
        wait(POLL_S)
    return left
