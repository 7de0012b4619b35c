"""A request that came by way of trusted proxies, as the application is to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange
    from servescope.wire.forwarded import ForwardedRequest, TrustedProxies

FORWARDED_KEY: Final = "servescope.forwarded"
"""In a WSGI environ: the word of trusted proxies about this request; missing without them."""

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def forward(exchange: Exchange, proxies: TrustedProxies) -> None:
    """Give an exchange the client that trusted proxies name; without effect for others."""
    head = exchange.head
    if head is None:
        return
    peer = exchange.client[0]
    # A proxy that repeats itself on a kept connection sends one head (see http1_known_heads).
    known = head.notes.get(proxies)
    if known is None or known[0] != peer:
        forwarded = proxies.resolve(peer, lambda name: exchange.combined_header(name.encode()))
        known = head.notes[proxies] = peer, forwarded
    exchange.forwarded = forwarded = known[1]
    if forwarded is not None and forwarded.address:
        exchange.client = forwarded.address, forwarded.port


def tell_environ(environ: dict[str, Any], forwarded: ForwardedRequest) -> None:
    """Put the word of trusted proxies into a WSGI environ; the header fields stay as they came."""
    environ[FORWARDED_KEY] = forwarded
    if forwarded.address:
        environ["REMOTE_ADDR"] = forwarded.address
        environ["REMOTE_PORT"] = str(forwarded.port)
    if forwarded.scheme:
        environ["wsgi.url_scheme"] = forwarded.scheme
        if forwarded.scheme == "https":
            environ["HTTPS"] = "on"
        else:
            environ.pop("HTTPS", None)
    if forwarded.host:
        name, port = _split_host(forwarded.host)
        environ["HTTP_HOST"] = forwarded.host
        environ["SERVER_NAME"] = name
        environ["SERVER_PORT"] = port or _DEFAULT_PORTS[environ["wsgi.url_scheme"]]


def tell_scope(scope: dict[str, Any], forwarded: ForwardedRequest) -> None:
    """Put scheme and host into an ASGI scope, whose `headers` is a list of its own."""
    if forwarded.scheme:
        scope["scheme"] = forwarded.scheme
    if forwarded.host:
        fields = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", forwarded.host.encode()), *fields]


def _split_host(host: str) -> tuple[str, str]:
    """Name and port of a Host field; an address keeps its brackets (RFC 3875 section 4.1.14)."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and "]" not in port else (host, "")
