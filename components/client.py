"""The sender of the present request: the one place to ask for the client's address and for HTTPS.

`address()` and `is_https()` already have the word of trusted proxies (`SERVESCOPE_TRUSTED_PROXIES`)
in them, under any WSGI server: `ForwardedMiddleware` put it into the environ before Flask saw it.
Nobody else looks at X-Forwarded-* or Forwarded.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import request

from servescope.addresses import checked_address
from servescope.hosting.forwarding import FORWARDED_KEY, tell_environ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.hosting.wsgi import StartResponse, WsgiCallable
    from servescope.wire.forwarded import TrustedProxies

_TRACES: Final = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
)
"""Fields that proxies add, believed as far as there was one."""

_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """The place of the browser that asks, seen from this machine."""

    is_local: bool  # at this very machine
    host: str = ""  # the name or address by which it reached this machine; empty where unknown
    is_proxied: bool = False  # by way of a proxy, as far as one shows


class ForwardedMiddleware:
    """WSGI middleware that puts the claims of trusted proxies into the environ.

    A server that has done so already (`hosting.wsgi`) is left alone.
    """

    def __init__(self, app: WsgiCallable, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on."""
        if FORWARDED_KEY not in environ:
            forwarded = self._proxies.resolve(
                environ.get("REMOTE_ADDR") or "",
                lambda name: environ.get("HTTP_" + name.upper().replace("-", "_"), ""),
            )
            if forwarded is not None:
                tell_environ(environ, forwarded)
        return self._app(environ, start_response)


def address() -> str:
    """The IP address of the client: the peer's, or the one that trusted proxies tell of.

    Empty when it came by a unix socket and no trusted proxy tells more.
    """
    return request.remote_addr or ""


def is_https() -> bool:
    """Whether the browser speaks HTTPS, be it to a proxy that does not say so.

    By TLS at our own server, by a trusted proxy's word, or by the Origin that the browser sends
    with what changes something. A client can only deceive itself: it has no cookie then.
    """
    return request.is_secure or request.headers.get("Origin", "").startswith("https://")


def is_local() -> bool:
    """Whether somebody at this very machine asks, without a proxy in between.

    A direct loopback connection whose Host names loopback, so that no foreign page reaches in by
    DNS rebinding. A proxy at this machine connects from loopback as well, and may set Host to where
    it connects; it is known by what it adds, by HTTP/1.0 (nginx), which browsers do not speak, or
    by an Origin or Referer that is not loopback's.
    """
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0" or FORWARDED_KEY in request.environ:
        return False
    if any(name in request.headers for name in _TRACES):
        return False
    pages = (request.headers.get("Origin"), request.headers.get("Referer"))
    hosts = [f"//{request.host}", *(page for page in pages if page)]
    return is_loopback(address()) and all(is_loopback(_host_of(url)) for url in hosts)


def visitor(public_origin: str = "", *, is_behind_proxy: bool = False) -> Visitor:
    """The place of the browser behind the present request, for links that it can follow.

    `public_origin` and `is_behind_proxy` are those of the settings. It grants nothing: a client
    that lies about the host of its request gets links that lead nowhere.
    """
    if is_local() and not is_behind_proxy:
        return Visitor(is_local=True)
    has_word = FORWARDED_KEY in request.environ
    is_proxied = (
        has_word
        or is_behind_proxy
        or request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
        or any(name in request.headers for name in _TRACES)
    )
    host = _url_host(_host_of(public_origin or f"//{request.host}"))
    if is_proxied and not public_origin and is_loopback(host):
        # Host may be the proxy's upstream: only a trusted proxy says that the browser is here.
        return Visitor(is_local=has_word and is_loopback(address()), is_proxied=True)
    return Visitor(is_local=False, host=host, is_proxied=is_proxied)


def _url_host(host: str) -> str:
    """The host when it is fit to stand in a URL, else empty: a request may name anything."""
    try:
        return checked_address(host)
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address names this machine's loopback."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        found = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _host_of(url: str) -> str:
    """The host of a URL, empty when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
