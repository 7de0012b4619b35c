"""How pages reach the browser: the document around them, compression, security headers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Request

LOADED_FIRST: Final = ("below_prefix.js", "color_scheme.js")
"""The assets that run before the first paint; Dash leaves them out of the scripts at the end."""

_INDEX: Final = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{%title%}</title>
        {%favicon%}
        <!-- loaded first -->
        {%css%}
    </head>
    <body>
        <noscript>Servescope draws its graphs in the browser: please allow scripts.</noscript>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>
"""

_FIRST_MARK: Final = "<!-- loaded first -->"


def index_page(prefix: str) -> str:
    """The document around the pages, as Dash's `index_string`, below a path prefix or none."""
    tags = [f'<script src="{prefix}/assets/color_scheme.js"></script>']
    if prefix:
        lead = f'src="{prefix}/assets/below_prefix.js" data-prefix="{prefix}/"'
        tags.insert(0, f"<script {lead}></script>")
    return _INDEX.replace(_FIRST_MARK, "".join(tags))


FILES: Final = ("/_dash-component-suites/", "/assets/")
COMPRESSED_FILES: Final = 256
SMALLEST_COMPRESSED: Final = 16_384
"""Bytes from which an answer is compressed: a poll's delta is below, and comes each second from
each viewer; compressing it would cost a tenth of the poll."""

LONGEST_BODY: Final = 1024 * 1024
"""Bytes of a request: a page's poll has a few thousand. A longer one is answered with 413."""


class CompressedOnce:
    """Flask-Compress's cache: static files are compressed once a process, answers never kept.

    (Compressing plotly.js takes 100 ms of CPU; doing it for each browser would be the dashboard's
    largest cost.)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        """The compressed file, None when it is not kept."""
        with self._lock:
            return self._files.get(key)

    def set(self, key: str, content: bytes) -> None:
        """Keep a static file; anything else has no path in its key and is let go."""
        if any(prefix in key for prefix in FILES):
            with self._lock:
                self._files[key] = content
                while len(self._files) > COMPRESSED_FILES:
                    self._files.popitem(last=False)


def _file_key(asked: Request) -> str:
    """A static file's path and query (Dash puts its version there); empty for what changes."""
    if asked.method == "GET" and asked.path.startswith(FILES):
        return asked.full_path
    return ""


def delivery_settings() -> dict[str, Any]:
    """Flask settings for compression, the size of requests, and errors."""
    return {
        "COMPRESS_ALGORITHM": ["gzip"],
        "COMPRESS_STREAMS": False,
        "COMPRESS_MIN_SIZE": SMALLEST_COMPRESSED,
        "COMPRESS_CACHE_BACKEND": CompressedOnce,
        "COMPRESS_CACHE_KEY": _file_key,
        "MAX_CONTENT_LENGTH": LONGEST_BODY,
        "DEBUG": False,  # FLASK_DEBUG would pass errors by our handlers, on to the server
    }


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
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
