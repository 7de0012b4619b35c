"""The app that gunicorn serves: a request takes a second, and says which process answered."""

import os
import time


def server(environ, start_response):
    time.sleep(1)
    page = f"{os.getpid()}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))])
    return [page]
