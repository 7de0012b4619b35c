"""Signing in and out: the password, how often it may be tried, and the cookie of a session."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import unicodedata
from typing import TYPE_CHECKING, Final

from flask import after_this_request, g, request

from components import client, sign_in_limits
from components.sessions import Sessions, short_name
from components.sign_in_file import SignInFile
from servescope.errors import NotAllowedError
from servescope.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from flask import Response

logger = logging.getLogger("servescope.sign_in")
_COOKIE: Final = "servescope-{}"
_TOKEN: Final = "servescope_session_token"  # noqa: S105 - the name under which a request keeps it


class SignIn:
    """The operator's password at the data folder's door; asked within a request.

    An empty password signs nobody in. `clock` gives epoch seconds: attempts and sessions are kept
    over restarts.
    """

    def __init__(
        self,
        folder: Path,
        password: str,
        cookie_path: str = "/",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = SignInFile(folder)
        self._password = _encoded(password)
        self._sessions = Sessions(self._password)
        self._cookie_path = cookie_path
        self._clock = clock
        self._failures = RateLimitedLog(logger)
        # Cookies know no ports (RFC 6265, 8.5): two dashboards on a host keep theirs apart.
        digest = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()
        self.cookie_name = _COOKIE.format(digest[:8])

    def attempt(self, password: str, *, at_this_machine: bool) -> bool:
        """Open a session for the browser of this request when the password is the operator's.

        An attempt that comes too early after a wrong one is not looked at: NotAllowedError then.
        Raises StoreError when the file of the sign-ins cannot be used.
        """
        now = self._clock()
        address = client.address()
        name = (
            sign_in_limits.AT_THIS_MACHINE if at_this_machine else sign_in_limits.client_of(address)
        )
        given = _encoded(password)
        is_right = bool(self._password.strip()) and hmac.compare_digest(
            hashlib.sha256(given).digest(), hashlib.sha256(self._password).digest()
        )
        former = self._token()

        def change(connection: sqlite3.Connection) -> tuple[str, float, int]:
            wait = sign_in_limits.wait_s(connection, name, now)
            if wait:
                return "", wait, 0
            if not is_right:
                return "", 0.0, sign_in_limits.note_failure(connection, name, now)
            sign_in_limits.forgive(connection, name)
            if former:
                self._sessions.end(connection, former)
            return self._sessions.begin(connection, now), 0.0, 0

        token, wait, failures = self._file.transaction(change)
        if failures:
            self._failures.line(
                logging.WARNING,
                name,
                "failed sign-in from %s: %d in a row, the next attempt counts after %g s",
                address or "a unix socket",
                failures,
                sign_in_limits.delay_after(failures, name),
            )
        if wait:
            raise NotAllowedError(f"Wait {_in_words(wait)}, then try again.")
        if token:
            self._hand_out(token)
        return bool(token)

    def session(self) -> str:
        """A short name of the session the present request belongs to; empty without one.

        Raises StoreError when the file of the sign-ins cannot be used.
        """
        token = self._token()
        if not token:
            return ""
        now = self._clock()
        is_open = self._file.transaction(
            lambda connection: self._sessions.is_open(connection, token, now)
        )
        return short_name(token) if is_open else ""

    def end(self) -> None:
        """End the session of the present request, in every process.

        Raises StoreError when the file of the sign-ins cannot be used: the session goes on then.
        """
        token = self._token()
        if token:
            self._file.transaction(lambda connection: self._sessions.end(connection, token))
        self._hand_out("")

    def _token(self) -> str:
        given: str = g.get(_TOKEN, request.cookies.get(self.cookie_name, ""))
        return given

    def _hand_out(self, token: str) -> None:
        """Have the answer to the present request carry the token; take it back when empty."""
        setattr(g, _TOKEN, token)
        is_https = client.is_https()

        @after_this_request
        def set_cookie(response: Response) -> Response:
            response.set_cookie(
                self.cookie_name,
                token,
                path=self._cookie_path,
                secure=is_https,
                httponly=True,
                samesite="Strict",
                expires=None if token else 0,
                max_age=None if token else 0,
            )
            return response


def _encoded(password: str) -> bytes:
    """The password's bytes, the same for texts that look the same (RFC 8265: OpaqueString, NFC)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _in_words(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole >= 120:  # noqa: PLR2004 - from two minutes on nobody counts seconds
        return f"{whole // 60} minutes"
    return "a second" if whole == 1 else f"{whole} seconds"
