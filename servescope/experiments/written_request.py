"""A request that a person wrote by hand, and every byte of the answer."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.sentences import counted

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

CONNECT_S: Final = 5.0
MOST_BYTES: Final = 65_536
"""Of the answer: nothing is read beyond."""

_READ_BYTES: Final = 16_384
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ?([^\r\n]*)\r\n")
_LAST_INTERIM: Final = 199


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """The text of the person, each line of it ended by CR LF, on one connection to `listener`.

    Measured are the `status` of the first final response (0 without one) and its `phrase`, `sent`
    and `received` bytes, and `content`, the text of the response behind its head. The listener's
    options have to bound its patience: it ends the connection.
    """

    listener: TemporaryListener

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Send the text, and read until the server closes the connection."""
        request = host.text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        with host.listener(self.listener) as process, host.span():
            told = Transcript()
            try:
                received = _exchange(process.address, request, told, host.left_s())
            except OSError as error:
                why = error.strerror or error
                raise LoadRefusedError(f"the request was not answered: {why}") from error
        status, phrase, content = _first_final(received)
        return {
            "status": status,
            "phrase": phrase,
            "content": content,
            "sent": len(request),
            "received": len(received),
            "steps": told.steps,
        }


def _exchange(address: tuple[str, int], request: bytes, told: Transcript, within_s: float) -> bytes:
    host, port = address
    received = bytearray()
    with socket.create_connection(address, CONNECT_S) as client:
        told.add("client", f"connects to {host}, port {port}")
        client.settimeout(within_s)
        client.sendall(request)
        told.add("client", f"sends {counted(len(request), 'byte')}", request)
        try:
            while len(received) < MOST_BYTES:
                block = client.recv(_READ_BYTES)
                if not block:
                    told.add("server", "closes the connection")
                    break
                received += block
                told.add("server", f"sends {counted(len(block), 'byte')}", block)
            else:
                told.add("client", "reads no more of so long an answer, and closes")
        except ConnectionResetError:
            told.add("server", "resets the connection")
    return bytes(received)


def _first_final(received: bytes) -> tuple[int, str, str]:
    """Status, phrase and content of the first response that is not interim (RFC 9110, 15.2)."""
    rest = received
    while found := _STATUS_LINE.match(rest):
        status, phrase = int(found[1]), found[2].decode("latin-1")
        _, _, rest = rest.partition(b"\r\n\r\n")
        if status > _LAST_INTERIM:
            return status, phrase, rest.decode("utf-8", "replace")
    return 0, "", ""
