"""Somebody on the way between client and server, who passes every byte on and keeps it."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.one_connection import LOOPBACK, one_connection
from servescope.experiments.transcript import Transcript
from servescope.load.simultaneous import CONNECT_S
from servescope.load.timed_exchange import request_bytes
from servescope.sentences import counted
from servescope.serving.tls.certificates import self_signed_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.experiments.host import ExperimentHost, TemporaryListener

_READ_BYTES: Final = 65_536
_SHOWN_BYTES: Final = 320
_SHOWN_OF_RECORD: Final = 48
_POLL_S: Final = 0.1

_RECORD_HEAD: Final = 5  # kind, version, length
_HANDSHAKE: Final = 0x16
_RECORDS: Final = {
    0x14: "ChangeCipherSpec",
    0x15: "an alert",
    _HANDSHAKE: "a part of the handshake",
    0x17: "encrypted",
}
_HANDSHAKES: Final = {1: "ClientHello", 2: "ServerHello"}
"""Messages that are sent before there are keys. TLS 1.3 encrypts the rest of the handshake, too."""


class WireTap:
    """A proxy of one TCP connection that changes nothing.

    Once it has ended `sent` are the client's bytes, `received` the server's, and `steps` both in
    their order.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self.sent = bytearray()
        self.received = bytearray()
        self._told = Transcript()
        self._is_over = threading.Event()

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The blocks that passed."""
        return self._told.steps

    @contextmanager
    def listening(self) -> Iterator[tuple[str, int]]:
        """Take one client at this address; the connection ends with the context at the latest."""
        with one_connection("wire-tap", self._serve, CONNECT_S) as address:
            try:
                yield address
            finally:
                self._is_over.set()

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._upstream, CONNECT_S) as server:
            self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        ways = {
            client: (server, self.sent, "client"),
            server: (client, self.received, "server"),
        }
        with selectors.DefaultSelector() as selector:
            for one in ways:
                selector.register(one, selectors.EVENT_READ)
            while selector.get_map() and not self._is_over.is_set():
                for key, _ in selector.select(_POLL_S):
                    source: socket.socket = key.fileobj  # type: ignore[assignment]  # only sockets
                    target, kept, side = ways[source]
                    block = source.recv(_READ_BYTES)
                    if not block:
                        selector.unregister(source)
                        target.shutdown(socket.SHUT_WR)
                        continue
                    start = len(kept)
                    kept += block
                    self._told.add(side, told_of(kept, start), _shown(kept, start))
                    target.sendall(block)


def _is_tls(kept: bytearray) -> bool:
    return bool(kept) and kept[0] in _RECORDS


def _shown(kept: bytearray, start: int) -> bytes:
    """The beginning of the bytes from `start`: text as it is, TLS as hexadecimal numbers."""
    is_tls = _is_tls(kept)
    most = _SHOWN_OF_RECORD if is_tls else _SHOWN_BYTES
    beginning = bytes(kept[start : start + most])
    more = b"" if len(kept) - start <= most else " …".encode()
    return (beginning.hex(" ").encode() if is_tls else beginning) + more


def told_of(kept: bytearray, start: int) -> str:
    """How many bytes have come from `start` on, and of TLS which records begin in them."""
    told = counted(len(kept) - start, "byte")
    names = [name for at, name in _records(kept) if at >= start] if _is_tls(kept) else []
    parts = [_together(name, len(list(same))) for name, same in groupby(names)]
    return f"{told}: {', '.join(parts)}" if parts else told


def _together(name: str, count: int) -> str:
    return name if count == 1 else f"{count} times {name}"


def _records(kept: bytearray) -> Iterator[tuple[int, str]]:
    """Where each record of TLS begins, and what is in it (RFC 8446 sections 4 and 5.1)."""
    at = 0
    while at + _RECORD_HEAD < len(kept):
        name = _RECORDS.get(kept[at], "a record of an unknown kind")
        if kept[at] == _HANDSHAKE:
            name = _HANDSHAKES.get(kept[at + _RECORD_HEAD], name)
        yield at, name
        at += _RECORD_HEAD + int.from_bytes(kept[at + 3 : at + _RECORD_HEAD])


@dataclass(frozen=True, slots=True)
class TappedRequest:
    """One GET of `target` with a cookie, through a tap; `is_tls` with a certificate made for it.

    Measured are `read`: which of `secrets`, by their names, the tap can read in the bytes of either
    direction; the `sent` and `received` bytes, and the `steps`.
    """

    listener: TemporaryListener
    target: str
    cookie: str
    secrets: tuple[tuple[str, str], ...]  # name, and the text to look for
    is_tls: bool

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send the request through the tap, and look at what it kept."""
        listener, context = self.listener, None
        if self.is_tls:
            certificate, key = self_signed_pair(host.folder)
            files = {"certificate": str(certificate), "key": str(key)}
            listener = replace(listener, options={**listener.options, **files})
            context = ssl.create_default_context(cafile=str(certificate))
        with host.listener(listener) as process, host.span():
            tap = WireTap(process.address)
            with tap.listening() as address:
                answer = self._answer(address, context, host.left_s())
        if not answer.startswith(b"HTTP/1.1 200 "):
            line = answer.partition(b"\r\n")[0].decode("latin-1")
            raise LoadRefusedError(f"the server answered {line!r} instead of 200")
        told = self._request(address) + answer
        if any(text.encode() not in told for _, text in self.secrets):
            raise LoadRefusedError("not all that was to be hidden was sent")
        seen = bytes(tap.sent + tap.received)
        return {
            "read": [name for name, text in self.secrets if text.encode() in seen],
            "sent": len(tap.sent),
            "received": len(tap.received),
            "steps": tap.steps,
        }

    def _request(self, address: tuple[str, int]) -> bytes:
        return request_bytes(address, self.target, {"Cookie": self.cookie})

    def _answer(
        self, address: tuple[str, int], context: ssl.SSLContext | None, within_s: float
    ) -> bytes:
        received = bytearray()
        try:
            with ExitStack() as opened:
                client = opened.enter_context(socket.create_connection(address, CONNECT_S))
                client.settimeout(within_s)
                if context is not None:
                    secured = context.wrap_socket(client, server_hostname=LOOPBACK)
                    client = opened.enter_context(secured)
                client.sendall(self._request(address))
                while block := client.recv(_READ_BYTES):
                    received += block
        except OSError as error:
            why = error.strerror or error
            raise LoadRefusedError(f"the request was not answered: {why}") from error
        return bytes(received)
