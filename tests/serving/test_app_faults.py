"""Listeners whose app raises anything, anywhere: threads and loops live on, clients are told."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.serving.models.asyncio import loop as loop_module
from tests.hosting.faults import FAULTS, failures
from tests.serving import apps_with_faults
from tests.serving.raw_client import CLOSING, GET, HANDSHAKE, connect, exchange, read_all

if TYPE_CHECKING:
    from servescope.serving import RunningListener
    from tests.serving.conftest import Bench

APPS = "tests.serving.apps_with_faults:"
WSGI, ASGI = AppKind.WSGI, AppKind.ASGI
HOSTINGS = {
    "sequential": (ConcurrencyModel.SEQUENTIAL, WSGI),
    "thread_pool": (ConcurrencyModel.THREAD_POOL, WSGI),
    "asyncio-wsgi": (ConcurrencyModel.ASYNCIO, WSGI),
    "asyncio-asgi": (ConcurrencyModel.ASYNCIO, ASGI),
}
hosted = pytest.mark.parametrize(("model", "kind"), HOSTINGS.values(), ids=HOSTINGS)

LOOPS = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # optional
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop

EXPECTED = {"call": b"HTTP/1.1 500 ", "text": b"HTTP/1.1 500 ", "second": b"HTTP/1.1 200 "}
"""By the place of a fault, the first bytes of the answer."""


def path_of(place: str, fault: str, *, is_slow: bool = False) -> bytes:
    return f"/{place}/{fault}{'?slow' * is_slow}".encode()


def asking(path: bytes, request: bytes = CLOSING) -> bytes:
    return request.replace(b"GET / ", b"GET " + path.replace(b" ", b"%20") + b" ", 1)


def threads_of(listener: RunningListener) -> set[str]:
    prefix = f"{listener.spec.name}-"
    return {one.name for one in threading.enumerate() if one.name.startswith(prefix)}


def app_of(kind: AppKind) -> str:
    return APPS + ("asgi_app" if kind is ASGI else "app")


@hosted
@pytest.mark.parametrize("is_slow", [False, True], ids=["quick", "slow"])
@pytest.mark.parametrize("place", ["call", "second", "close"])
def test_every_fault_costs_its_request_only(
    bench: Bench,
    model: ConcurrencyModel,
    kind: AppKind,
    place: str,
    is_slow: bool,
    caplog: pytest.LogCaptureFixture,
):
    """A pool's leader answers what is quick, a worker what is slow."""
    listener = bench.start(app_of(kind), kind, model=model)
    before = threads_of(listener)
    for fault in FAULTS:
        answer = exchange(listener, asking(path_of(place, fault, is_slow=is_slow)))
        assert answer.startswith(EXPECTED.get(place, b"HTTP/1.1 200 ")), fault
        if place == "second":
            assert not answer.endswith(b"0\r\n\r\n"), fault
    assert exchange(listener, CLOSING).endswith(b"hello")
    assert threads_of(listener) == before
    lines = failures(caplog)
    assert len(lines) == len(FAULTS)
    assert all(line.startswith(f"listener {listener.spec.name}: ") for line in lines)


@hosted
@pytest.mark.parametrize("place", ["call", "text", "second"])
def test_no_answer_is_taken_for_that_of_another_request(
    bench: Bench, model: ConcurrencyModel, kind: AppKind, place: str
):
    """Of pipelined requests the one that fails is answered, or cut; nothing follows."""
    listener = bench.start(app_of(kind), kind, model=model)
    with connect(listener) as sock:
        sock.sendall(GET + asking(path_of(place, "SystemExit"), GET) + GET + CLOSING)
        answers = read_all(sock).split(b"HTTP/1.1 ")[1:]
    assert len(answers) == 2
    assert answers[0].startswith(b"200 ")
    assert answers[0].count(b"hello") == 1
    assert answers[1].startswith(EXPECTED[place].removeprefix(b"HTTP/1.1 "))
    assert b"hello" not in answers[1]


@hosted
def test_a_connection_outlives_what_is_raised_behind_the_response(
    bench: Bench, model: ConcurrencyModel, kind: AppKind
):
    listener = bench.start(app_of(kind), kind, model=model)
    data = b"".join(asking(path_of("close", fault), GET) for fault in FAULTS)
    answer = exchange(listener, data + CLOSING)
    assert answer.count(b"HTTP/1.1 200 ") == len(FAULTS) + 1
    assert answer.endswith(b"hello")


def test_the_workers_of_prefork_live_on(bench: Bench):
    listener = bench.start(
        app_of(WSGI), model=ConcurrencyModel.PREFORK, workers=1, threads=2, keep_alive_seconds=5
    )
    for fault in FAULTS:
        for place in ("call", "second", "close"):
            answer = exchange(listener, asking(path_of(place, fault)))
            assert answer.startswith(EXPECTED.get(place, b"HTTP/1.1 200 "))
    assert exchange(listener, CLOSING).endswith(b"hello")
    assert listener.load().replaced_workers == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_websocket_that_fails_is_closed(
    bench: Bench, fault: str, caplog: pytest.LogCaptureFixture
):
    listener = bench.start(APPS + "asgi_app", ASGI, model=ConcurrencyModel.ASYNCIO)
    for path, last in (
        (path_of("open", fault), b"\x03\xf3"),
        (path_of("call", fault), b"says why.\n"),
    ):
        with connect(listener) as sock:
            sock.sendall(asking(path, HANDSHAKE))
            if last == b"\x03\xf3":
                sock.shutdown(1)
            assert read_all(sock).endswith(last)
    assert exchange(listener, CLOSING).endswith(b"hello")
    assert len(failures(caplog)) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_an_asgi_app_may_fail_before_there_is_a_coroutine(bench: Bench, fault: str):
    listener = bench.start(APPS + "calling", ASGI, model=ConcurrencyModel.ASYNCIO)
    for _ in range(2):
        assert exchange(listener, asking(path_of("", fault))).startswith(b"HTTP/1.1 500 ")
    assert exchange(listener, CLOSING).endswith(b"hello")


ON_THE_LOOP = [
    "task exits",
    "task is interrupted",
    "callback exits",
    "callback is interrupted",
    "callback raises",
    "loop is stopped",
    "all tasks are cancelled",
    "the handler exits",
]


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def _loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    new_loop: Any = request.param
    monkeypatch.setattr(loop_module.AsyncioLoop.__init__, "__defaults__", (new_loop,))


@pytest.mark.usefixtures("_loop")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", ON_THE_LOOP)
def test_the_loop_lives_through_what_an_app_does_to_it(
    bench: Bench, act: str, caplog: pytest.LogCaptureFixture
):
    listener = bench.start(APPS + "on_the_loop", ASGI, model=ConcurrencyModel.ASYNCIO)
    before = threads_of(listener)
    with connect(listener) as kept:
        kept.sendall(GET)
        assert kept.recv(1000).endswith(b"hello")
        for _ in range(3):
            assert exchange(listener, asking(f"/{act}".encode())).endswith(b"hello")
        kept.sendall(CLOSING)
        assert read_all(kept).endswith(b"hello")
    assert threads_of(listener) == before
    listener.stop(5)
    assert threads_of(listener) == set()
    assert any(record.levelno >= logging.ERROR for record in caplog.records), "it is told"
    apps_with_faults.background.clear()


class Raising(logging.Handler):
    """A handler of the app's that cannot be relied on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        raise SystemExit(record.getMessage())


@hosted
def test_an_app_whose_logging_raises_is_answered_with_500_too(
    bench: Bench, model: ConcurrencyModel, kind: AppKind, capfd: pytest.CaptureFixture[str]
):
    listener = bench.start(app_of(kind), kind, model=model)
    before = threads_of(listener)
    handler = Raising()
    gc.collect()  # tasks that the tests before left would tell this handler of what they raised
    logging.getLogger().addHandler(handler)
    try:
        for _ in range(4):
            answer = exchange(listener, asking(path_of("call", "SystemExit")))
            assert answer.startswith(b"HTTP/1.1 500 ")
        assert exchange(listener, CLOSING).endswith(b"hello")
    finally:
        logging.getLogger().removeHandler(handler)
    assert threads_of(listener) == before
    assert capfd.readouterr().err.count("logging raised SystemExit") >= 4
