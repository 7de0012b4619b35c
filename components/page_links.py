"""Sentences that name another page, with a link where they name it.

A sentence says "the page Servers", as docs and log lines do; here its last word becomes the link.
"""

from __future__ import annotations

import re
from typing import Final

from dash import dcc

from components.path_prefix import below_prefix

PATHS: Final = {
    "Overview": "/",
    "Requests": "/requests",
    "Latency": "/latency",
    "Ports": "/ports",
    "Host": "/host",
    "Load": "/load",
    "Servers": "/servers",
    "Sign in": "/sign-in",
}
"""The pages that sentences and findings lead to, by their names."""

_NAMED: Final = re.compile(rf"(?<=\bthe page )({'|'.join(PATHS)})\b")

Linked = str | list[str | dcc.Link]
"""A text; or its parts, the names of pages as links."""


def linked(text: str) -> Linked:
    """The text, each page that it names as "the page …" a link to it."""
    parts = _NAMED.split(text)  # names at the odd places
    if len(parts) == 1:
        return text
    return [
        dcc.Link(part, href=below_prefix(PATHS[part])) if index % 2 else part
        for index, part in enumerate(parts)
        if part
    ]
