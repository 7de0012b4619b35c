"""Bytes of a step as people read them."""

from __future__ import annotations

import pytest

from servescope.experiments.transcript import as_text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\\r\\n\nHost: a\\r\\n\n"),
        (b"GET / HTTP/1.1\r", "GET / HTTP/1.1\\r"),  # cut off within the end of the line
        (b"a\nb", "a\nb"),
        (b"\xff", "\\xff"),
    ],
)
def test_the_ends_of_lines_are_seen(data, text):
    assert as_text(data) == text
