"""The content of `data/version_1.sqlite3.gz`: written through the store of schema version 1.

The file was made once, by the code of that version, from these frames: two hours and a half, a
frame each half minute.
"""

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Frame, HistogramDelta, SeriesKey

START = 1_700_002_800  # a whole hour
END = START + 9_000
STEP = 30
CPU = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", name),)) for name in ("0", "all")]
SENT = SeriesKey(BYTES_SENT, (("listener", "files"),))
REQUESTS = SeriesKey(
    REQUEST_DURATION,
    (
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/"),
        ("listener", "files"),
    ),
)


def frames():
    """The frames, in order."""
    for ts in range(START, END, STEP):
        value = (ts // STEP * 37 % 101) / 100
        took = [0.001 * (1 + ts // STEP % 5), 0.02]
        yield Frame(
            ts,
            {CPU[0]: value, CPU[1]: value / 2},
            {SENT: float(ts % 1000)},
            {REQUESTS: HistogramDelta(histogram.count(took), sum(took))},
        )
