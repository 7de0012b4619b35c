"""One request on a connection of its own, byte by byte, with the time of each block that comes."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError
from servescope.wire import http1_client

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_S: Final = 5.0
_READ_BYTES: Final = 65_536
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class TimedExchange:
    """A request and all that came back; times are milliseconds since `connect` was called."""

    sent: bytes
    received: bytes
    connected_ms: float
    sent_ms: float
    blocks: tuple[tuple[float, int], ...]  # when each came, and its bytes
    closed_ms: float

    @property
    def head(self) -> bytes:
        """The head of the response, its empty line included."""
        head, blank, _ = self.received.partition(b"\r\n\r\n")
        return head + blank

    @property
    def content(self) -> bytes:
        """The rest of the response, transfer coding included."""
        return self.received[len(self.head) :]

    @property
    def status(self) -> int:
        """The status of the response; 0 when it has none."""
        parts = self.head.split(b" ", 2)
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    def field(self, name: str) -> str:
        """The value of a header field of the response, empty without one."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            known, _, value = line.partition(":")
            if known.lower() == name.lower():
                return value.strip()
        return ""


def request_bytes(
    address: tuple[str, int],
    target: str,
    fields: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    content: bytes = b"",
) -> bytes:
    """A request after which the connection ends (`Connection: close`, RFC 9112 section 9.6).

    Raises ValueError as `wire.http1_client.request_bytes` does, which writes it.
    """
    return http1_client.request_bytes(
        target,
        "{}:{}".format(*address),
        keep_alive=False,
        headers=tuple((fields or {}).items()),
        method=method,
        content=content,
    )


def exchange(address: tuple[str, int], request: bytes, within_s: float) -> TimedExchange:
    """Send a request and read until the server closes the connection.

    Raises LoadRefusedError when there is no connection within CONNECT_S or `within_s`, or no end of
    it after `within_s`.
    """
    began = time.perf_counter()
    blocks: list[tuple[float, int]] = []
    received = bytearray()

    def since_ms() -> float:
        return (time.perf_counter() - began) * _MS

    def left_s() -> float:
        return max(began + within_s - time.perf_counter(), 1e-3)

    connect_s = min(CONNECT_S, within_s)
    try:
        try:
            connected = socket.create_connection(address, connect_s)
        except TimeoutError:
            raise LoadRefusedError(f"there was no connection within {connect_s:.3g} s") from None
        with closing(connected) as client:
            connected_ms = since_ms()
            client.settimeout(left_s())
            client.sendall(request)
            sent_ms = since_ms()
            while True:
                client.settimeout(left_s())
                block = client.recv(_READ_BYTES)
                if not block:
                    break
                blocks.append((since_ms(), len(block)))
                received += block
            closed_ms = since_ms()
    except TimeoutError:
        raise LoadRefusedError(
            f"the response was not whole after {within_s:.3g} s: {len(received):,} bytes had come"
        ) from None
    except OSError as error:
        raise LoadRefusedError(f"the request failed: {error.strerror or error}") from error
    return TimedExchange(request, bytes(received), connected_ms, sent_ms, tuple(blocks), closed_ms)
