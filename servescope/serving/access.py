"""Access to a listener: lists of addresses and networks."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from servescope.errors import ListenerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class AccessList:
    """Denies what is in `deny`; when `allow` is not empty, everybody who is not in it as well.

    May be changed while others ask. Raises ListenerError for an entry that is neither an address
    nor a network; a change that raises changes nothing.
    """

    def __init__(self, deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._watchers: list[Callable[[], None]] = []
        self._judge: Callable[[str], bool] | None = None
        self.deny: tuple[str, ...] = ()
        self.allow: tuple[str, ...] = ()
        self.change(deny, allow)

    @property
    def judge(self) -> Callable[[str], bool] | None:
        """Whether a peer with an address gets 403; None while nobody does."""
        return self._judge

    def denies(self, address: str) -> bool:
        """Whether a peer with this address gets 403."""
        judge = self._judge
        return judge is not None and judge(address)

    def change(self, deny: Iterable[str], allow: Iterable[str]) -> None:
        """Replace both lists, from the next request on, and call the watchers."""
        deny, allow = tuple(deny), tuple(allow)
        self._judge = _judge(deny, allow)
        self.deny, self.allow = deny, allow
        for tell in self._watchers:
            tell()

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call `tell` now, and after each change on the thread that makes it."""
        self._watchers.append(tell)
        tell()


def _judge(deny: tuple[str, ...], allow: tuple[str, ...]) -> Callable[[str], bool] | None:
    denied, allowed = networks(deny), networks(allow)
    if not denied and not allowed:
        return None

    @lru_cache(maxsize=4096)
    def look_up(address: str) -> bool:
        if not address:  # who may use a unix socket is a matter of its file's mode
            return False
        peer = ip_address(address.partition("%")[0])  # without the zone of a link-local address
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        if any(peer in network for network in denied):
            return True
        return bool(allowed) and not any(peer in network for network in allowed)

    return look_up


def networks(entries: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks that the entries name; an address is a network of one.

    Raises ListenerError that repeats all entries which name neither.
    """
    found, wrong = [], []
    for entry in entries:
        try:
            found.append(ip_network(entry, strict=False))
        except ValueError:
            wrong.append(entry)
    if wrong:
        raise ListenerError(f"{', '.join(wrong)}: neither an address nor a network")
    return tuple(found)
