"""The content of `data/version_2.sqlite3.gz`: written through the store of schema version 2.

The file was made once, by the code of that version, from these frames: an hour and five minutes, a
frame a minute, of more series than version 3 keeps together in a chunk.
"""

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Frame, HistogramDelta, SeriesKey

SERIES = 70
START = 1_700_002_800  # a whole hour
STEP = 60
END = START + 65 * STEP
CPU = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(core)),)) for core in range(SERIES)]
SENT = [SeriesKey(BYTES_SENT, (("listener", str(number)),)) for number in range(SERIES)]
ROUTES = [SeriesKey(REQUEST_DURATION, (("http.route", f"/{n}"),)) for n in range(SERIES)]


def frames(start=START, end=END):
    """The frames, in order."""
    for ts in range(start, end, STEP):
        minute = ts // STEP
        yield Frame(
            ts,
            {key: (minute * 7 + core) % 100 / 100 for core, key in enumerate(CPU)},
            {key: float(minute % 10 + number) for number, key in enumerate(SENT)},
            {
                key: HistogramDelta(histogram.count([0.001 * (1 + number)]), 0.001 * (1 + number))
                for number, key in enumerate(ROUTES)
            },
        )
