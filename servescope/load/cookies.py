"""The cookies of one flow: those of one host, kept from answer to answer (RFC 6265 section 5).

All requests of a run go to one host, so a Domain attribute changes nothing and each cookie is
host-only. A cookie that expires is dropped at once or kept for the whole flow: flows are short.
"""

from __future__ import annotations

import re
import time
from typing import Final

from servescope.wire.http_date import parse_http_date

MAX_COOKIES: Final = 50
"""Cookies kept for a flow, as many as a browser has to keep for a domain (section 6.1)."""

MAX_COOKIE_BYTES: Final = 4_096
_WHITESPACE: Final = " \t"
_AGE: Final = re.compile(r"-?[0-9]+")


class CookieJar:
    """Takes Set-Cookie fields and gives the Cookie field of the next request."""

    __slots__ = ("_cookies", "_is_tls")

    def __init__(self, *, is_tls: bool) -> None:
        self._is_tls = is_tls
        self._cookies: dict[tuple[str, str], str] = {}  # (name, path) → value

    def store(self, field: str, target: str) -> None:
        """Take one Set-Cookie field of the answer to a request of `target` (section 5.2, 5.3)."""
        pair, _, rest = field.partition(";")
        name, equals, value = pair.partition("=")
        name = name.strip(_WHITESPACE)
        if not equals or not name or len(pair) > MAX_COOKIE_BYTES:
            return
        attributes = dict(map(_attribute, rest.split(";")))
        if "secure" in attributes and not self._is_tls:
            return
        path = attributes.get("path", "")
        key = (name, path if path.startswith("/") else _default_path(target))
        self._cookies.pop(key, None)
        is_kept = len(self._cookies) < MAX_COOKIES and not _has_expired(attributes)
        if is_kept:
            self._cookies[key] = value.strip(_WHITESPACE)

    def field_for(self, target: str) -> str:
        """Value of the Cookie field for a request of `target`; empty when there is none to send.

        Those with longer paths stand first (section 5.4).
        """
        path = target.partition("?")[0]
        fitting = [key for key in self._cookies if _matches(path, key[1])]
        fitting.sort(key=lambda key: -len(key[1]))
        return "; ".join(f"{key[0]}={self._cookies[key]}" for key in fitting)


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(_WHITESPACE).lower(), value.strip(_WHITESPACE)


def _has_expired(attributes: dict[str, str]) -> bool:
    """Whether the server takes the cookie back: Max-Age wins over Expires (section 5.3)."""
    age = attributes.get("max-age", "")
    if _AGE.fullmatch(age):
        return age.startswith("-") or not age.strip("0")  # it may have more digits than int() takes
    expires = parse_http_date(attributes.get("expires", ""))
    return expires is not None and expires <= time.time()


def _default_path(target: str) -> str:
    """Section 5.1.4: the folder of the request's path."""
    return target.partition("?")[0].rpartition("/")[0] or "/"


def _matches(path: str, of_cookie: str) -> bool:
    """Section 5.1.4: the same path, or one below it."""
    if not path.startswith(of_cookie):
        return False
    return len(path) == len(of_cookie) or of_cookie.endswith("/") or path[len(of_cookie)] == "/"
