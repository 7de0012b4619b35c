"""Sessions of the operator: kept by the server, so that a sign-out ends one in every process.

The browser holds a random token, the file its SHA-256. A session ends with its sign-out, twelve
hours after its last page load or change, seven days after its sign-in, or when another password is
set: each belongs to the salt of the password it was opened with. It outlives a restart with the
same password.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

IDLE_S: Final = 12 * 3_600.0
LONGEST_S: Final = 7 * 86_400.0
MOST_SESSIONS: Final = 100
SEEN_EVERY_S: Final = 60.0
"""How exactly the last use is kept: a write a minute at most, not one a page."""

TOKEN_BYTES: Final = 32
_SALT_BYTES: Final = 16
_LONGEST_TOKEN: Final = 256


class Sessions:
    """The sessions that `password` opened; the functions work within a transaction of the file.

    The first of them in a process holds the password against the one of the file, which takes about
    50 ms (scrypt, RFC 7914), and ends all sessions when it is another one.
    """

    def __init__(self, password: bytes) -> None:
        self._password = password
        self._lock = threading.Lock()
        self._kept: tuple[bytes, bytes] | None = None  # salt and verifier

    def begin(self, connection: sqlite3.Connection, now_s: float) -> str:
        """Open a session and return its token."""
        salt = self._salt(connection)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        connection.execute(
            "DELETE FROM session WHERE seen_s < ? OR began_s < ?",
            (now_s - IDLE_S, now_s - LONGEST_S),
        )
        connection.execute(
            "INSERT INTO session (token_hash, salt, began_s, seen_s) VALUES (?, ?, ?, ?)",
            (_hash(token), salt, now_s, now_s),
        )
        connection.execute(
            "DELETE FROM session WHERE token_hash IN"
            " (SELECT token_hash FROM session ORDER BY seen_s DESC, began_s DESC"
            " LIMIT -1 OFFSET ?)",
            (MOST_SESSIONS,),
        )
        return token

    def is_open(self, connection: sqlite3.Connection, token: str, now_s: float) -> bool:
        """Whether the token is that of a session that has not ended."""
        if not token or len(token) > _LONGEST_TOKEN:
            return False
        salt, key = self._salt(connection), _hash(token)
        row = connection.execute(
            "SELECT began_s, seen_s FROM session WHERE token_hash = ? AND salt = ?", (key, salt)
        ).fetchone()
        if row is None:
            return False
        began_s, seen_s = row
        if now_s - seen_s > IDLE_S or now_s - began_s > LONGEST_S:
            connection.execute("DELETE FROM session WHERE token_hash = ?", (key,))
            return False
        if abs(now_s - seen_s) > SEEN_EVERY_S:
            connection.execute("UPDATE session SET seen_s = ? WHERE token_hash = ?", (now_s, key))
        return True

    def end(self, connection: sqlite3.Connection, token: str) -> bool:
        """End the session of this token; return whether there was one."""
        ended = connection.execute("DELETE FROM session WHERE token_hash = ?", (_hash(token),))
        return ended.rowcount > 0

    def _salt(self, connection: sqlite3.Connection) -> bytes:
        """The salt that all sessions of this password carry."""
        row = connection.execute("SELECT salt, verifier FROM password").fetchone()
        with self._lock:
            kept = self._kept
            if kept is None:
                if row is None or not hmac.compare_digest(self._verifier(row[0]), row[1]):
                    salt = os.urandom(_SALT_BYTES)
                    kept = (salt, self._verifier(salt))
                    connection.execute("DELETE FROM session")
                    connection.execute("DELETE FROM password")
                    row = None
                else:
                    kept = (row[0], row[1])
                self._kept = kept
            if row is None:  # a new password, or a file that was begun anew
                connection.execute("INSERT INTO password (salt, verifier) VALUES (?, ?)", kept)
            return kept[0]

    def _verifier(self, salt: bytes) -> bytes:
        return hashlib.scrypt(self._password, salt=salt, n=2**14, r=8, p=1)


def short_name(token: str) -> str:
    """By which a log line tells sessions apart; it opens nothing."""
    return _hash(token).hex()[:8]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
