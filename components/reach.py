"""From where a listener can be reached, and whether the visitor of a page can.

The address of a listener says at which addresses of this machine it takes connections. A link is
made of the name by which the visitor reached the dashboard: 127.0.0.1 would lead each visitor to
the machine in front of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from components.client import is_loopback
from servescope.addresses import UNIX, host_and_port, url_of, without_brackets
from servescope.records.listeners import ListenerState
from servescope.records.temporary_listeners import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from components.client import Visitor
    from servescope.records.listeners import ListenerStatus

THIS_MACHINE: Final = "this machine only"
NOWHERE: Final = "nowhere, as it does not run"
PROXIED: Final = (
    "A link leads to the listener's own port, past the proxy: it works where that port is let "
    "through. A platform that publishes one port publishes the dashboard alone."
)


@dataclass(frozen=True, slots=True)
class Reach:
    """A listener as one visitor can reach it."""

    place: str  # its URL as this visitor would write it, else address and port
    href: str  # the same where it can be opened, else empty
    origin: str  # from where it can be reached now, to stand behind "from"
    obstacle: str = ""  # why this visitor cannot, and which setting changes that; no capital letter


def reach(status: ListenerStatus, visitor: Visitor) -> Reach:
    """How the visitor of a page reaches a listener."""
    address = without_brackets(status.address)
    origin = _origin(address) if status.state is ListenerState.RUNNING else NOWHERE
    if address.startswith(UNIX):
        return Reach(address, "", origin)
    if not status.port:  # the kernel picks one when it starts
        return Reach(f"{address}, any free port", "", origin)
    if visitor.is_local:
        return _opened(status, status.url, origin)
    host, obstacle = _host(status, address, visitor)
    if obstacle:
        return Reach(host_and_port(address, status.port), "", origin, obstacle)
    return _opened(status, url_of(host, status.port, is_tls=status.is_tls), origin)


def notes(statuses: Iterable[ListenerStatus], visitor: Visitor) -> list[str]:
    """Sentences below a list of listeners: why this visitor cannot reach some of them."""
    names: dict[str, list[str]] = {}
    has_link = False
    for status in statuses:
        found = reach(status, visitor)
        has_link |= bool(found.href)
        if found.obstacle:
            names.setdefault(found.obstacle, []).append(status.name)
    said = [f"{', '.join(of)}: {obstacle}." for obstacle, of in names.items()]
    return said + [PROXIED] * (has_link and visitor.is_proxied)


def _opened(status: ListenerStatus, url: str, origin: str) -> Reach:
    """It can be opened while it runs."""
    return Reach(url, url if status.state is ListenerState.RUNNING else "", origin)


def _origin(address: str) -> str:
    if address.startswith(UNIX):
        return "programs at this machine"
    if is_loopback(address):
        return THIS_MACHINE
    numeric = _numeric(address)
    if numeric is None or not numeric.is_unspecified:
        return f"where {address} leads to this machine"
    return "every network" if isinstance(numeric, IPv6Address) else "every network, by IPv4"


def _host(status: ListenerStatus, address: str, visitor: Visitor) -> tuple[str, str]:
    """The host of the URL for a visitor from elsewhere; or an obstacle."""
    if is_loopback(address):
        return "", f"only this machine can reach it; {_remedy(status, '0.0.0.0 (or ::)')}"
    numeric = _numeric(address)
    if numeric is None or not numeric.is_unspecified:
        if "%" in address:
            return "", "bound to a link-local address, which each machine writes in its own way"
        return address, ""
    if not visitor.host:
        return "", (
            "no proxy said by which name you reach this machine; SERVESCOPE_PUBLIC_ORIGIN or "
            "SERVESCOPE_TRUSTED_PROXIES changes that"
        )
    came_by_ipv6 = isinstance(_numeric(visitor.host), IPv6Address)
    if came_by_ipv6 and isinstance(numeric, IPv4Address):
        return "", f"it takes IPv4 only, and you came by IPv6; {_remedy(status, '::')}"
    return visitor.host, ""


def _remedy(status: ListenerStatus, address: str) -> str:
    """The setting that binds it to another address."""
    setting = status.address_setting
    if not setting:
        kind = "an experiment" if status.name == EXPERIMENT else "a comparison"
        return f"the server of {kind} stays there"
    joined = f"{setting} {address}" if setting.startswith("-") else f"{setting}={address}"
    return f"{joined} changes that"


def _numeric(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
