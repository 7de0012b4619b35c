"""How often a client may try a password: growing delays by address, for all processes together.

A client is an IPv4 address or an IPv6 network of 64 bits (what one subscriber is given, RFC 6177),
and the operator at this very machine is a client of its own, with short delays: nobody elsewhere
locks that one out. The list of clients is bounded; the oldest are forgotten.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

AT_THIS_MACHINE: Final = "this machine"
FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 900.0
LONGEST_DELAY_HERE_S: Final = 2.0
"""At this machine: enough to keep guessing slow, too short to lock anybody out."""

FORGOTTEN_AFTER_S: Final = 86_400.0
MOST_CLIENTS: Final = 10_000
_IPV6_PREFIX: Final = 64
_MOST_DOUBLINGS: Final = 16


def client_of(address: str) -> str:
    """Under which name attempts from this address count together."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64] or "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))


def delay_after(failures: int, client: str) -> float:
    """Seconds from the last of so many failures in a row until the next attempt is looked at."""
    longest = LONGEST_DELAY_HERE_S if client == AT_THIS_MACHINE else LONGEST_DELAY_S
    return min(FIRST_DELAY_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)


def wait_s(connection: sqlite3.Connection, client: str, now_s: float) -> float:
    """Seconds until the client's next attempt is looked at; 0 when it may be now."""
    row = connection.execute("SELECT retry_s FROM failure WHERE client = ?", (client,)).fetchone()
    wait = row[0] - now_s if row else 0.0
    # A longer one was written before the clock was set back.
    return wait if 0 < wait <= LONGEST_DELAY_S else 0.0


def note_failure(connection: sqlite3.Connection, client: str, now_s: float) -> int:
    """Count a failure of the client; return how many in a row that makes."""
    connection.execute("DELETE FROM failure WHERE failed_s < ?", (now_s - FORGOTTEN_AFTER_S,))
    row = connection.execute("SELECT failures FROM failure WHERE client = ?", (client,)).fetchone()
    failures = (row[0] if row else 0) + 1
    connection.execute(
        "INSERT OR REPLACE INTO failure (client, failures, failed_s, retry_s) VALUES (?, ?, ?, ?)",
        (client, failures, now_s, now_s + delay_after(failures, client)),
    )
    connection.execute(
        "DELETE FROM failure WHERE client IN"
        " (SELECT client FROM failure ORDER BY failed_s DESC LIMIT -1 OFFSET ?)",
        (MOST_CLIENTS,),
    )
    return failures


def forgive(connection: sqlite3.Connection, client: str) -> None:
    """The client knows the password: its failures count no longer."""
    connection.execute("DELETE FROM failure WHERE client = ?", (client,))
