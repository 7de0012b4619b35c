"""Whole servers of other people, with real clients, a real collector and a real store."""

import http.client
import itertools
import os
import signal
import socket
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress

import pytest
from websockets.sync.client import connect

from servescope import catalog
from servescope.catalog import REQUEST_DURATION
from servescope.collecting.collector import Collector
from servescope.recording.recorder import RINGS
from servescope.store.query import Query
from servescope.store.sqlite.store import open_store
from tests.processes import alive, eventually

pytestmark = pytest.mark.process

LABELS = ("listener", "http.request.method", "http.route", "http.response.status_code")
APPS = "tests.middleware.recorded_apps"
GUNICORN = (
    "-m", "gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket", "-c", "/dev/null",
    "--graceful-timeout", "2",
)  # fmt: skip
SERVERS = {
    "gunicorn sync": (*GUNICORN, "-w", "2", f"{APPS}:wsgi_app"),
    "gunicorn gthread": (*GUNICORN, "-w", "2", "--threads", "4", f"{APPS}:wsgi_app"),
    "gunicorn --preload": (*GUNICORN, "-w", "2", "--preload", f"{APPS}:wsgi_app"),
    "waitress": ("-c", f"""
import waitress
from {APPS} import wsgi_app
server = waitress.create_server(wsgi_app, listen="127.0.0.1:0")
print(f"http://127.0.0.1:{{server.effective_port}}", flush=True)
server.run()
"""),
    "servescope": ("-c", f"""
import pathlib, tempfile, threading
from servescope.recording.recorder import Recorder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
from servescope.serving import start_listener
recorder = Recorder(pathlib.Path(tempfile.mkdtemp()))
spec = ListenerSpec(
    "own", "127.0.0.1", 0, ConcurrencyModel.THREAD_POOL, AppKind.WSGI, "{APPS}:wsgi_app"
)
print(f"http://127.0.0.1:{{start_listener(spec, recorder).address[1]}}", flush=True)
threading.Event().wait()
"""),
    "uvicorn": ("-m", "uvicorn", "--port", "0", f"{APPS}:asgi_app"),
    "uvicorn h11": ("-m", "uvicorn", "--port", "0", "--http", "h11", f"{APPS}:asgi_app"),
    "gunicorn asgi": (*GUNICORN, "-w", "2", "-k", "asgi", f"{APPS}:asgi_app"),
}  # fmt: skip
ASGI = {"uvicorn", "uvicorn h11", "gunicorn asgi"}
PER_CLIENT, CLIENTS = 100, 4


class Gathering:
    """A collector that ticks by hand, over the folder that the servers record into."""

    def __init__(self, folder):
        self.store = open_store(folder)
        self.folder = folder / RINGS
        self.collector = Collector(self.store, self.folder)
        self._seconds = itertools.count(1)

    def counts(self):
        """Requests by (listener, method, route, status) in everything that was recorded so far."""
        ahead = next(self._seconds)  # each tick needs a second of its own
        self.collector.tick(time.time_ns() + ahead * 10**9, time.monotonic() + ahead)
        oldest, newest = self.store.bounds() or (0, 0)
        total = self.store.total(Query(REQUEST_DURATION, oldest, newest + 1, by=LABELS))
        found = zip(total.groups, total.count.tolist(), strict=True)
        return Counter({group: round(count) for group, count in found if count})

    def details(self, count):
        """The newest, once there are so many: each is written after the record it belongs to."""
        eventually(lambda: self.counts() and len(self.store.request_details(count)) == count)
        return [detail.record for _, detail in self.store.request_details(count)]

    def total(self, metric):
        oldest, newest = self.store.bounds()
        return self.store.total(Query(metric, oldest, newest + 1)).count.sum()


@pytest.fixture
def gathering(tmp_path):
    one = Gathering(tmp_path / "data")
    yield one
    one.collector.close()
    one.store.close()


def ask(port, path, method="GET", body=None):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()


def ask_many(port, seen):
    """Keep-alive where the server offers it."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for number in range(PER_CLIENT):
            connection.request("GET", f"/users/{number}")
            response = connection.getresponse()
            response.read()
            seen.append(response.status)


@pytest.mark.parametrize("name", SERVERS)
def test_every_request_is_counted_once(start_server, gathering, name):
    server, seen = start_server(*SERVERS[name]), []
    clients = [threading.Thread(target=ask_many, args=(server.port, seen)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert seen == [200] * (CLIENTS * PER_CLIENT)
    assert ask(server.port, "/orders", "POST", b"x" * 5_000) == (201, b"5000")
    assert len(ask(server.port, "/stream")[1]) == 10_000
    assert ask(server.port, "/nowhere")[0] == 404
    assert ask(server.port, "/error")[0] == 500
    listener, rule = ("starlette", "/users/{number}") if name in ASGI else (
        "shop", "/users/<int:number>"
    )  # fmt: skip
    wanted = Counter({
        (listener, "GET", rule, "200"): CLIENTS * PER_CLIENT,
        (listener, "POST", "/orders", "201"): 1,
        (listener, "GET", "/stream", "200"): 1,
        (listener, "GET", "/{path}", "404"): 1,
        (listener, "GET", "/error", "500"): 1,
    })  # fmt: skip
    # A server may let a client have its last byte a moment before the app's iterator ends.
    eventually(lambda: gathering.counts() == wanted)
    assert gathering.total(catalog.BYTES_RECEIVED) == 5_000
    server.end()
    assert gathering.counts() == wanted
    assert not list(gathering.folder.iterdir())  # drained rings of ended processes go


@pytest.mark.parametrize("name", ["gunicorn gthread", "uvicorn"])
def test_what_was_recorded_survives_a_kill(start_server, gathering, name):
    server, seen = start_server(*SERVERS[name]), []

    def ask_until_it_breaks():
        with suppress(OSError, http.client.HTTPException):
            while True:
                ask_many(server.port, seen)

    asking = threading.Thread(target=ask_until_it_breaks)
    asking.start()
    eventually(lambda: len(seen) > PER_CLIENT)
    workers = server.workers()
    os.kill(server.process.pid, signal.SIGKILL)  # the arbiter first: it would start others
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    asking.join()
    eventually(lambda: not any(alive(worker) for worker in workers))
    counted = sum(gathering.counts().values())
    assert len(seen) - 1 <= counted <= len(seen) + 1  # one client: one request in flight


def test_workers_that_are_replaced_lose_nothing(start_server, gathering):
    command = [*SERVERS["gunicorn sync"]]
    server = start_server(*command[:-1], "--max-requests", "20", command[-1])
    for number in range(100):
        assert ask(server.port, f"/users/{number}")[0] == 200
    eventually(lambda: sum(gathering.counts().values()) == 100)


def test_a_file_goes_out_whole(start_server, gathering):
    server = start_server(*SERVERS["gunicorn sync"])
    content = ask(server.port, "/file")[1]
    assert content.startswith(b'"""Apps of other people')
    eventually(lambda: gathering.counts() == {("shop", "GET", "/file", "200"): 1})
    assert gathering.total(catalog.BYTES_SENT) == len(content)


@pytest.mark.parametrize("name", ["gunicorn gthread", "waitress", "uvicorn", "servescope"])
def test_a_client_that_leaves_in_the_middle_is_recorded(start_server, gathering, name):
    server = start_server(*SERVERS[name])
    with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
    eventually(lambda: sum(gathering.counts().values()) == 1)
    (record,) = gathering.details(1)
    assert record.flags.name == "ABORTED"


def test_websockets_through_uvicorn(start_server, gathering):
    server = start_server(*SERVERS["uvicorn"])
    with connect(f"ws://127.0.0.1:{server.port}/chat") as chat:
        chat.send("hello")
        assert chat.recv() == "hellohello"
    with suppress(Exception), connect(f"ws://127.0.0.1:{server.port}/refused"):
        raise AssertionError("accepted")
    wanted = {
        ("starlette", "GET", "/chat", "101"): 1,
        ("starlette", "GET", "/refused", "403"): 1,
    }
    eventually(lambda: gathering.counts() == wanted)


def test_kernel_wait_shows_what_the_apps_own_timer_cannot(start_server, gathering):
    """A sync worker is busy while further requests wait in the kernel."""
    server = start_server(*GUNICORN, "-w", "1", "tests.middleware.recorded_apps:slow_app")
    ask(server.port, "/warm")  # from here on the app is imported
    asking = [threading.Thread(target=ask, args=(server.port, "/slow")) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    eventually(lambda: sum(gathering.counts().values()) == 5)
    *newest, _warm = gathering.details(5)
    waits_ms = sorted(record.stages_ns[0] / 1e6 for record in newest)
    assert waits_ms[-1] - waits_ms[0] > 200  # of 900, less what lies between the clients
    assert all(300 <= record.stages_ns[3] / 1e6 < 500 for record in newest)


def test_a_dashboard_shows_them_beside_its_own(start_dashboard, start_server, tmp_path):
    running = start_dashboard(folder=tmp_path / "data")
    server = start_server(*SERVERS["gunicorn gthread"])
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port('wsgi')}/whoami", timeout=10):
        pass
    assert ask(server.port, "/users/1")[0] == 200
    with closing(open_store(tmp_path / "data")) as store:
        eventually(lambda: {"shop", "wsgi"} <= _listeners(store))


def _listeners(store):
    return {dict(key.labels)["listener"] for key in store.series(REQUEST_DURATION)}
