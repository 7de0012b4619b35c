"""One WebSocket conversation, frame by frame, with the bytes of each."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.load.simultaneous import CONNECT_S
from servescope.wire.http1_client import request_bytes
from servescope.wire.websocket import CloseReceived, OpenWebSocket, PongReceived, TextReceived
from servescope.wire.websocket_handshake import client_fields, client_key

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

NORMAL: Final = 1000  # RFC 6455 section 7.4.1
_READ_BYTES: Final = 65_536
_NONCE_BYTES: Final = 16
_HEAD_END: Final = b"\r\n\r\n"
_SWITCHED: Final = b"HTTP/1.1 101 "
_ANSWER_S: Final = 10.0
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class WebSocketFrames:
    """A handshake, the person's text, a ping and a close, each with what comes back.

    Measured are `frames`, in order: `at_ms` after the first, `side`, `kind` (handshake, text, ping,
    pong, close), and the `bytes` of each, hexadecimal.
    """

    listener: TemporaryListener
    target: str  # of an app that sends back what it gets

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Have the conversation."""
        with host.listener(self.listener) as process, host.span():
            return {"frames": converse(process.address, self.target, host.text)}


def converse(address: tuple[str, int], target: str, text: str) -> list[dict[str, Any]]:
    """The frames of the conversation; raises LoadRefusedError when it does not go as it should."""
    try:
        with socket.create_connection(address, CONNECT_S) as client:
            client.settimeout(_ANSWER_S)
            return _Conversation(client, address).frames(target, text)
    except OSError as error:
        reason = error.strerror or error
        raise LoadRefusedError(f"the conversation broke off: {reason}") from error


class _Conversation:
    """The client's side, and what was sent and received so far."""

    def __init__(self, client: socket.socket, address: tuple[str, int]) -> None:
        self._client = client
        self._address = address
        self._websocket = OpenWebSocket(is_client=True)
        self._began = time.perf_counter()
        self._frames: list[dict[str, Any]] = []

    def frames(self, target: str, text: str) -> list[dict[str, Any]]:
        self._shake_hands(target)
        self._exchange("text", self._websocket.text(text), "text", TextReceived)
        self._exchange("ping", self._websocket.ping(), "pong", PongReceived)
        self._exchange("close", self._websocket.close(NORMAL), "close", CloseReceived)
        return self._frames

    def _shake_hands(self, target: str) -> None:
        host = "{}:{}".format(*self._address)
        self._send(
            "handshake",
            request_bytes(
                target, host, headers=client_fields(client_key(secrets.token_bytes(_NONCE_BYTES)))
            ),
        )
        received = b""
        while _HEAD_END not in received:
            received += self._read()
        if not received.startswith(_SWITCHED):
            line = received.partition(b"\r\n")[0].decode("latin-1")
            raise LoadRefusedError(f"the server answered {line!r} instead of 101")
        self._note("server", "handshake", received)

    def _exchange(self, kind: str, frame: bytes, answer: str, event: type) -> None:
        """Send a frame and wait for the one that answers it."""
        self._send(kind, frame)
        received = b""
        while True:
            found = self._websocket.next_event()
            if isinstance(found, event):
                break
            if found is not None:
                raise LoadRefusedError(f"the server answered {kind} with {found}")
            data = self._read()
            received += data
            self._websocket.receive_data(data)
        self._note("server", answer, received)

    def _send(self, kind: str, data: bytes) -> None:
        self._note("client", kind, data)
        self._client.sendall(data)

    def _read(self) -> bytes:
        data = self._client.recv(_READ_BYTES)
        if not data:
            raise LoadRefusedError("the server closed the connection")
        return data

    def _note(self, side: str, kind: str, data: bytes) -> None:
        at_ms = (time.perf_counter() - self._began) * _MS
        self._frames.append({"at_ms": at_ms, "side": side, "kind": kind, "bytes": data.hex()})
