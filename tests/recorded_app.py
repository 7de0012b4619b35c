"""An app of somebody else's server, which records its requests: a process of its own.

    python -m tests.recorded_app

It serves with the standard library's WSGI server, as `shop` in SERVESCOPE_DATA_DIR, and prints its
port once it has answered its own first request: from then on it is known.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from servescope.middleware.wsgi import ServescopeMiddleware
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "shop"


class RecordedProcess(NamedTuple):
    """The process, and its port on 127.0.0.1."""

    pid: int
    port: int


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *_words: object) -> None:
        pass


def app(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


@contextmanager
def recorded_app(data_dir: Path) -> Iterator[RecordedProcess]:
    """Start the app; it ends with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.recorded_app"],
        cwd=ROOT,
        env=os.environ | {"SERVESCOPE_DATA_DIR": str(data_dir)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield RecordedProcess(process.pid, int(process.stdout.readline()))
        finally:
            process.kill()


def main() -> None:
    """Serve until standard input ends: the parent is gone."""
    server = Server(("127.0.0.1", 0), QuietHandler)
    server.set_app(ServescopeMiddleware(app, listener=NAME))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/first", timeout=30).close()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
