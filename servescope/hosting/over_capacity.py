"""The conversation with a client for whom there is no room, behind TLS."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from servescope.hosting.conversation import Conversation

if TYPE_CHECKING:
    from servescope.hosting.conversation import Need
    from servescope.hosting.site import Site
    from servescope.wire.tls_channel import TlsChannel

PATIENCE_NS: Final = 2_000_000_000
"""How long handshake and the first byte of a request may take in all."""

NO_ROOM: Final = (HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open.")


class OverCapacityConversation(Conversation):
    """Answers the first bytes of a request with 503, whatever they are.

    Without TLS the 503 is sent at once; with TLS only after the handshake.
    """

    __slots__ = ()

    def __init__(
        self, site: Site, client: tuple[str, int], now_ns: int, tls: TlsChannel | None
    ) -> None:
        super().__init__(site, client, now_ns, tls)
        self.deadline_ns = now_ns + min(PATIENCE_NS, site.deadlines.head_ns)

    def receive(self, data: bytes, now_ns: int, kernel_ns: int) -> Need:
        """Refuse; the bytes are of no interest."""
        del data, kernel_ns
        return self.refuse(*NO_ROOM, now_ns)
