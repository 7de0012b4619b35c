"""The body of an error response: status and reason, short, in HTML for browsers, else in text."""

from __future__ import annotations

from html import escape

from servescope.wire.http1_response import reason_phrase

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {phrase}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;\
color:#222;background:#fff}}@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#1a1b1e\
}}}}</style></head>
<body><h1>{status} {phrase}</h1><p>{reason}</p></body></html>
"""


def error_page(status: int, reason: str, accept: str) -> tuple[str, bytes]:
    """Content type and content; HTML when the Accept header names it."""
    phrase = reason_phrase(status)
    if "text/html" in accept:
        page = _HTML.format(status=status, phrase=escape(phrase), reason=escape(reason))
        return "text/html; charset=utf-8", page.encode()
    return "text/plain; charset=utf-8", f"{status} {phrase}\n{reason}\n".encode()
