"""Listeners of every model for the contract suite, and all that they record."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from servescope.recording.detail_reader import DetailReader
from servescope.recording.recorder import DETAIL_SUFFIX, RING_SUFFIX, Recorder
from servescope.recording.ring_reader import RECORD_DTYPE, RingReader
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import RunningListener, start_listener
from servescope.serving.models import REGISTRY
from tests.serving.raw_client import GET
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from servescope.records.requests import RequestDetail

APPS = {
    AppKind.WSGI: "tests.contracts.app_for_models:app",
    AppKind.ASGI: "tests.contracts.app_for_models:asgi_app",
}
HOSTINGS = [(model, AppKind.WSGI) for model in REGISTRY] + [
    (ConcurrencyModel.ASYNCIO, AppKind.ASGI)
]
"""Every model with a WSGI app, and the one that hosts an ASGI app."""

CONCURRENT = [pair for pair in HOSTINGS if pair[0] is not ConcurrencyModel.SEQUENTIAL]
"""Those that serve more than one connection at a time."""


def in_threads(visit: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=visit, args=(who,)) for who in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


class ModelHarness:
    """Listeners of one model, and all that they recorded, in however many processes.

    The model `prefork` has one worker (0.3 s of CPU to start) unless `workers` asks for more: one
    connection sees one of them only. An order to all of them is judged with two.
    """

    def __init__(
        self, folder: Path, model: ConcurrencyModel, kind: AppKind, workers: int = 1
    ) -> None:
        self.workers = workers
        self.rings = folder / "rings"
        self.signals = folder / "signals"
        self.signals.mkdir()
        self.model = model
        self.kind = kind
        self.recorder = Recorder(self.rings, capacity=2**12)
        self.readers: dict[Path, RingReader] = {}
        self.listeners: list[RunningListener] = []
        self.seen_captures: set[int] = set()

    @property
    def is_concurrent(self) -> bool:
        """Whether a client that is slow leaves the others served."""
        return self.model is not ConcurrencyModel.SEQUENTIAL

    def start(
        self, app: str | None = None, kind: AppKind | None = None, **options: Any
    ) -> RunningListener:
        spec = ListenerSpec(
            name="it",
            address="127.0.0.1",
            port=0,
            model=self.model,
            app_kind=kind or self.kind,
            app=app or APPS[self.kind],
            options=ListenerOptions(**{"threads": 2, "workers": self.workers, **options}),
        )
        listener = start_listener(spec, self.recorder)
        self.listeners.append(listener)
        return listener

    def records(self, count: int) -> NDArray[np.void]:
        """All records, in order of their ends, once there are `count`; any other number fails."""
        wait_until(lambda: len(self.drain()) >= count, f"{count} records")
        records = self.drain()
        assert len(records) == count
        return np.sort(records, order="end_ns")

    def drain(self) -> NDArray[np.void]:
        for path in self.rings.glob(f"*{RING_SUFFIX}"):
            if path not in self.readers:
                self.readers[path] = RingReader(path)
        parts = [
            reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records
            for reader in self.readers.values()
        ]
        return np.concatenate([np.empty(0, RECORD_DTYPE), *parts])

    def details(self) -> list[RequestDetail]:
        """All request details, of whichever process."""
        found: list[RequestDetail] = []
        for path in self.rings.glob(f"*{DETAIL_SUFFIX}"):
            reader = DetailReader(path)
            found += reader.drain(0)[0]
            reader.close()
        return found

    def routes(self) -> set[str]:
        return {name for reader in self.readers.values() for name in reader.routes.values()}

    def entered(self) -> int:
        return len(list(self.signals.glob("entered-*")))

    def wait_request(self) -> bytes:
        return GET.replace(b"/ ", b"/wait?%b " % str(self.signals).encode())

    def leave(self) -> None:
        (self.signals / "leave").touch()

    def close(self) -> None:
        self.leave()
        for listener in self.listeners:
            listener.stop(0.5)
        for reader in self.readers.values():
            reader.close()
        self.recorder.close()
        gc.collect()
