"""Addresses of the network: which ones a setting may name, and how a URL is made of one.

A URL, a `host:port` and the address behind a wildcard are made here and nowhere else, so that the
brackets around IPv6 (RFC 3986 section 3.2.2) are never forgotten.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from servescope.errors import SettingsError
from servescope.paths import absolute

UNIX: Final = "unix:"
"""The beginning of a unix socket's address; its path follows."""

_LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}
_MOST_NAME: Final = 253  # RFC 1035 section 2.3.4, without the root's dot
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def checked_address(text: str) -> str:
    """A numeric address without brackets, or a host name, as it is. Raises ValueError for neither.

    A name is not looked up. One whose last part is a number is none: it would be read as IPv4.
    """
    address = without_brackets(text)
    try:
        ip_address(address)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        is_name = len(text) <= _MOST_NAME and all(map(_LABEL.fullmatch, labels))
        if not is_name or labels[-1].isdecimal():
            raise ValueError("it is neither an address nor a host name") from None
        return text
    return address


def checked_listen_address(text: str) -> str:
    """The same, or `unix:` and the path of a unix socket, which is made whole; or nothing."""
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path:
            raise ValueError(f"{UNIX} needs a path behind it")
        try:
            return f"{UNIX}{absolute(path)}"
        except SettingsError as error:
            raise ValueError(str(error)) from None
    return checked_address(text) if text else text


def without_brackets(address: str) -> str:
    """The numeric address of `[::1]`; anything else as it is."""
    if address.startswith("[") and address.endswith("]"):
        return address[1:-1]
    return address


def reachable(address: str) -> str:
    """Where a listener bound to `address` is found from this machine: a wildcard is no place."""
    address = without_brackets(address)
    try:
        numeric = ip_address(address)
    except ValueError:
        return address or _LOOPBACK[4]
    return _LOOPBACK[numeric.version] if numeric.is_unspecified else address


def host_and_port(address: str, port: int) -> str:
    """`address:port`, with brackets around an IPv6 address."""
    address = without_brackets(address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def url_of(address: str, port: int, *, is_tls: bool = False, path: str = "/") -> str:
    """Where a browser on this machine finds what is bound to the address and the port.

    The zone of a link-local address stays in it, escaped (RFC 6874 section 2).
    """
    place = host_and_port(reachable(address).replace("%", "%25"), port)
    return f"http{'s' if is_tls else ''}://{place}{path}"
