"""The cost of the middleware a request, in µs, and of its import: the same app bare and recorded.

    python benchmarks/middleware.py [--requests 500] [--rounds 60] [--imports 20]

No server in between: the apps are called as a server calls them, so that nothing else is timed. Of
each app's rounds the fastest tenth counts, by its slowest: what others do on the machine only ever
adds, but the very fastest is a matter of luck. Rounds are short, so that some of them fall between
what others do, and come in six passes over all apps, so that no app has all of its rounds while the
machine is slow.

An app that does nothing flatters the recorder: called again and again, it has the processor's
caches and branch predictor to itself. Within a framework each of its steps finds them filled with
the framework's code. The row "a list, after other code" shows that this, not Flask, makes the
difference: its app answers the same list by the same path through the recorder, after a Flask
request that is not recorded. The garbage collector runs as it likes: it was counted to run equally
often with the recorder and without.

The import is that of an interpreter that imports a recorder and nothing else, less that of one that
does nothing, in turns; medians. Modules that an app has imported already (logging, re, …) cost it
less.

Where the kernel wait is read, a byte is sent and received before each request, bare and recorded
alike: on a socket where nothing ever arrives, "since the newest bytes" grows, each request becomes
the slowest so far, and what would be timed is the request log.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from servescope.middleware import asgi, wsgi  # noqa: E402 - found by the line before

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET_US: Final = 6.0
KERNEL_WAIT_BUDGET_US: Final = 12.0
IMPORT_BUDGET_MS: Final = 30.0
PASSES: Final = 6
HEADERS: Final = [("Content-Type", "text/plain"), ("Content-Length", "5")]


def hello(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """A WSGI app that answers a list."""
    start_response("200 OK", HEADERS)
    return [b"hello"]


def hello_after(flask: Flask) -> Callable[..., list[bytes]]:
    """The same after a whole request of Flask's, of which the recorder sees nothing."""
    unseen = environ()

    def app(given: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        call_wsgi(flask, unseen, 1)
        return hello(given, start)

    return app


def stream(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """A WSGI app that answers an iterator of three blocks."""
    start_response("200 OK", HEADERS)
    yield b"hel"
    yield b"l"
    yield b"o"


async def hello_asgi(_scope: Any, receive: Any, send: Any) -> None:
    """An ASGI app that reads its request and answers."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def flask_app() -> Flask:
    """The Flask app everyone begins with."""
    app = Flask("hello")
    app.add_url_rule("/users/<int:number>", view_func=lambda number: f"user {number}")
    return app


def starlette_app() -> Starlette:
    """The same on Starlette."""

    async def user(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"user {request.path_params['number']}")

    return Starlette(routes=[Route("/users/{number:int}", user)])


def environ(**more: Any) -> dict[str, Any]:
    """A WSGI environ as a browser's request makes it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/users/17",
        "QUERY_STRING": "page=2",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "benchmark",
        "wsgi.url_scheme": "http",
    } | more


def start_response(_status: str, _headers: Any, _exc_info: Any = None) -> Callable[[bytes], None]:
    """The `start_response` of a server, doing nothing."""
    return lambda _data: None


def call_wsgi(app: Any, given: dict[str, Any], times: int) -> None:
    """Call as a server does: iterate, then close."""
    for _ in range(times):
        result = app(dict(given), start_response)
        for _block in result:
            pass
        close = getattr(result, "close", None)
        if close is not None:
            close()
        del result, close  # as a server that goes on to its next request


def call_wsgi_with_bytes(app: Any, given: dict[str, Any], times: int) -> None:
    """The same, each after a byte of the client's, as on a connection in use."""
    client, served = given["bench.client"], given["gunicorn.socket"]
    for _ in range(times):
        client.send(b"x")
        served.recv(1)
        call_wsgi(app, given, 1)


async def receive() -> dict[str, Any]:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    """Take a message."""


def call_asgi(app: Any, scope: dict[str, Any], times: int) -> None:
    """Drive the app's coroutine; it never waits here."""
    for _ in range(times):
        try:
            app(dict(scope), receive, send).send(None)
        except StopIteration:
            continue
        raise RuntimeError("the app waited")


class Comparison:
    """One app bare and recorded, called in turns by `drive`."""

    def __init__(self, name: str, drive: Any, bare: Any, recorded: Any, given: Any) -> None:
        self.name = name
        self._drive = drive
        self._apps = {"bare": bare, "recorded": recorded}
        self._given = given
        self._times_us: dict[str, list[float]] = {"bare": [], "recorded": []}

    def measure(self, rounds: int, requests: int) -> None:
        """Add some rounds."""
        for app in self._apps.values():
            self._drive(app, self._given, 200)
        for _ in range(rounds):
            for key, app in self._apps.items():
                began = time.process_time()
                self._drive(app, self._given, requests)
                passed_us = (time.process_time() - began) * 1e6
                self._times_us[key].append(passed_us / requests)

    def __str__(self) -> str:
        """Both costs, their difference in µs, and whether that keeps the budget."""
        before, after = (sorted(times)[len(times) // 10] for times in self._times_us.values())
        budget_us = KERNEL_WAIT_BUDGET_US if "kernel wait" in self.name else BUDGET_US
        verdict = "kept" if after - before <= budget_us else "MISSED"
        return f"{self.name:34}{before:10.2f}{after:10.2f}{after - before:10.2f}  {verdict}"


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection over loopback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        client = socket.create_connection(listening.getsockname())
        return client, listening.accept()[0]


def cpu_ms(statement: str) -> float:
    """CPU time of an interpreter, without anything of its environment, that runs a statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    path = f"import sys; sys.path.insert(0, {os.fspath(ROOT.absolute())!r}); "
    subprocess.run([sys.executable, "-I", "-c", path + statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def print_imports(times: int) -> None:
    """Print what the import of each recorder costs."""
    modules = (wsgi.__name__, asgi.__name__)
    statements = {"pass": "pass", **{name: f"import {name}" for name in modules}}
    found: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(times):
        for name, statement in statements.items():
            found[name].append(cpu_ms(statement))
    bare_ms = median(found["pass"])
    print(f"{'CPU ms of an import':34}{'bare':>10}{'imported':>10}{'cost':>10}")
    for name in modules:
        after_ms = median(found[name])
        verdict = "kept" if after_ms - bare_ms <= IMPORT_BUDGET_MS else "MISSED"
        print(f"{name:34}{bare_ms:10.1f}{after_ms:10.1f}{after_ms - bare_ms:10.1f}  {verdict}")


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--imports", type=int, default=20)
    options = parser.parse_args()
    client, served = tcp_pair()
    flask = flask_app()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/users/17",
        "raw_path": b"/users/17",
        "query_string": b"page=2",
        "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), (b"user-agent", b"benchmark")],
        "client": ("127.0.0.1", 50_000),
        "root_path": "",
    }
    print(
        f"Python {platform.python_version()} at {sys.executable}; budgets {BUDGET_US} µs, "
        f"{KERNEL_WAIT_BUDGET_US} with the kernel wait, {IMPORT_BUDGET_MS} ms for the import"
    )
    print_imports(options.imports)
    print(f"{'CPU µs a request':34}{'bare':>10}{'recorded':>10}{'cost':>10}")
    with tempfile.TemporaryDirectory() as folder, closing(client), closing(served):

        def wrapped(module: Any, app: Any) -> Any:
            return module.ServescopeMiddleware(app, listener="bench", data_dir=Path(folder))

        with_socket = environ(**{"gunicorn.socket": served, "bench.client": client})
        apps = [
            ("WSGI, a list", call_wsgi, hello, wsgi, environ()),
            ("WSGI, a list, kernel wait", call_wsgi_with_bytes, hello, wsgi, with_socket),
            ("WSGI, an iterator of 3 blocks", call_wsgi, stream, wsgi, environ()),
            ("ASGI", call_asgi, hello_asgi, asgi, scope),
            ("Starlette, a route", call_asgi, starlette_app(), asgi, scope),
            ("Flask, a route", call_wsgi, flask, wsgi, environ()),
            ("Flask, a route, kernel wait", call_wsgi_with_bytes, flask, wsgi, with_socket),
            ("WSGI, a list, after other code", call_wsgi, hello_after(flask), wsgi, environ()),
        ]
        comparisons = [
            Comparison(name, drive, app, wrapped(module, app), given)
            for name, drive, app, module, given in apps
        ]
        for _ in range(PASSES):
            for comparison in comparisons:
                comparison.measure(-(-options.rounds // PASSES), options.requests)
    print(*comparisons, sep="\n")


if __name__ == "__main__":
    main()
