"""Who may use a listener: lists of addresses and networks."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from servescope.errors import ListenerError

if TYPE_CHECKING:
    from collections.abc import Iterable


class AccessList:
    """Denies what is in `deny`; when `allow` is not empty, everybody who is not in it as well.

    Raises ListenerError for an entry that is neither an address nor a network.
    """

    def __init__(self, deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._deny = _networks(deny)
        self._allow = _networks(allow)
        self._is_open = not self._deny and not self._allow
        self._judge = lru_cache(maxsize=4096)(self._look_up)

    def denies(self, address: str) -> bool:
        """Whether a peer with this address gets 403.

        Never one without an address: who may use a unix socket is a matter of its file's mode.
        """
        return not self._is_open and address != "" and self._judge(address)

    def _look_up(self, address: str) -> bool:
        peer = ip_address(address.partition("%")[0])  # without the zone of a link-local address
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        if any(peer in network for network in self._deny):
            return True
        return bool(self._allow) and not any(peer in network for network in self._allow)


def _networks(entries: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    networks = []
    for entry in entries:
        try:
            networks.append(ip_network(entry, strict=False))
        except ValueError as error:
            raise ListenerError(f"{entry!r} is neither an address nor a network") from error
    return tuple(networks)
