"""Clients that each ask for a stream of server-sent events, and read it for a while."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.load.simultaneous import CONNECT_S
from servescope.wire.http1_client import request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

_READ_BYTES: Final = 65_536
_DATA: Final = b"data: "
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class EventStreams:
    """So many `clients` GET `target` at one moment and read for `seconds`.

    Measured are the `arrivals`: of each event that came the client, from 0, and the milliseconds
    after the requests were sent.
    """

    listener: TemporaryListener
    target: str  # origin-form
    clients: int
    seconds: float

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Read the streams; then leave, which ends them."""
        with host.listener(self.listener) as process, host.span():
            arrivals = read_streams(process.address, self.target, self.clients, self.seconds)
        return {"arrivals": arrivals}


def read_streams(
    address: tuple[str, int], target: str, clients: int, seconds: float
) -> list[tuple[int, float]]:
    """Client and milliseconds of each event. Raises LoadRefusedError when nobody can connect."""
    request = request_bytes(
        target, "{}:{}".format(*address), headers=[("Accept", "text/event-stream")]
    )
    arrivals = []
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        try:
            streams = [
                opened.enter_context(socket.create_connection(address, CONNECT_S))
                for _ in range(clients)
            ]
            began = time.perf_counter()
            for number, stream in enumerate(streams):
                stream.setblocking(False)
                selector.register(stream, selectors.EVENT_READ, number)
                stream.sendall(request)
            while (left_s := began + seconds - time.perf_counter()) > 0 and selector.get_map():
                for key, _ in selector.select(left_s):
                    block = streams[key.data].recv(_READ_BYTES)
                    at_ms = (time.perf_counter() - began) * _MS
                    arrivals += [(key.data, at_ms)] * block.count(_DATA)
                    if not block:
                        selector.unregister(key.fileobj)
        except OSError as error:
            reason = error.strerror or error
            raise LoadRefusedError(f"a stream could not be read: {reason}") from error
    return arrivals
