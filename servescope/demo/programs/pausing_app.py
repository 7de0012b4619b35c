"""A WSGI app that waits a tenth of a second before each of its steps."""

import time


def app(environ, start_response):
    time.sleep(0.1)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return page(environ["REMOTE_ADDR"])


def page(address):
    time.sleep(0.1)
    yield b"Hello, "
    time.sleep(0.1)
    yield f"you at {address}!\n".encode()
