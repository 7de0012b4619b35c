from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from servescope.recording.recorder import Recorder
from servescope.recording.ring_reader import RingReader
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import RunningListener, start_listener
from tests.serving import apps_for_listeners
from tests.waiting import wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

APP = "tests.serving.apps_for_listeners:app"


class Bench:
    """Listeners on free ports, with one recorder, and what it recorded."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder(folder, capacity=2**14)
        self.reader = RingReader(self.recorder.ring.path)
        self.listeners: list[RunningListener] = []

    def start(
        self,
        app: str = APP,
        kind: AppKind = AppKind.WSGI,
        sock: socket.socket | None = None,
        model: ConcurrencyModel = ConcurrencyModel.THREAD_POOL,
        **options: Any,
    ) -> RunningListener:
        options.setdefault("threads", 2)
        spec = ListenerSpec(
            name=f"test{len(self.listeners)}",
            address="127.0.0.1",
            port=0,
            model=model,
            app_kind=kind,
            app=app,
            options=ListenerOptions(**options),
        )
        listener = start_listener(spec, self.recorder, sock)
        self.listeners.append(listener)
        return listener

    def records(self, count: int) -> NDArray[np.void]:
        """All records, once there are `count`; more, or fewer in the end, fail."""
        wait_until(lambda: len(self._drain()) >= count, f"{count} records")
        records = self._drain()
        assert len(records) == count
        return records

    def _drain(self) -> NDArray[np.void]:
        return self.reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "rings")
    yield bench
    for listener in bench.listeners:
        listener.stop(0.1)
    bench.reader.close()
    bench.recorder.close()


@pytest.fixture(autouse=True)
def fresh_events() -> Iterator[None]:
    apps_for_listeners.leave.clear()
    while apps_for_listeners.entered.acquire(blocking=False):
        pass
    yield
    apps_for_listeners.leave.set()
