"""The labels of a request: the same for an app that we host, on each model, and for a recorded one.

Each app is hosted behind a recorder, so that both record each request.
"""

from __future__ import annotations

import http.client
import time
from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from servescope.middleware.process_rings import PROCESS_RINGS
from servescope.recording.recorder import RING_SUFFIX, RINGS
from servescope.recording.ring_reader import RingReader
from servescope.records.listeners import ConcurrencyModel
from servescope.request_fields import METHODS, Method, Protocol
from tests.contracts.harness import HOSTINGS, ModelHarness
from tests.contracts.routed_apps import APPS
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Labels = list[str | int]
"""Route, status, method and protocol of a request."""

FASTAPI = [
    ("GET /api/items/3", 200, "/api/items/{number}"),
    ("GET /api/items/0", 404, "/api/items/{number}"),
    ("GET /api/items/x", 422, "/api/items/{number}"),
    ("POST /api/items/3", 405, "/api/items/{number}"),
    ("GET /api/mid/deep/x/a", 200, "/api/mid/deep/x/{name}"),
    ("GET /api/plain/a", 200, "/api/plain/{part}"),
    ("GET /tenant/acme/items/4", 200, "/tenant/{tenant}/items/{number}"),
    ("GET /tenant/acme/mid/deep/x/acme", 200, "/tenant/{tenant}/mid/deep/x/{name}"),
    ("GET /of-starlette/a", 200, "/of-starlette/{part}"),
    ("GET /sub/api/items/7", 200, "/sub/api/items/{number}"),
    ("GET /sub/api/mid/deep/x/sub", 200, "/sub/api/mid/deep/x/{name}"),
    ("GET /sub/nope/1", 404, "/sub/{path}"),
    ("GET /sub/api/nope", 404, "/sub/{path}"),
    ("GET /users/acme/i/1", 200, "/users/{user}/i/{j}"),
    ("GET /users/users/i/users", 200, "/{user}/{user}/i/{j}"),
    ("GET /users/acme/nope", 404, "/users/{user}/{path}"),
    ("GET /users/17/lost/2", 404, "/users/{user}/lost/{j}"),
    ("GET /mid/m2/i/1", 200, "/mid/m2/i/{j}"),
    ("GET /mid/m2/nope", 404, "/mid/m2/{path}"),
    ("GET /mid/nope", 404, "/mid/{path}"),
    ("GET /mid/z", 307, "/mid/{path}"),
    ("GET /static/demo.css", 200, "/static/{path}"),
    ("GET /static/none.css", 404, "/static/{path}"),
    ("GET /api/items/3/", 307, "/{path}"),
    ("GET /nope/gr%C3%B6%C3%9Fe", 404, "/{path}"),
    ("BREW /nope", 404, "/{path}"),
    ("OPTIONS /api/items/3", 405, "/api/items/{number}"),
    ("GET /docs", 200, "/docs"),
]
STARLETTE = [
    ("GET /items/3", 200, "/items/{number}"),
    ("POST /items/3", 405, "/{path}"),  # the Mount of all the rest matches better
    ("POST /m1/acme/z", 405, "/m1/{tenant}/z"),
    ("GET /m1/acme/m2/i/1", 200, "/m1/{tenant}/m2/i/{j}"),
    ("GET /m1/acme/m2/nope", 404, "/m1/{tenant}/m2/{path}"),
    ("GET /m1/acme/z", 200, "/m1/{tenant}/z"),
    ("GET /m1/acme/nope", 404, "/m1/{tenant}/{path}"),
    ("GET /api/api/items/3", 200, "/api/api/items/{number}"),
    ("GET /api/of-starlette/a", 200, "/api/of-starlette/{part}"),
    ("GET /api/nope", 404, "/api/{path}"),
    ("GET /api/sub/nope", 404, "/api/sub/{path}"),
    ("GET /friendly/known", 200, "/friendly/known"),
    ("GET /friendly/lost/1", 200, "/friendly/{path}"),
    ("GET http://a.example/i/1", 200, "/i/{j}"),
    ("GET http://a.example/nope", 404, "/{path}"),
    ("GET /demo.css", 200, "/{path}"),
    ("GET /none.css", 404, "/{path}"),
    ("OPTIONS /items/3", 400, "/{path}"),  # a preflight, which CORSMiddleware refuses
]
FLASK = [
    ("GET /books/7", 200, "/books/<int:number>"),
    ("HEAD /books/7", 200, "/books/<int:number>"),
    ("OPTIONS /books/7", 200, "/books/<int:number>"),
    ("POST /books/7", 405, "/{path}"),
    ("GET /books/x", 404, "/{path}"),
    ("GET /books/list", 308, "/{path}"),
    ("GET /books/list/", 200, "/books/list/"),
    ("GET /books/gone/a", 404, "/books/gone/<name>"),
    ("GET /books/authors/a", 200, "/books/authors/<name>"),
    ("GET /static/demo.css", 200, "/static/<path:filename>"),
    ("GET /nope/gr%C3%B6%C3%9Fe", 404, "/{path}"),
    ("BREW /nope", 404, "/{path}"),
]
DISPATCHER = [
    ("GET /books/7", 200, "/books/<int:number>"),
    ("GET /nope/1", 404, "/{path}"),
    ("GET /shop/books/7", 200, "/shop/books/<int:number>"),
    ("GET /shop/books/authors/a", 200, "/shop/books/authors/<name>"),
    ("GET /shop/nope/1", 404, "/shop/{path}"),
    ("POST /shop/books/7", 405, "/shop/{path}"),
    ("GET /shop/books/list", 308, "/shop/{path}"),
    ("GET /friendly/lost/1", 200, "/friendly/{path}"),
]
DJANGO = [
    ("GET /items/3/", 200, "/items/{id}/"),  # the folded path: Django's environ tells no route
    ("GET /items/3", 301, "/items/{id}"),
    ("GET /nope/17", 404, "/{path}"),
]
PLAIN = [
    ("GET /users/17/notes?page=2", 200, "/users/{id}/notes"),
    ("BREW /users/17", 200, "/users/{id}"),
    ("GET /lost/17", 404, "/{path}"),
    ("GET /told/17", 200, "/told/<by>/<app>"),
    ("GET /later/17", 200, "/later/{id}"),  # told when the response had begun
    ("GET /fails/17", 500, "/fails/{id}"),  # before its response began
    ("GET /told-fails/17", 500, "/told/<by>/<app>"),
    ("GET /gr%C3%B6%C3%9Fe/a%20b", 200, "/gr%C3%B6%C3%9Fe/a%20b"),
    ("GET /%75%73ers/%31%37", 200, "/users/{id}"),  # what needs no encoding, encoded
    ("GET /~u/a:b@c,d;e=1", 200, "/~u/a:b@c,d;e=1"),
    ("GET /users/17/notes HTTP/1.0", 200, "/users/{id}/notes"),
]
CASES = {
    "fastapi": FASTAPI,
    "starlette": STARLETTE,
    "plain ASGI": PLAIN,
    "flask": FLASK,
    "dispatcher": DISPATCHER,
    "django": DJANGO,
    "plain WSGI": PLAIN,
}
PREFLIGHT = {"Origin": "https://b.example", "Access-Control-Request-Method": "GET"}


class TwiceRecorded:
    """An app behind a recorder, hosted on a model: each request is recorded by both."""

    def __init__(self, folder: Path, model: ConcurrencyModel, name: str) -> None:
        self.data_dir = folder / "data"
        self.harness = ModelHarness(folder, model, APPS[name][0])
        self._folders = (self.harness.rings, self.data_dir / RINGS)
        self.address = self.harness.start(
            f"tests.contracts.routed_apps:recorded({name!r}, {str(self.data_dir)!r})"
        ).address

    def ask(self, request: str) -> int:
        """The status of a request, on a connection of its own."""
        method, target, *version = request.split()
        with closing(http.client.HTTPConnection(*self.address, timeout=20)) as client:
            if version:
                client._http_vsn, client._http_vsn_str = 10, version[0]
            client.request(method, target, headers=PREFLIGHT if method == "OPTIONS" else {})
            response = client.getresponse()
            response.read()
            return response.status

    def wait_recorded(self, count: int) -> None:
        """Until both have recorded so many: else the order of two requests would be chance."""
        for folder in self._folders:
            wait_until(partial(self._has_recorded, folder, count), f"{count} records in {folder}")

    def _has_recorded(self, folder: Path, count: int) -> bool:
        return len(_labels(folder)) >= count

    def assert_recorded(self, wanted: list[Labels]) -> None:
        """By the server as by the recorder, in order."""
        self.wait_recorded(len(wanted))
        for folder in self._folders:
            assert _labels(folder) == wanted, folder

    def close(self) -> None:
        self.harness.close()
        recorder = PROCESS_RINGS._recorders.pop(self.data_dir, None)
        if recorder is not None:
            recorder.close()


def _labels(folder: Path) -> list[Labels]:
    """Of all records in a folder, in order of their ends."""
    found = []
    for path in folder.glob(f"*{RING_SUFFIX}"):
        with closing(RingReader(path)) as reader:
            records = reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records
            found += [
                (
                    int(one["end_ns"]),
                    reader.routes[int(one["route"])],
                    int(one["status"]),
                    Method(one["method"]),
                    Protocol(one["protocol"]),
                )
                for one in records
            ]
    return [labels for _, *labels in sorted(found)]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[[ConcurrencyModel, str], TwiceRecorded]]:
    hosted = []

    def start(model: ConcurrencyModel, name: str) -> TwiceRecorded:
        hosted.append(TwiceRecorded(tmp_path, model, name))
        return hosted[-1]

    yield start
    for one in hosted:
        one.close()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (model, name)
        for name, (kind, _) in APPS.items()
        for model, hosts in HOSTINGS
        if hosts == kind
    ],
    ids=lambda value: str(value).replace(" ", "-"),
)
def test_an_app_has_the_same_labels_hosted_and_recorded(host, model: ConcurrencyModel, name: str):
    hosted = host(model, name)
    wanted = []
    for number, (request, status, route) in enumerate(CASES[name], 1):
        assert (request, hosted.ask(request)) == (request, status)
        protocol = Protocol.HTTP_1_0 if request.endswith("HTTP/1.0") else Protocol.HTTP_1_1
        method = METHODS.get(request.split()[0], Method._OTHER)
        wanted.append([route, status, method, protocol])
        hosted.wait_recorded(number)
    hosted.assert_recorded(wanted)


SOCKETS = {
    "fastapi": [
        ("/api/socket/a", 101, "/api/socket/{room}"),
        ("/sub/api/socket/b", 101, "/sub/api/socket/{room}"),
        ("/api/nope", 403, "/{path}"),
    ],
    "plain ASGI": [
        ("/users/17", 101, "/users/{id}"),
        ("/told/17", 101, "/told/<by>/<app>"),
        ("/lost/17", 403, "/lost/{id}"),
        ("/denied/17", 401, "/denied/{id}"),
        ("/fails/17", 500, "/fails/{id}"),
        ("/told-fails/17", 500, "/told/<by>/<app>"),
    ],
}


@pytest.mark.parametrize(
    ("name", "cases"), SOCKETS.items(), ids=[name.replace(" ", "-") for name in SOCKETS]
)
def test_a_websocket_has_the_same_labels_hosted_and_recorded(
    host, name: str, cases: list[tuple[str, int, str]]
):
    hosted = host(ConcurrencyModel.ASYNCIO, name)
    address, port = hosted.address
    wanted = []
    for number, (path, status, route) in enumerate(cases, 1):
        refused = nullcontext() if status == 101 else pytest.raises(InvalidStatus)
        with refused, websockets.sync.client.connect(f"ws://{address}:{port}{path}") as socket:
            assert list(socket) == []
        protocol = Protocol.WEBSOCKET if status == 101 else Protocol.HTTP_1_1
        wanted.append([route, status, Method.GET, protocol])
        hosted.wait_recorded(number)
    hosted.assert_recorded(wanted)
