"""A server that is nothing to Servescope: its address is all that is known of it."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers each request, at once unless a path of digits says after how many milliseconds."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path[1:].isdigit():
            time.sleep(int(self.path[1:]) / 1e3)  # the app: it takes as long as its path says
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_words):
        pass


@contextmanager
def named_server(pair=None, host="localhost", address="127.0.0.1"):
    """A server of somebody else's at a free port; its origin by this name of the host."""
    with ThreadingHTTPServer((address, 0), Handler) as one:
        one.daemon_threads = True
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            one.socket = context.wrap_socket(
                one.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=one.serve_forever, daemon=True).start()
        scheme = "http" if pair is None else "https"
        yield f"{scheme}://{host}:{one.server_port}"
        one.shutdown()
