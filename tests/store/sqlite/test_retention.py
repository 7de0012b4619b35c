"""The cost of a sample on disk, on series that move as a host's and a server's do."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import (
    ACCEPT_QUEUE_DEPTH,
    BYTES_SENT,
    CPU_UTILIZATION,
    MEMORY_USAGE,
    OPEN_CONNECTIONS,
    REQUEST_DURATION,
)
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_006_400
SECONDS = 600


def keys(metric, label, number):
    return [SeriesKey(metric, ((label, str(index)),)) for index in range(number)]


CORES = keys(CPU_UTILIZATION, "cpu.logical_number", 160)
MEMORY = keys(MEMORY_USAGE, "system.memory.state", 80)
CONNECTIONS = keys(OPEN_CONNECTIONS, "listener", 120)
QUEUES = keys(ACCEPT_QUEUE_DEPTH, "port", 80)
SENT = keys(BYTES_SENT, "listener", 40)
ROUTES = keys(REQUEST_DURATION, "http.route", 20)


def frames():
    """CPU as a walk in steps of a thousandth, memory in pages, queues empty but for moments."""
    random = np.random.default_rng(11)
    cpu, pages = random.random(len(CORES)), random.integers(10_000, 10**6, len(MEMORY))
    connections = random.integers(0, 200, len(CONNECTIONS))
    for ts in range(START, START + SECONDS + 1):
        cpu = np.clip(cpu + random.normal(0, 0.01, cpu.size), 0, 1)
        pages = pages + random.integers(-40, 41, pages.size) * (random.random(pages.size) < 0.3)
        connections = np.maximum(connections + random.integers(-2, 3, connections.size), 0)
        queues = random.poisson(0.05, len(QUEUES))
        sent = random.poisson(90, len(SENT)) * 512
        gauges = {
            **dict(zip(CORES, np.round(cpu, 3).tolist(), strict=True)),
            **dict(zip(MEMORY, (pages * 4096.0).tolist(), strict=True)),
            **dict(zip(CONNECTIONS, connections.astype(float).tolist(), strict=True)),
            **dict(zip(QUEUES, queues.astype(float).tolist(), strict=True)),
        }
        took = {}
        for key in ROUTES:
            seconds = random.lognormal(-6, 0.4, random.poisson(8))
            took[key] = HistogramDelta(histogram.count(seconds), round(float(seconds.sum()), 7))
        yield Frame(ts, gauges, dict(zip(SENT, sent.astype(float).tolist(), strict=True)), took)


@pytest.mark.timeout(60)
def test_a_second_of_500_series_takes_at_most_1_6_bytes_a_sample(store):
    for frame in frames():
        store.write(Batch([frame]))
    ((size,),) = store._db.read(
        lambda connection: connection.execute(
            "SELECT sum(length(data)) FROM chunk WHERE tier = 1"
        ).fetchall()
    )
    assert size / (500 * SECONDS) <= 1.6
