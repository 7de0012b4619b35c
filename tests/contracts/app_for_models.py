"""A WSGI app whose tests may run it in another process: it is steered by files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

Environ = dict[str, Any]


def app(environ: Environ, start_response: Any) -> Any:
    """`/wait`, `/pause`, `/fail`, `/echo`, `/pid`, `/environ`, else a greeting.

    `/wait?folder` makes a file `entered-…` there and waits for the file `leave`.
    """
    path = environ["PATH_INFO"]
    body = b"hello from " + path.encode("latin-1")
    if path == "/wait":
        folder = Path(environ["QUERY_STRING"])
        (folder / f"entered-{time.monotonic_ns()}").touch()
        deadline = time.monotonic() + 20
        while not (folder / "leave").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
    elif path == "/pause":
        time.sleep(0.02)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/pid":
        body = b"%d" % os.getpid()
    elif path == "/environ":
        body = str(environ.get(environ["QUERY_STRING"])).encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
