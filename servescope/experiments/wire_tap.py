"""Somebody on the way between client and server, who passes every byte on and keeps it."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
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
                    kept += block
                    self._told.add(side, counted(len(block), "byte"), _shown(block))
                    target.sendall(block)


def _shown(block: bytes) -> bytes:
    """The beginning of a block: text as it is, records of TLS as hexadecimal numbers."""
    is_record = block[:1] in {b"\x14", b"\x15", b"\x16", b"\x17"}  # RFC 8446 section 5.1
    most = _SHOWN_OF_RECORD if is_record else _SHOWN_BYTES
    beginning = block[:most]
    more = b"" if len(block) <= most else " …".encode()
    return (beginning.hex(" ").encode() if is_record else beginning) + more


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
