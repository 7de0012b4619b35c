"""Requests that are all sent at one moment, each on a connection of its own."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from typing import Final

from servescope.errors import LoadRefusedError
from servescope.wire.http1_client import request_bytes

CONNECT_S: Final = 5.0
_READ_BYTES: Final = 65_536
_STATUS_OK: Final = b"HTTP/1.1 200 "
_MS: Final = 1e3


def answered_ms(
    address: tuple[str, int], target: str, requests: int, within_s: float
) -> list[float]:
    """Send so many GETs at once; milliseconds until each has its whole response, in that order.

    All connections stand before the first byte is sent, so that none is late. The responses end
    with their connections (`Connection: close`, RFC 9112 section 9.6). Raises LoadRefusedError when
    a response is not 200, is missing after `within_s`, or the server refuses a connection.
    """
    request = request_bytes(target, "{}:{}".format(*address), keep_alive=False)
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        try:
            clients = [
                opened.enter_context(socket.create_connection(address, CONNECT_S))
                for _ in range(requests)
            ]
            for client in clients:
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ, bytearray())
            began = time.perf_counter()
            for client in clients:
                client.sendall(request)
            return _await_ends(selector, began, within_s)
        except OSError as error:
            raise LoadRefusedError(
                f"a request could not be sent: {error.strerror or error}"
            ) from error


def _await_ends(selector: selectors.BaseSelector, began: float, within_s: float) -> list[float]:
    ended: list[float] = []
    while selector.get_map():
        left_s = began + within_s - time.perf_counter()
        ready = selector.select(left_s) if left_s > 0 else []
        if not ready:
            raise LoadRefusedError(f"not every response was there after {within_s:g} s")
        for key, _ in ready:
            client, received = key.fileobj, key.data
            block = client.recv(_READ_BYTES)  # type: ignore[union-attr]  # only sockets are registered
            if block:
                received += block
                continue
            ended.append((time.perf_counter() - began) * _MS)
            selector.unregister(client)
            if not received.startswith(_STATUS_OK):
                line = bytes(received).partition(b"\r\n")[0].decode("latin-1")
                raise LoadRefusedError(f"the server answered {line!r} instead of 200")
    return ended
