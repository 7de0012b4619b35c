"""A context on a real store, filled by hand."""

import pytest

from servescope import catalog
from servescope.control import Control
from servescope.histogram import count
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.settings import load_settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import SqliteStore
from tests.contexts import leading_process

START = 1_699_999_200  # a whole minute


def key(metric, **labels):
    return SeriesKey(
        metric, tuple(sorted((name.replace("__", "."), text) for name, text in labels.items()))
    )


def requests_key(status="200", route="/", listener="wsgi"):
    return key(
        catalog.REQUEST_DURATION,
        listener=listener,
        http__request__method="GET",
        http__route=route,
        http__response__status_code=status,
    )


def a_second(ts, requests=10, status="200", route="/", cpu=0.25):
    """One frame: so many requests of 1 ms, and the CPU."""
    histograms = {}
    if requests:
        delta = HistogramDelta(count([0.001] * requests), 0.001 * requests)
        histograms[requests_key(status, route)] = delta
    gauges = {key(catalog.CPU_UTILIZATION, cpu__logical_number="all"): cpu}
    return Frame(ts, gauges=gauges, histograms=histograms)


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, control = SqliteStore(tmp_path), Control(tmp_path)
    yield leading_process(store, control, load_settings(), leader_pid=lambda: 4242).home
    control.close()
    store.close()


@pytest.fixture
def record(context):
    """Commit frames: `record(a_second(ts), …)`."""
    return lambda *frames: context.store.write(Batch(list(frames)))


@pytest.fixture
def running():
    return ListenerStatus(
        "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:app", 5555
    )
