"""A server of ours for one connection, on a thread of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK: Final = "127.0.0.1"


@contextmanager
def one_connection(
    name: str, serve: Callable[[socket.socket], None], wait_s: float
) -> Iterator[tuple[str, int]]:
    """Have `serve` called with the first client of a free loopback port; address and port of it.

    The client has to come within `wait_s`; its socket is closed behind `serve`. An OSError there
    ends the connection, which the client sees. The context waits for the thread `name`.
    """

    def run() -> None:
        with suppress(OSError):
            client, _ = listening.accept()
            with closing(client):
                serve(client)

    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(wait_s)
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[:2]
        finally:
            thread.join(2 * wait_s)
