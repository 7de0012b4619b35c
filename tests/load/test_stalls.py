"""A server that stands still a tenth of the time: what both models say of it, and what is true."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Scenario, Users
from tests.commands.served import Served
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.real_time]

SECONDS = 10.0
STALL_S = 1.0
RATE = 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    served = Served(tmp_path / "data", str(folder), "--port", "0")
    assert served.get("/a.txt") == 200
    yield served
    os.kill(served.process.pid, signal.SIGCONT)
    served.end()
    served.process.stdout.close()


def stand_still(server: Served) -> tuple[float, float]:
    """Stop the server in the middle of the run: for how many seconds, and how many to catch up.

    It has caught up when it has answered a request that came after those that were held back.
    """
    wait = threading.Event().wait
    wait(SECONDS / 2)
    os.kill(server.process.pid, signal.SIGSTOP)
    stopped_s = time.monotonic()
    wait(STALL_S)
    os.kill(server.process.pid, signal.SIGCONT)
    ended_s = time.monotonic()
    assert server.get("/a.txt") == 200
    return ended_s - stopped_s, time.monotonic() - ended_s


def test_the_open_model_shows_a_stall_and_the_closed_one_hides_it(
    server: Served, tmp_path: Path
) -> None:
    plans = (
        LoadPlan.constant("files", "/a.txt", RATE, SECONDS),
        LoadPlan("files", Scenario(Users(10, 0.02, SECONDS))),
    )
    runs = [
        GeneratorProcess(number, plan, Target("127.0.0.1", server.port), tmp_path / "rings")
        for number, plan in enumerate(plans)
    ]
    assert eventually(lambda: all(run.progress is not None for run in runs))
    stall_s, recovery_s = stand_still(server)
    assert all(run.wait(20) for run in runs)
    opened, closed = (run.result for run in runs)
    assert opened is not None
    assert closed is not None
    assert opened.answered == RATE * SECONDS
    # Requests of a stall that lasts S wait evenly between 0 and S: of a share f of all requests,
    # the slowest 1 - q have waited at least S * (1 - (1 - q) / f).
    stall_ms, share = stall_s * 1e3, stall_s / SECONDS
    assert share == pytest.approx(0.1, rel=0.1)
    # The closed model's latencies have the delay of the machine, a few ms where nothing else runs.
    noise_ms = closed.latency_ms.p99
    delay_ms = noise_ms + recovery_s * 1e3
    apart_ms = 1e3 / RATE  # a quantile lies between two requests
    for found, q in ((opened.latency_ms.p95, 0.95), (opened.latency_ms.p99, 0.99)):
        expected = stall_ms * (1 - (1 - q) / share)
        assert 0.95 * expected - apart_ms <= found <= 1.05 * expected + apart_ms + delay_ms
    assert closed.answered > 2_000
    assert noise_ms < opened.latency_ms.p99 / 2
    assert closed.latency_ms.max >= stall_ms * 0.95  # ten requests a stall: few enough to be lost
