"""An app or a folder served by `python -m servescope serve`, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager

from tests.prepared_interpreter import Command, started
from tests.processes import ROOT, children

WSGI = "tests.contracts.app_for_models:app"
ASGI = "servescope.demo.asgi_app:app"
WHERE = re.compile(r"on http://127\.0\.0\.1:(\d+)/ with the model (\w+)")


class Served:
    """A process that serves; see `prepared_interpreter.started`."""

    def __init__(self, folder, *given, has_own_interpreter=False):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVESCOPE_")}
        arguments = ("-m", "servescope", "serve", "--data-folder", str(folder), *given)
        self.process = started(
            Command(arguments, str(ROOT), environment), has_own_interpreter=has_own_interpreter
        )
        self.folder = folder
        self.line = self.process.stdout.readline()
        found = WHERE.search(self.line)
        self.port, self.model = (int(found[1]), found[2]) if found else (0, "")
        self.known = children(self.process.pid)

    def get(self, path="/"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as got:
                return got.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    @contextmanager
    def clients(self, number):
        """Clients that were answered and stay connected."""
        with ExitStack() as open_ones:
            for _ in range(number):
                client = socket.create_connection(("127.0.0.1", self.port), 10)
                open_ones.enter_context(closing(client))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(100)
            yield

    def end(self, number=signal.SIGTERM):
        self.known += children(self.process.pid)
        self.process.send_signal(number)
        return self.process.wait(15)

    def close(self):
        for pid in {self.process.pid, *self.known, *children(self.process.pid)}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)
        self.process.stdout.close()
