"""Headers that keep foreign code and frames away from the pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.client import Visitor

POLICY: Final = "Content-Security-Policy"
_SCHEMES: Final = ("http", "https")
_NAME: Final = re.compile(r"[A-Za-z0-9.-]+")


def media_directive(visitor: Visitor) -> str:
    """Media come from listeners at the host that the visitor's page came from, on any port."""
    sources = [f"{scheme}://{host}:*" for host in media_hosts(visitor) for scheme in _SCHEMES]
    return " ".join(["; media-src 'self'", *sources])


def media_hosts(visitor: Visitor) -> tuple[str, ...]:
    """The hosts that media may come from; a policy has no way to write an IPv6 address."""
    if visitor.is_local:
        return ("127.0.0.1", "localhost")
    return (visitor.host,) if _NAME.fullmatch(visitor.host) else ()


def security_headers(script_hashes: Sequence[str]) -> dict[str, str]:
    """Headers for every answer; `script_hashes` are those of Dash's own inline scripts.

    Mantine and Plotly set style attributes, hence 'unsafe-inline' for styles alone.
    """
    policy = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", *script_hashes]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "frame-ancestors": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "object-src": "'none'",
    }
    return {
        POLICY: "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
