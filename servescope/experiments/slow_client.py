"""A client that sends a byte of its request now and then, and never ends it (slow loris)."""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.simultaneous import CONNECT_S, answered_ms
from servescope.sentences import counted
from servescope.wire.http1_client import request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

_END: Final = b"\r\n\r\n"
_MORE: Final = b"a"
_HEAD: Final = request_bytes("/", "slow.example", headers=[("X-Slow", "a")]).removesuffix(_END)
"""It wants its end; the value of the last field grows."""
_READ_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class SlowClient:
    """A byte each `pause_s`; meanwhile somebody else asks for `target`.

    Measured are `closed_ms`, from the connection to the end that the server makes, the `bytes`
    sent, `other_ms` of the other client's request, and the `steps`.
    """

    listener: TemporaryListener
    pause_s: float
    target: str

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send until the server has enough."""
        with host.listener(self.listener) as process, host.span():
            try:
                with socket.create_connection(process.address, CONNECT_S) as client:
                    return self._send(client, process.address, host)
            except OSError as error:
                why = error.strerror or error
                raise LoadRefusedError(f"the slow client broke off: {why}") from error

    def _send(
        self, client: socket.socket, address: tuple[str, int], host: ExperimentHost
    ) -> dict[str, Any]:
        told = Transcript()
        told.add("client", "connects")
        other_ms, sent, received = 0.0, 0, b""
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            for byte in chain(_HEAD, repeat(_MORE[0])):
                host.left_s()
                client.sendall(bytes([byte]))
                sent += 1
                if sent == 1:
                    told.add("client", "sends the first byte of its request", _HEAD[:1])
                    (other_ms,) = answered_ms(address, self.target, 1, host.left_s())
                    told.add("client", f"sees another client have its page after {other_ms:.3g} ms")
                if selector.select(self.pause_s):
                    break
            while block := _rest(client):
                received += block
        told.add("client", f"has sent {counted(sent, 'byte')} by now", _HEAD[:sent])
        if received:
            told.add("server", "sends its answer", received)
        told.add("server", "closes the connection")
        return {
            "closed_ms": told.elapsed_ms(),
            "bytes": sent,
            "other_ms": other_ms,
            "steps": told.steps,
        }


def _rest(client: socket.socket) -> bytes:
    """The bytes that the server still sends; nothing at its end, which may be a reset."""
    try:
        return client.recv(_READ_BYTES)
    except ConnectionResetError:
        return b""
