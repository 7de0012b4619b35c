"""A reverse proxy whose server behind has ended."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments import gunicorn_server
from servescope.experiments.reverse_proxy import proxying
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import exchange, request_bytes

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost

_BACKLOG: Final = 16
_ANSWERED_S: Final = 15.0
_LOOK_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class GoneServer:
    """A request to a reverse proxy in front of gunicorn, and one more when gunicorn has ended.

    Measured are `before` and `after`, the status of either response (0: none), and the steps.
    """

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Ask, end gunicorn with its worker, and ask again."""
        with (
            gunicorn_server.serving(host, "proxied_app", workers=1) as (server, gunicorn),
            host.listening(_BACKLOG) as listening,
        ):
            address = listening.getsockname()[:2]
            request = request_bytes(address, "/")
            told = Transcript()
            with proxying(listening, gunicorn, told.began) as proxy, host.span():
                before = self._ask(address, request, told, host)
                server.stop()
                self._await_gone(gunicorn, host)
                told.add("operator", "ends gunicorn; the proxy runs on")
                after = self._ask(address, request, told, host)
        steps = sorted(told.steps + proxy.told.steps, key=lambda step: step["at_ms"])
        return {"before": before, "after": after, "steps": steps}

    @staticmethod
    def _await_gone(address: tuple[str, int], host: ExperimentHost) -> None:
        """Wait until the last worker is gone, and with it the socket that it shared.

        The kernel takes a moment for that after the signal, and connects clients until then.
        """
        while True:
            try:
                socket.create_connection(address, host.left_s()).close()
            except ConnectionRefusedError:
                return
            except OSError as error:
                raise LoadRefusedError(f"gunicorn did not end: {error.strerror}") from error
            time.sleep(_LOOK_S)  # nothing tells of the end of a socket that others hold

    @staticmethod
    def _ask(
        address: tuple[str, int], request: bytes, told: Transcript, host: ExperimentHost
    ) -> int:
        told.add("client", "connects to the proxy, and sends its request", request)
        done = exchange(address, request, min(_ANSWERED_S, host.left_s()))
        told.add("client", "has the response", done.received)
        return done.status
