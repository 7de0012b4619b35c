"""Where a run may aim: at listeners hosted here, and at origins that the operator named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from servescope.addresses import host_and_port, reachable
from servescope.errors import LoadRefusedError
from servescope.load.named_hosts import check_address, check_named, host_and_port_of
from servescope.load.tls_connections import Trust
from servescope.records.listeners import UNIX, ListenerState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadPlan


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run connects, and by what it knows the server."""

    address: str  # numeric, IPv4 or IPv6
    port: int
    host: str = ""  # of the Host field (RFC 9110 section 7.2); nothing: address and port
    trust: Trust | None = None  # None: without TLS
    pinned_core: int | None = None  # the one that the server is pinned to

    @property
    def free_core(self) -> int | None:
        """A core for the generator, beside the server's."""
        return core_beside(self.pinned_core)


def core_beside(pinned_core: int | None) -> int | None:
    """A core for the generator other than the server's, so that it measures, not competes.

    None where the server is pinned to no core, or there is no other.
    """
    if pinned_core is None:
        return None
    return max(os.sched_getaffinity(0) - {pinned_core}, default=None)


def target_of(
    plan: LoadPlan, statuses: Sequence[ListenerStatus], load_hosts: Collection[str]
) -> Target:
    """Where a plan leads. Raises LoadRefusedError with a sentence when it must not.

    `statuses` are the listeners hosted here, `load_hosts` the origins that the operator named.
    """
    if bool(plan.listener) == bool(plan.origin):
        raise LoadRefusedError("choose where the run aims: at a listener or at a named host")
    if plan.origin:
        return _named(plan, load_hosts)
    check_listener(plan.listener, statuses)
    status = next(status for status in statuses if status.name == plan.listener)
    address, port = destination(status)
    # RFC 6874 section 4: the zone of a link-local address is nobody else's business.
    host = host_and_port(address.partition("%")[0], port)
    return Target(address, port, host, trust(status), status.options.pin_core)


def _named(plan: LoadPlan, load_hosts: Collection[str]) -> Target:
    check_named(plan.origin, load_hosts)
    host, port = host_and_port_of(plan.origin)
    check_address(host, plan.address)
    origin = urlsplit(plan.origin)
    is_https = origin.scheme == "https"
    return Target(plan.address, port, origin.netloc, Trust.by_system(host) if is_https else None)


def check_listener(name: str, statuses: Sequence[ListenerStatus]) -> None:
    """Raise LoadRefusedError with a sentence unless load can be sent to the listener."""
    by_name = {status.name: status for status in statuses}
    if name not in by_name:
        known = ", ".join(sorted(by_name)) or "none"
        raise LoadRefusedError(f"there is no listener {name!r} here; known are: {known}")
    status = by_name[name]
    is_unix = status.address.startswith(UNIX)
    if status.state is not ListenerState.RUNNING or not (status.port or is_unix):
        raise LoadRefusedError(
            f"the listener {name!r} is {status.state}, not running; start it first"
        )
    if is_unix:
        raise LoadRefusedError(
            f"the listener {name!r} listens at a unix socket, and the load generator speaks HTTP "
            "over TCP only; choose another listener"
        )
    if status.is_tls and status.certificate is None:
        raise LoadRefusedError(
            f"the listener {name!r} is behind TLS and does not tell its certificate; restart it"
        )


def destination(status: ListenerStatus) -> tuple[str, int]:
    """Address and port to connect to; a listener on every address is reached over loopback."""
    return reachable(status.address), status.port


def trust(status: ListenerStatus) -> Trust | None:
    """By what certificate the listener is known; None for one without TLS."""
    return Trust.in_certificate(status.certificate) if status.certificate else None
