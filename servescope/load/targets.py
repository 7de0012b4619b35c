"""Where a run may aim: at listeners, apps that record here, origins that the operator named."""

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
    from servescope.records.recorded_apps import RecordedApp


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


@dataclass(frozen=True, slots=True)
class Targets:
    """All that a run may aim at, by name.

    `listeners` are hosted here, `apps` record their requests on this machine under other servers,
    `load_hosts` are origins that the operator named. Of a listener and an app of one name the
    listener is meant.
    """

    listeners: Sequence[ListenerStatus] = ()
    apps: Sequence[RecordedApp] = ()
    load_hosts: Collection[str] = ()

    def listener(self, name: str) -> ListenerStatus | None:
        """The listener of this name, in whatever state."""
        return next((one for one in self.listeners if one.name == name), None)

    def app(self, name: str) -> RecordedApp | None:
        """The app of this name, if no listener has it."""
        if self.listener(name) is not None:
            return None
        return next((one for one in self.apps if one.name == name), None)


def target_of(plan: LoadPlan, targets: Targets) -> Target:
    """Where a plan leads. Raises LoadRefusedError with a sentence when it must not."""
    if bool(plan.listener) == bool(plan.origin):
        raise LoadRefusedError("choose where the run aims: at a listener, an app or a named host")
    if plan.origin:
        return _named(plan, targets.load_hosts)
    app = targets.app(plan.listener)
    if app is not None:
        address, port = place_of(app)
        return Target(address, port, host_of(address, port))
    status = check_listener(plan.listener, targets)
    address, port = destination(status)
    return Target(address, port, host_of(address, port), trust(status), status.options.pin_core)


def host_of(address: str, port: int) -> str:
    """The Host field of a server that is known by its address.

    RFC 6874 section 4: the zone of a link-local address is nobody else's business.
    """
    return host_and_port(address.partition("%")[0], port)


def place_of(app: RecordedApp) -> tuple[str, int]:
    """Where an app is reached. Raises LoadRefusedError unless that is one place."""
    places = sorted({(reachable(address), port) for address, port in app.places})
    if len(places) == 1:
        return places[0]
    if not places:
        raise LoadRefusedError(
            f"the app {app.name!r} listens at no TCP port that can be seen from here; name its "
            "server in SERVESCOPE_LOAD_HOSTS"
        )
    told = ", ".join(host_and_port(*place) for place in places)
    raise LoadRefusedError(
        f"the processes of the app {app.name!r} listen at {told}, and which of them is the app's "
        "is not known; name it in SERVESCOPE_LOAD_HOSTS"
    )


def _named(plan: LoadPlan, load_hosts: Collection[str]) -> Target:
    check_named(plan.origin, load_hosts)
    host, port = host_and_port_of(plan.origin)
    check_address(host, plan.address)
    origin = urlsplit(plan.origin)
    is_https = origin.scheme == "https"
    return Target(plan.address, port, origin.netloc, Trust.by_system(host) if is_https else None)


def check_listener(name: str, targets: Targets) -> ListenerStatus:
    """The listener. Raises LoadRefusedError with a sentence unless load can be sent to it."""
    status = targets.listener(name)
    if status is None:
        names = {one.name for one in targets.listeners} | {one.name for one in targets.apps}
        known = ", ".join(sorted(names)) or "none"
        raise LoadRefusedError(f"there is no listener or app {name!r} here; known are: {known}")
    is_unix = status.address.startswith(UNIX)
    if status.state is not ListenerState.RUNNING or not (status.port or is_unix):
        raise LoadRefusedError(
            f"the listener {name!r} is {status.state}, not running; start it on the page Servers"
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
    return status


def destination(status: ListenerStatus) -> tuple[str, int]:
    """Address and port to connect to; a listener on every address is reached over loopback."""
    return reachable(status.address), status.port


def trust(status: ListenerStatus) -> Trust | None:
    """By what certificate the listener is known; None for one without TLS."""
    return Trust.in_certificate(status.certificate) if status.certificate else None
