"""Where a run may aim: listeners hosted here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.addresses import reachable
from servescope.errors import LoadRefusedError
from servescope.load.tls_connections import Trust
from servescope.records.listeners import UNIX, ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.records.listeners import ListenerStatus


def check_listener(name: str, statuses: Sequence[ListenerStatus]) -> None:
    """Raise LoadRefusedError with a sentence unless load can be sent to the listener.

    `statuses` are the listeners hosted here.
    """
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
