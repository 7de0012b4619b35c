"""The gate of a capture: what it lets through, and what becomes of it when it cannot be written."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest

from servescope.capturing.files import CAPTURES, CaptureFolder
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.hosting.wsgi import WsgiHost
from servescope.records.captures import CaptureFilter, CaptureOrder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving.capture_gate import CaptureGate, CaptureSwitch
from tests.hosting.response_sink import Sink
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servescope.hosting.exchange import Exchange

SPEC = ListenerSpec("it", "127.0.0.1", 0, ConcurrencyModel.THREAD_POOL, AppKind.WSGI, "tests:app")
REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Mark: Yes, please\r\n\r\n"


def app(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Served:
    """A conversation at a site with a gate, and the answers it has got."""

    def __init__(self, folder: Path, wanted: CaptureFilter, **changes: float) -> None:
        order = CaptureOrder(
            3, **{"count": 2, "until_s": time.time() + 60, **changes}, filter=wanted
        )
        self.folder = CaptureFolder(folder)
        self.gate = CaptureGate(order, SPEC, self.folder, 0.0)
        host = WsgiHost(app, multithread=True, multiprocess=False)
        self.site = Site("it", host, ListenerOptions())
        self.site.captures = self.gate

    def answer(self, request: bytes = REQUEST, route: str = "/a") -> Exchange:
        conversation = Conversation(self.site, ("::1", 1), 0)
        assert conversation.receive(request, 0, 0) is Need.RUN
        exchange = conversation.exchange
        assert exchange is not None
        conversation.run(Sink())
        if exchange.capture is not None and self.gate.accept(exchange.capture, route, 1.0):
            exchange.capture.facts = self.gate.describe(exchange, route, 0)
        conversation.finish_cycle(0)
        return exchange


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(wanted: CaptureFilter | None = None, **changes: float) -> Served:
        started.append(Served(tmp_path, wanted or CaptureFilter(), **changes))
        return started[-1]

    yield start
    for served in started:
        served.gate.close()


@pytest.mark.parametrize(
    ("wanted", "is_captured"),
    [
        (CaptureFilter(), True),
        (CaptureFilter(header="x-mark"), True),
        (CaptureFilter(header="x-mark", header_value="PLEASE"), True),
        (CaptureFilter(header="x-mark", header_value="no"), False),
        (CaptureFilter(header="x-other"), False),
    ],
    ids=["all", "a header", "a part of its value", "another value", "no such header"],
)
def test_the_head_decides_whether_a_request_may_match(serve, wanted, is_captured):
    assert (serve(wanted).answer().capture is not None) == is_captured


def test_nothing_is_captured_when_the_time_is_over(serve):
    assert serve(until_s=time.time() - 1).answer().capture is None


def test_no_more_than_the_count_is_written(serve):
    served = serve()
    for _ in range(4):
        served.answer()
    served.gate.close()
    wait_until(lambda: len(served.folder.files()) == 2, "2 files")
    assert served.answer().capture is None


def test_a_folder_that_takes_nothing_costs_the_capture_only(serve, tmp_path, caplog):
    served = serve(count=3)
    (tmp_path / CAPTURES).write_text("no folder")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert served.answer().status == 200
        served.gate.close()
    assert [one for one in caplog.messages if "captured requests are lost" in one] == [
        "listener it: captured requests are lost: File exists"
    ]


def test_a_capture_that_outlives_its_gate_is_written_and_leaves_no_thread(serve):
    served = serve()
    conversation = Conversation(served.site, ("::1", 1), 0)
    conversation.receive(REQUEST, 0, 0)
    capture = conversation.exchange.capture
    conversation.run(Sink())
    assert served.gate.accept(capture, "/a", 1.0)
    served.gate.close()
    conversation.close()
    wait_until(lambda: len(served.folder.files()) == 1, "the file")
    name = "it-captures"
    wait_until(lambda: name not in {one.name for one in threading.enumerate()}, "the thread's end")


def test_a_switch_tells_of_each_new_order_once():
    switch, told = CaptureSwitch(), []
    switch.on_change(told.append)
    order = CaptureOrder(1, 1, 2.0)
    for one in (None, order, order, CaptureOrder(1, 1, 2.0), None):
        switch.change(one)
    assert told == [order, None]
