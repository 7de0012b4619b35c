"""The interface of a concurrency model: its assignment, its load, and how often it sweeps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final, Protocol

from servescope.serving.capture_gate import CaptureSwitch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from servescope.hosting.asgi.host import WebSocketTraffic
    from servescope.hosting.exchange import Exchange
    from servescope.hosting.site import Site
    from servescope.records.listeners import ListenerOptions, ListenerSpec
    from servescope.serving.access import AccessList
    from servescope.serving.source_files import SourceWatch
    from servescope.serving.tls.served_certificate import ServedCertificate

_SWEEPS_PER_DEADLINE: Final = 8
_SWEEP_BOUNDS_S: Final = (0.02, 1.0)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The task of a model: an application at a bound, listening, non-blocking socket.

    `spec` is what was asked for, `rings` the folder where processes of a model's own record.
    """

    spec: ListenerSpec
    rings: Path
    site: Site
    listening: socket.socket
    options: ListenerOptions
    access: AccessList
    record: Callable[[Exchange], None]
    shares_socket: bool = False  # other processes accept from it too
    tls: ServedCertificate | None = None  # None: plain HTTP
    captures: CaptureSwitch = field(default_factory=CaptureSwitch)
    sources: SourceWatch | None = None  # told of the app's source files, for who wants them watched


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a model is now."""

    open_connections: int
    busy_threads: int
    queued_requests: int
    active_requests: int
    replaced_workers: int = 0  # processes that died and were replaced, since the start
    is_serving: bool = True  # False until processes of its own are up
    websocket: WebSocketTraffic | None = None  # since the start; None where there can be none
    failure: str = ""  # why a process of its own cannot serve; it is tried again
    in_stage: Mapping[str, int] = field(default_factory=dict)  # `connection.requests_in_stage`
    left_connections: int = 0  # of those that are open: `connection.left_by_clients`
    accepted: int = 0  # connections, since the start
    turned_away: int = 0  # of these, for there was no room for more
    has_request_threads: bool = True  # False where an event loop calls the app

    def with_counts_of(self, ended: Load) -> Load:
        """This one of a process, with what the processes before it had counted when they ended."""
        return replace(
            self,
            accepted=self.accepted + ended.accepted,
            turned_away=self.turned_away + ended.turned_away,
            websocket=_together(self.websocket, ended.websocket),
        )


def _together(
    now: WebSocketTraffic | None, ended: WebSocketTraffic | None
) -> WebSocketTraffic | None:
    """The totals of both, and what is open now."""
    if ended is None:
        return now
    if now is None:
        return replace(ended, open_now=0)
    totals = {
        one.name: getattr(now, one.name) + getattr(ended, one.name)
        for one in fields(now)
        if one.name != "open_now"
    }
    return replace(now, **totals)


class Model(Protocol):
    """A way of handling more than one request at a time. Made with an Assignment."""

    def __init__(self, assignment: Assignment) -> None: ...

    def start(self) -> None:
        """Begin to accept, in threads or processes of its own; return at once."""

    def retire(self) -> None:
        """Leave new connections to another model at the same listening socket; return at once.

        This one's descriptor of it is closed, the accept queue is left. Each kept connection is
        closed after one more request. Called at most once, before `stop`.
        """

    def stop(self, grace_seconds: float) -> None:
        """Stop accepting, let requests in flight finish within the grace, end what was started.

        The listening socket is closed. Called once.
        """

    def load(self) -> Load:
        """How busy it is; cheap, from any thread."""

    def disown(self) -> None:
        """Let go, in a child that the app forked, of all descriptors but the listening socket's.

        Clients notice nothing. The child must not serve: the `site` is left to the parent, and
        whoever comes back into the model ends (`Connection.disown`).
        """


def sweep_seconds(options: ListenerOptions) -> float:
    """How often to look for passed deadlines: an eighth of the shortest, at most one second."""
    shortest_s = min(
        options.head_seconds,
        options.body_seconds,
        options.write_seconds,
        options.keep_alive_seconds,
    )
    low, high = _SWEEP_BOUNDS_S
    return min(max(shortest_s / _SWEEPS_PER_DEADLINE, low), high)
