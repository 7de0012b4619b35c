"""A context on a store of its own, and frames to fill it with."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import COLLECT_DURATION, CPU_UTILIZATION, NETWORK_IO, REQUEST_DURATION
from servescope.control import Control
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process

CPU = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "0"),))
RECEIVED = SeriesKey(
    NETWORK_IO, (("network.interface.name", "lo"), ("network.io.direction", "receive"))
)
COST = SeriesKey(COLLECT_DURATION)
WSGI = SeriesKey(
    REQUEST_DURATION,
    (
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/users/<id>"),
        ("listener", "wsgi"),
    ),
)


def frame(ts):
    """A second whose figures follow from its number; durations are not round, as in life."""
    durations = np.random.default_rng(ts).lognormal(-6, 1, ts % 7)
    histograms = {WSGI: HistogramDelta(histogram.count(durations), float(durations.sum()))}
    return Frame(
        ts,
        {CPU: ts % 100 / 100},
        {RECEIVED: float(ts % 1000), COST: 0.001 + (ts % 13) / 7e6},
        histograms if durations.size else {},
    )


class StoreHarness:
    """Query contexts on one data folder, as several processes have them."""

    def __init__(self, folder):
        self.folder = folder
        self.opened = []

    def context(self):
        store, control = open_store(self.folder), Control(self.folder)
        settings = Settings(data_dir=self.folder)
        self.opened += [store, control]
        return leading_process(store, control, settings).home

    def fill(self, context, start, end):
        context.store.write(Batch([frame(ts) for ts in range(start, end)]))

    def close(self):
        for one in self.opened:
            one.close()
        self.opened.clear()


@pytest.fixture
def harness(tmp_path):
    one = StoreHarness(tmp_path / "data")
    yield one
    one.close()
