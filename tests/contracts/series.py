"""Series and figures that the cases of the contract are written in."""

import math

import numpy as np

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, MEMORY_USAGE, REQUEST_DURATION
from servescope.store.base import HistogramDelta, SeriesKey

START = 1_700_000_000
CPU = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(4)]
MEMORY = SeriesKey(MEMORY_USAGE, (("system.memory.state", "used"),))
SENT = [SeriesKey(BYTES_SENT, (("listener", name),)) for name in ("files", "wsgi")]
REQUESTS = [
    SeriesKey(
        REQUEST_DURATION,
        (
            ("http.request.method", "GET"),
            ("http.response.status_code", status),
            ("http.route", route),
            ("listener", "wsgi"),
        ),
    )
    for status in ("200", "500")
    for route in ("/", "/slow")
]


def delta(*seconds):
    return HistogramDelta(histogram.count(seconds), math.fsum(seconds))


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
