"""An application and its bounds: one `Site` a listener, shared by all its conversations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from servescope.request_fields import RequestFlag
from servescope.wire.http1_known_heads import KnownHeads
from servescope.wire.http1_rules import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.records.listeners import ListenerOptions
    from servescope.wire.forwarded import TrustedProxies

_NS = 1_000_000_000


class SupportsBool(Protocol):
    """Anything that can stand for a bool: it is asked each time."""

    def __bool__(self) -> bool: ...


class Application(Protocol):
    """Something that answers requests: a folder, a WSGI app.

    `accepts_body` False: a request's body is not worth reading, the answer comes before it.
    """

    accepts_body: bool

    def __call__(self, exchange: Any) -> None:
        """Answer the request of a `hosting.exchange.Exchange` through its response side.

        (An exchange knows its site, so its type is not named here.)

        May raise anything: the conversation answers 500, logs, and lives on.
        """


class Captures(Protocol):
    """The one who decides which exchanges are captured."""

    def begin(self, exchange: Any, head: bytes) -> None:
        """Give the `hosting.exchange.Exchange` a capture, or do not; `head` as it came."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a connection may keep us waiting, in nanoseconds."""

    idle_ns: int
    head_ns: int
    body_ns: int  # for each `BODY_PROGRESS` bytes

    @classmethod
    def from_options(cls, options: ListenerOptions) -> Deadlines:
        """Those of a listener's options."""
        return cls(
            idle_ns=int(options.keep_alive_seconds * _NS),
            head_ns=int(options.head_seconds * _NS),
            body_ns=int(options.body_seconds * _NS),
        )


class Site:
    """An application with the limits and deadlines of its listener.

    `address` is the host's or the path of a unix socket, which has no port. `draining` turns True
    when the listener stops: from then on every response announces `Connection: close`. (A model may
    put something in its place whose truth is asked at each response's head.) `denies` says whose
    requests get 403 by their address, from the next request on; None: nobody's. `proxies` are those
    whose word about a client is believed; None: nobody's. `captures` is there while
    requests are captured. `is_left_to_parent` turns True in a child that the app forked.
    """

    __slots__ = (
        "address",
        "application",
        "captures",
        "deadlines",
        "denies",
        "draining",
        "first_request_flags",
        "is_left_to_parent",
        "is_unix",
        "keep_alive_requests",
        "known_heads",
        "limits",
        "name",
        "port",
        "proxies",
        "request_flags",
        "scheme",
        "streams_body",
    )

    def __init__(
        self,
        name: str,
        application: Application,
        options: ListenerOptions,
        address: str = "127.0.0.1",
        port: int = 0,
        *,
        is_tls: bool = False,
    ) -> None:
        self.name = name
        self.application = application
        # An ASGI app is called at the head of a request and takes its body while it arrives.
        self.streams_body: bool = getattr(application, "streams_body", False)
        self.limits = Limits(
            max_target=options.max_target,
            max_header_count=options.max_header_count,
            max_head=options.max_head,
            max_body=options.max_body,
        )
        self.known_heads = KnownHeads()
        self.deadlines = Deadlines.from_options(options)
        self.keep_alive_requests = options.keep_alive_requests
        self.address = address
        self.port = port
        self.is_unix = address.startswith("/")
        self.draining: SupportsBool = False
        self.scheme = "https" if is_tls else "http"
        # Of every request, and of the first of its connection.
        self.request_flags = RequestFlag.TLS if is_tls else RequestFlag(0)
        self.first_request_flags = self.request_flags | RequestFlag.NEW_CONNECTION
        self.denies: Callable[[str], bool] | None = None
        self.proxies: TrustedProxies | None = None
        self.captures: Captures | None = None
        self.is_left_to_parent = False
