"""Hosts that the operator named (`SERVESCOPE_LOAD_HOSTS`): which address a run may connect to.

Theory of operation. A name is looked up once, when a run is asked for, and the address that was
found goes with the plan: the generator never looks a name up, so that it cannot be led elsewhere
while a run goes on (DNS rebinding). Each address is checked, when it is found and again when the
run starts: a name that others answer for must not lead to this machine itself, to its link (where
clouds keep the credentials of a machine), or to no single host. An operator who means such an
address names it as such.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from servescope.addresses import host_and_port
from servescope.errors import LoadRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection

CONNECT_SECONDS: Final = 3.0
"""How long each address of a name may take to accept a connection before a run."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def check_named(origin: str, load_hosts: Collection[str]) -> None:
    """Raise LoadRefusedError unless the operator named the origin.

    `load_hosts` are origins as browsers serialise them, as the setting has them.
    """
    if origin not in load_hosts:
        known = ", ".join(sorted(load_hosts)) or "none"
        raise LoadRefusedError(
            f"{origin[:120]!r} is no target that the operator named in SERVESCOPE_LOAD_HOSTS; "
            f"named are: {known}"
        )


def host_and_port_of(origin: str) -> tuple[str, int]:
    """The host, without brackets, and the port of an origin."""
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """A numeric address of a host, and how many seconds the system took to look its name up.

    None of a host that is an address itself, which nobody looks up.
    """

    address: str
    lookup_seconds: float | None = None


def addresses_of(host: str, port: int) -> tuple[list[Any], float | None]:
    """Ask the system's resolver, which may block; its answer, and `FoundAddress.lookup_seconds`.

    Raises OSError or UnicodeError as getaddrinfo(3) does.
    """
    begin = time.monotonic()
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return found, None if _is_numeric(host) else time.monotonic() - begin


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def resolved(origin: str) -> FoundAddress:
    """The first address of the origin's host that may be loaded and accepts a connection now.

    Blocks as long as the system's resolver takes, and CONNECT_SECONDS for an address. Raises
    LoadRefusedError with a sentence when there is none.
    """
    host, port = host_and_port_of(origin)
    try:
        found, lookup_seconds = addresses_of(host, port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadRefusedError(f"the name {host!r} has no address: {reason}") from None
    faults = []
    for family, _, _, _, place in found:
        address = str(place[0])
        try:
            check_address(host, address)
            with socket.socket(family) as connection:
                connection.settimeout(CONNECT_SECONDS)
                connection.connect(place)
        except LoadRefusedError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(
                f"{host_and_port(address, port)} accepts no connection: {error.strerror or error}"
            )
        else:
            return FoundAddress(address, lookup_seconds)
    raise LoadRefusedError("; ".join(faults))


def check_address(host: str, address: str) -> None:
    """Raise LoadRefusedError unless a run that aims at the host may connect to the address."""
    try:
        numeric = ip_address(address)
    except ValueError:
        raise LoadRefusedError(f"{address[:80]!r} is no numeric address") from None
    numeric = getattr(numeric, "ipv4_mapped", None) or numeric
    kind = _kind_of(numeric)
    if kind and not _is_meant(host, numeric):
        raise LoadRefusedError(
            f"{host} leads to {address}, {kind}; name the address itself in SERVESCOPE_LOAD_HOSTS "
            "if it is meant"
        )


def _kind_of(address: IPv4Address | IPv6Address) -> str:
    """The kind of an address that a name must not lead to; empty for any other."""
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        return "which is not the address of one host"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    return ""


def _is_meant(host: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether the host is that address; `localhost` is any of loopback (RFC 6761 section 6.3)."""
    if address.is_unspecified or address.is_multicast:
        return False
    if address.is_loopback and (host == "localhost" or host.endswith(".localhost")):
        return True
    try:
        return ip_address(host) == address
    except ValueError:
        return False
