"""The apps that the listeners of `situations` host: slow, busy, broken or large on request."""

import os
import time
from pathlib import Path
from urllib.parse import parse_qs

MOST_KEPT = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
"""Bytes that the kernel takes from a server whose client does not read (tcp(7))."""
LARGE = b"x" * (2 * MOST_KEPT)

PROMISED = 1_000


def app(environ, start_response):
    """WSGI: `/sleep?ms=`, `/spin?ms=`, `/raise`, `/cut`, `/large`; everything else is quick."""
    asked = parse_qs(environ["QUERY_STRING"])
    seconds = int(asked.get("ms", ["0"])[0]) / 1000
    headers = [("Content-Type", "text/plain")]
    match environ["PATH_INFO"]:
        case "/sleep":
            time.sleep(seconds)
        case "/spin":
            _spin(seconds)
        case "/raise":
            start_response("500 Internal Server Error", headers)
            return [b"it went wrong"]
        case "/cut":
            start_response("200 OK", [*headers, ("Content-Length", str(PROMISED))])
            return _broken_off()
        case "/large":
            start_response("200 OK", headers)
            return [LARGE]
    environ["wsgi.input"].read()
    start_response("200 OK", headers)
    return [b"done"]


def _broken_off():
    yield b"the beginning"
    raise ConnectionError("the answer breaks off here, as it is meant to")


def _spin(seconds):
    """Take the whole of one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
