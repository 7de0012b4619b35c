"""Where a client's milliseconds went, under overload: the server's stages explain all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from servescope.collecting.rings import RingFolder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.records.load import LoadPlan
from servescope.serving.workers.contender import ContenderProcess
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .conftest import Outcome

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.timeout(300)]

WAIT_S = 0.02
"""The time that the app takes for a request. One at a time, so a server carries 50 a second."""

RATE = 60
SECONDS = 3
APP = f"""
import time

def app(environ, start_response):
    time.sleep({WAIT_S})
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.fixture(params=ConcurrencyModel, ids=str)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ContenderProcess]:
    """A server of each model with one worker, which has answered a request."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "waits.py").write_text(APP)
    options = ListenerOptions(threads=1, workers=1)
    spec = ListenerSpec(
        "waits", "127.0.0.1", 0, request.param, AppKind.WSGI, "waits:app", options=options
    )
    process = ContenderProcess(spec, tmp_path / "server-rings", folder)
    try:
        assert process.is_up(60)
        yield process
    finally:
        process.stop(1)


def stages_ns(rings: Path) -> NDArray[np.int64]:
    """Sum of all stages of each request that a server has answered, in the order of their ends."""
    folder = RingFolder(rings, {})
    folder.discover()
    drained = [
        ring.drain(lambda reader, cursor: reader.drain(cursor, 2**62, time.monotonic()))
        for ring in folder.records.values()
    ]
    folder.close()
    records = np.concatenate([one.records for one in drained])
    return records["stages_ns"].sum(axis=1, dtype=np.int64)[np.argsort(records["end_ns"])]


def test_what_a_client_waits_is_in_the_stages_of_its_request(
    server: ContenderProcess, tmp_path: Path, run_plan: Callable[..., Outcome]
) -> None:
    plan = LoadPlan.constant("waits", "/", RATE, SECONDS)
    outcome = run_plan(plan, server.address[1])
    assert outcome.result.answered == RATE * SECONDS
    # One worker answers in one order, so the n-th answer is the same request on both sides.
    records = outcome.records[np.argsort(outcome.records["end_ns"])]
    since_sent_ns = records["stages_ns"][:, 1].astype(np.int64)
    # The server writes its record once the answer is on its way.
    rings = tmp_path / "server-rings"
    assert eventually(lambda: stages_ns(rings).size == records.size)
    served_ns = stages_ns(rings)
    residual_ms = (since_sent_ns - served_ns) / 1e6
    waited_ms = np.median(since_sent_ns) / 1e6
    assert waited_ms > 5 * WAIT_S * 1e3  # it was overloaded: most of the time is in a queue
    # Within 0.2 ms where nothing else runs; a busy machine also adds between two stages.
    assert np.abs(np.median(residual_ms)) <= max(1, 0.01 * waited_ms)
