"""An event loop kept from looking at its sockets, so that what comes meanwhile comes together."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.serving import RunningListener


@contextmanager
def held(listener: RunningListener) -> Iterator[None]:
    """Hold the loop of an asyncio listener; what is its own may be touched meanwhile."""
    is_held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        go_on.wait(10)

    listener._model.loop.call_soon_threadsafe(hold)
    assert is_held.wait(10)
    try:
        yield
    finally:
        go_on.set()
