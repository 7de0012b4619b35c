"""The app behind a proxy: a report takes a second, and its first line says who asked for it."""

import time

REPORT = b"A row of a long report.\n" * 20_000


def server(environ, start_response):
    forwarded_for = environ.get("HTTP_X_FORWARDED_FOR", "nobody")
    page = f"Connected from {environ['REMOTE_ADDR']}, for {forwarded_for}\n".encode()
    if environ["PATH_INFO"] == "/report":
        time.sleep(1)
        page += REPORT
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))])
    return [page]
