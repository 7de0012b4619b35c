"""Whether a request that changes something comes from our own pages, and not from a foreign one.

Browsers tell by Sec-Fetch-Site (Fetch Metadata), which no page can forge and no proxy changes; but
they send it to trustworthy origins only, that is by HTTPS or to localhost. Elsewhere Origin tells
(RFC 6454): it must be where the request was sent to, by its Host field or by the public origin of
the settings, since a proxy may set Host to its own idea of where we are. A request with neither
comes from a program, which needs nobody's browser to send it, or is a form of an old browser: so it
must not be what a form can send.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Final

from flask import abort, request

from servescope.rate_limited_log import RateLimitedLog
from servescope.settings import read_origin

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})  # none: the person, not a page

# Of a form's `enctype` (HTML, "Form submission"); a script of another origin may send these too.
_FORM_TYPES: Final = frozenset(
    {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
)

_LONGEST_SHOWN: Final = 200
_log: Final = RateLimitedLog(logging.getLogger(__name__))


def refuse_foreign(public_origin: str = "") -> None:
    """Answer 403 to a request that changes something for a foreign page; logged once a minute."""
    if is_same_origin(public_origin):
        return
    origin = request.headers.get("Origin", "none told")[:_LONGEST_SHOWN]
    _log.line(
        logging.WARNING,
        HTTPStatus.FORBIDDEN,
        "refused a request that changes something from the origin %r; if people reach the "
        "dashboard there, set SERVESCOPE_PUBLIC_ORIGIN to it",
        origin,
    )
    abort(HTTPStatus.FORBIDDEN, "This request comes from a page of another origin.")


def is_same_origin(public_origin: str = "") -> bool:
    """Whether the present request may change something, as far as its origin goes."""
    if request.method in _SAFE_METHODS:
        return True
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    origin = request.headers.get("Origin")
    if origin is None:
        return request.mimetype not in _FORM_TYPES
    return origin == public_origin or _names_host(origin)


def _names_host(origin: str) -> bool:
    """Whether an origin is where the request was sent to, whatever the scheme a proxy undid."""
    try:
        scheme = read_origin(origin).partition("://")[0]
        return read_origin(f"{scheme}://{request.host}") == read_origin(origin)
    except ValueError:
        return False
