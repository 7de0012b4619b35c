"""`http.route` of real frameworks: the same behind our listeners and behind the recorders."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import websockets.sync.client

from servescope.middleware import asgi, wsgi
from servescope.middleware.process_rings import PROCESS_RINGS
from servescope.records import AppKind, ConcurrencyModel
from tests.middleware.conftest import Recorded
from tests.serving import routed_apps
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servescope.serving import RunningListener
    from tests.serving.conftest import Bench

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


PREFLIGHT = {"Origin": "https://b.example", "Access-Control-Request-Method": "GET"}


class TwiceRecorded:
    """An app behind a recorder, hosted by a listener: each request is recorded by both."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder

    def start(self, app: Any) -> RunningListener:
        is_asgi = not hasattr(app, "wsgi_app") and not hasattr(app, "mounts")
        module = asgi if is_asgi else wsgi
        routed_apps.recorded = module.ServescopeMiddleware(app, data_dir=self.folder)
        kind = AppKind.ASGI if is_asgi else AppKind.WSGI
        model = ConcurrencyModel.ASYNCIO if is_asgi else ConcurrencyModel.THREAD_POOL
        return self.bench.start("tests.serving.routed_apps:recorded", kind, model=model, threads=1)

    def assert_recorded(self, wanted: list[tuple[int, str]]) -> None:
        """Statuses and routes, in order, as both have recorded them."""
        records = self.bench.records(len(wanted))
        routes = self.bench.reader.routes
        assert [(int(one["status"]), routes[one["route"]]) for one in records] == wanted
        recorded = Recorded(self.folder, None)
        wait_until(lambda: len(recorded.requests()) == len(wanted), "the recorder's records")
        assert [(one[3], one[1]) for one in recorded.requests()] == wanted


@pytest.fixture
def twice(bench: Bench, tmp_path: Path) -> Iterator[TwiceRecorded]:
    yield TwiceRecorded(bench, tmp_path / "data")
    recorder = PROCESS_RINGS._recorders.pop(tmp_path / "data", None)
    if recorder is not None:
        recorder.close()


@pytest.mark.parametrize(
    ("make", "cases"),
    [
        (routed_apps.fastapi_app, FASTAPI),
        (routed_apps.starlette_app, STARLETTE),
        (routed_apps.flask_app, FLASK),
        (routed_apps.dispatcher, DISPATCHER),
    ],
    ids=["fastapi", "starlette", "flask", "dispatcher"],
)
def test_an_app_has_the_same_routes_behind_either(
    twice: TwiceRecorded, make: Callable[[], Any], cases: list[tuple[str, int, str]]
):
    listener = twice.start(make())
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        for asked, status, _ in cases:
            client.request(*asked.split(), headers=PREFLIGHT if "OPTIONS" in asked else {})
            response = client.getresponse()
            response.read()
            assert (asked, response.status) == (asked, status)
    twice.assert_recorded([(status, route) for _, status, route in cases])


def test_a_websocket_of_an_included_router_has_its_prefix(twice: TwiceRecorded):
    host, port = twice.start(routed_apps.fastapi_app()).address
    for path in ("/api/socket/a", "/sub/api/socket/b"):
        with websockets.sync.client.connect(f"ws://{host}:{port}{path}") as socket:
            assert list(socket) == []
    twice.assert_recorded([(101, "/api/socket/{room}"), (101, "/sub/api/socket/{room}")])
