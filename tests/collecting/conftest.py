"""A store in a folder of its own, and a collector whose clock the test moves."""

import pytest

from servescope.collecting.collector import Collector
from servescope.recording.recorder import Recorder
from tests.collecting.served import BASE, SECOND
from tests.store.conftest import store

__all__ = ["store"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "rings"


@pytest.fixture
def recorder(folder):
    recorder = Recorder(folder, capacity=1024)
    yield recorder
    recorder.close()


@pytest.fixture
def collect(store, folder):
    """A collector whose clock the test moves: `collect(second)` ticks just after its begin."""
    made = []

    def tick(second, monotonic_s=None):
        collector.tick(
            (BASE + second) * SECOND + 30_000_000,
            float(BASE + second) if monotonic_s is None else monotonic_s,
        )
        return collector.status

    def start(*sources):
        nonlocal collector
        if made:
            made[-1].close()
        collector = Collector(store, folder, sources)
        made.append(collector)
        tick.collector = collector
        return tick

    collector = None
    start()
    tick.start = start
    yield tick
    made[-1].close()
