"""Apps whose capacity follows from their code."""

from __future__ import annotations

import time

WAIT_S = 0.02


def waiting(_environ, start_response):
    """Waits 20 ms without the processor: each thread answers 50 requests per second."""
    time.sleep(WAIT_S)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"waited\n"]


def computing(_environ, start_response):
    """Some milliseconds of Python, during which it holds the GIL."""
    total = sum(number * number for number in range(100_000))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d\n" % total]
