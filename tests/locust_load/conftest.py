"""A server that remembers what it was asked."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and content in one packet

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked.append(
            SimpleNamespace(
                method=self.command,
                path=self.path,
                body=body,
                headers=self.headers,
                client=self.client_address,
            )
        )
        if self.path.startswith("/never"):
            self.server.is_over.wait(60)
        content = json.dumps({"session": {"token": "a/b"}}).encode()
        self.send_response(503 if self.path.startswith("/busy") else 200)
        self.send_header("Content-Length", str(len(content)))
        if self.path == "/login":
            self.send_header("Set-Cookie", "session=7")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        if self.path.startswith("/once"):
            self.close_connection = True  # without a word, as a server that restarts

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_):
        """Nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_):
        """A client that went away is no error here."""


@contextmanager
def _remembering():
    server = _Server(("127.0.0.1", 0), _Handler)
    server.asked, server.is_over = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield SimpleNamespace(
            origin=f"http://127.0.0.1:{server.server_address[1]}",
            port=server.server_address[1],
            asked=server.asked,
        )
    finally:
        server.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    """Its origin, its port, and the requests that came."""
    with _remembering() as running:
        yield running
