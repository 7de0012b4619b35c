"""Requests under way, each on a connection of its own, read as their responses come."""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

_READ_BYTES: Final = 65_536


@dataclass(slots=True)
class OpenRequest:
    """A request under way; `ended_ns` is 0 until the server has ended its connection.

    `error` says how it ended, if not by the server's closing it. Of time.perf_counter_ns.
    """

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    ended_ns: int = 0
    error: str = ""

    @property
    def content(self) -> bytes:
        """The content of the response so far; empty unless its status is 200."""
        head, _, content = bytes(self.received).partition(b"\r\n\r\n")
        return content if head.startswith(b"HTTP/1.1 200 ") else b""

    def read(self) -> None:
        """Take what is there, and close the socket at the end of the connection.

        A server may wait for that end, and its next client too.
        """
        try:
            block = self.sock.recv(_READ_BYTES)
        except ConnectionError as error:
            block, self.error = b"", str(error.strerror)
        self.received += block
        if not block:
            self.ended_ns = time.perf_counter_ns()
            self.sock.close()


def await_ends(requests: Sequence[OpenRequest], until_s: float) -> None:
    """Read until all connections have ended, or until this moment of time.monotonic."""
    with selectors.DefaultSelector() as selector:
        for one in requests:
            if not one.ended_ns:
                selector.register(one.sock, selectors.EVENT_READ, one)
        while selector.get_map() and (left_s := until_s - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                one = key.data
                one.read()
                if one.ended_ns:
                    selector.unregister(key.fd)
