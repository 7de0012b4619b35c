from __future__ import annotations

import pytest

from servescope.hosting.static.content_types import content_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("A.JS", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.pdf", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a.unheard", "application/octet-stream"),
        ("Makefile", "application/octet-stream"),
        ("data:text", "application/octet-stream"),
    ],
)
def test_types(name: str, expected: str):
    assert content_type(name) == expected
