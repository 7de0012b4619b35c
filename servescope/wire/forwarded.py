"""The client of a request that came by way of proxies: `X-Forwarded-*` and RFC 7239 `Forwarded`.

Theory of operation. Each proxy appends to a list the address of whoever connected to it, so the
list reads from the client to the nearest proxy, and its left part is whatever the client sent. The
walk begins with the peer of the connection. While the address at hand is that of a trusted proxy,
the next entry from the right, which this proxy wrote, is believed. The first address that is not
trusted is the client's. An entry that names no address (`unknown`, `_hidden`, garbage) ends the
walk at the proxy that wrote it. So nothing that a client prepends changes the outcome.

`X-Forwarded-Proto` and `X-Forwarded-Host` name no hop: their right-most entry counts, which the
nearest proxy wrote. In `Forwarded`, `proto` and `host` are those of the element that names the
client: they tell what the outermost trusted proxy was asked for. Either one family of fields is
believed or the other, because a proxy that writes one mostly passes on what a client sent of the
other.

A comma ends an entry, also amid quotes: no address, scheme or host has one, and a quote that a
client opened must not swallow what a proxy appends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from servescope.records.listeners import UNIX, X_FORWARDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORWARDED: Final = "forwarded"
X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST = X_FORWARDED

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_HIGHEST_PORT: Final = 65_535
_WHITE: Final = " \t"

# node-port of RFC 7239 section 6: 1*5DIGIT, or an obfuscated one.
_PORT: Final = re.compile(r"[0-9]{1,5}|_[A-Za-z0-9._-]+")

# Host = uri-host [ ":" port ] (RFC 9110 section 7.2); of its names those that DNS knows.
_HOST: Final = re.compile(
    r"(?:(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}))|\[(?P<address>[0-9A-Fa-f:.]+)\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)

# forwarded-pair = token "=" value; value = token / quoted-string (RFC 7239 section 4); the string
# without a comma, a semicolon or an escape.
_PAIR: Final = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)="""
    r"""(?:(?P<token>[!#$%&'*+.^_`|~0-9A-Za-z-]+)|"(?P<quoted>[^",;\\]*)")"""
)


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """The facts of a request that trusted proxies state; a field they do not state is empty.

    `address` is an IPv4 or IPv6 address in its normal form, without brackets; empty when the peer
    of the connection is all that is known. `port` is the client's, 0 when unknown. `scheme` is
    `http` or `https`. `host` is fit to be a Host field.
    """

    address: str = ""
    port: int = 0
    scheme: str = ""
    host: str = ""


class TrustedProxies:
    """The proxies whose word about a request's client is believed, and in which header fields.

    `entries` are addresses, networks, and UNIX for all clients of a unix socket. `fields` are
    lower-case names: either FORWARDED or some of X_FORWARDED. Raises ValueError for anything else,
    and for a network of every address, which would believe each client. Any thread may ask.
    """

    def __init__(self, entries: Iterable[str], fields: Iterable[str] = X_FORWARDED) -> None:
        entries, self.fields = tuple(entries), frozenset(fields)
        self._is_unix_trusted = UNIX in entries
        self._networks = tuple(_network(entry) for entry in entries if entry != UNIX)
        if self.fields != {FORWARDED} and not self.fields <= set(X_FORWARDED):
            raise ValueError(f"either {FORWARDED} is believed or some of {', '.join(X_FORWARDED)}")
        self.trusts: Callable[[str], bool] = lru_cache(maxsize=4096)(self._trusts)
        """Whether a peer is a trusted proxy, by its address; empty: it came by a unix socket."""

    def _trusts(self, address: str) -> bool:
        if not address:
            return self._is_unix_trusted
        try:
            peer = _address(address.partition("%")[0])  # without the zone of a link-local address
        except ValueError:
            return False
        return any(peer in network for network in self._networks)

    def resolve(self, peer: str, value_of: Callable[[str], str]) -> ForwardedRequest | None:
        """The request as trusted proxies had it; None when the peer is none of them.

        `peer` is as for `trusts`. `value_of` gives a header field by its lower-case name: its lines
        in their order, joined with commas; empty without one.
        """
        if not self.trusts(peer):
            return None
        if FORWARDED in self.fields:
            return self._read_elements(value_of(FORWARDED))
        told = {name: value_of(name) for name in self.fields}
        address, port = self._walk(told.get(X_FORWARDED_FOR, ""))
        return ForwardedRequest(
            address,
            port,
            read_scheme(_nearest(told.get(X_FORWARDED_PROTO, ""))),
            read_host(_nearest(told.get(X_FORWARDED_HOST, ""))),
        )

    def _walk(self, value: str) -> tuple[str, int]:
        """The client's address and port by X-Forwarded-For."""
        found = "", 0
        for entry in reversed(value.split(",")):
            node = read_node(entry.strip(_WHITE))
            if node is None:
                break
            found = node
            if not self.trusts(node[0]):
                break
        return found

    def _read_elements(self, value: str) -> ForwardedRequest:
        """The same walk over the elements of Forwarded, each of which describes one hop."""
        address, port, pairs = "", 0, {}
        for element in reversed(value.split(",")):
            pairs = read_pairs(element)
            node = read_node(pairs.get("for", ""))
            if node is None:
                break
            address, port = node
            if not self.trusts(address):
                break
        scheme, host = read_scheme(pairs.get("proto", "")), read_host(pairs.get("host", ""))
        return ForwardedRequest(address, port, scheme, host)


def read_node(text: str) -> tuple[str, int] | None:
    """Address and port of a node, the port 0 without a known one; None when it names no address.

    `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`.
    """
    port = ""
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in text or (rest and rest[0] != ":") or rest == ":":
            return None
        port = rest[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port:
            return None
    if port and not _PORT.fullmatch(port):
        return None
    number = int(port) if port.isdecimal() else 0
    if number > _HIGHEST_PORT or "%" in text:  # a zone means nothing on another machine
        return None
    try:
        return str(_address(text)), number
    except ValueError:
        return None


def read_pairs(element: str) -> dict[str, str]:
    """The pairs of one element of Forwarded by lower-case name; none when it is malformed."""
    pairs: dict[str, str] = {}
    for part in element.split(";"):
        pair = part.strip(_WHITE)
        if not pair:  # `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`
            continue
        match = _PAIR.fullmatch(pair)
        name = match["name"].lower() if match else ""
        if match is None or name in pairs:  # each name once (RFC 7239 section 4)
            return {}
        pairs[name] = match["token"] or match["quoted"] or ""
    return pairs


def read_scheme(text: str) -> str:
    """`http` or `https`; empty when the text is no scheme we serve.

    `ws` counts as `http`, `wss` as `https`.
    """
    return _SCHEMES.get(text.lower(), "")


def read_host(text: str) -> str:
    """The text when it is fit to be a Host field, else nothing."""
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        return ""
    if match["address"]:
        try:
            IPv6Address(match["address"])
        except ValueError:
            return ""
    return text


def _nearest(value: str) -> str:
    """The entry that the nearest proxy wrote."""
    return value.rpartition(",")[2].strip(_WHITE)


def _address(text: str) -> IPv4Address | IPv6Address:
    """An address; an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as IPv4.

    Raises ValueError.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry!r} is neither an address nor a network, nor {UNIX!r}") from None
    if network.prefixlen == 0:
        raise ValueError(f"{entry!r} would believe every client: name the proxies")
    return network
