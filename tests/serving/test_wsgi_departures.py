"""A client that leaves while a WSGI app waits: its thread is free again with the next part."""

import socket
import struct
import time

import pytest

from servescope import catalog
from servescope.records.listeners import ConcurrencyModel
from servescope.records.requests import reached_nobody
from servescope.request_fields import RequestFlag
from servescope.serving.connection import LOOK_FROM_NS
from tests.serving import apps_whose_clients_leave as apps
from tests.serving.raw_client import GET, connect, gauge

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the close is a reset
MODELS = [model for model in ConcurrencyModel if model is not ConcurrencyModel.PREFORK]


@pytest.mark.parametrize("way", ["reset", "end"])
@pytest.mark.parametrize("model", MODELS)
def test_the_iterable_is_closed_and_the_thread_serves_the_next(bench, wait_until, model, way):
    apps.ends.clear()
    apps.leave.clear()
    listener = bench.start("tests.serving.apps_whose_clients_leave:wsgi", model=model, threads=1)
    for turn in (1, 2):
        with connect(listener) as client:
            client.sendall(GET)
            assert apps.entered.acquire(timeout=20)
            wait_until(lambda sock=client: b"first" in sock.recv(1_000, socket.MSG_PEEK), "a part")
            if way == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            else:
                client.recv(1_000)  # with something unread the close would be a reset, too
        apps.leave.set()
        wait_until(lambda turn=turn: apps.ends == ["closed"] * turn, "the close of the iterable")
        wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    assert (bench.records(2)["flags"] & RequestFlag.ABORTED == RequestFlag.ABORTED).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_whose_client_left_before_its_first_part_reached_nobody(bench, wait_until, model):
    apps.leave.clear()
    listener = bench.start("tests.serving.apps_whose_clients_leave:late", model=model, threads=1)
    with connect(listener) as client:
        client.sendall(GET)
        assert apps.entered.acquire(timeout=20)
        entered_ns = time.monotonic_ns()
    wait_until(lambda: time.monotonic_ns() - entered_ns > LOOK_FROM_NS, "its age")
    apps.leave.set()
    [record] = bench.records(1)
    assert reached_nobody(record["flags"], record["bytes_sent"], record["status"]), record
