"""The size of a sample on disk when the series are real ones: a dashboard that samples its host.

Starts `python app.py` in a data folder of its own, sends some sixty requests a second to its three
listeners for the minutes asked for, ends it, and adds up the closed chunks of tier 1. A sample is
what one series tells in one second; that of a histogram is its buckets, its number and its sum.
"""

from __future__ import annotations

import http.client
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from servescope.store.codec.chunks import Plane, decode
from servescope.store.sqlite.store import open_store
from tests.processes import Dashboards

if TYPE_CHECKING:
    import sqlite3

CLIENTS: Final = 3
REQUESTS_PER_CLIENT_S: Final = 20.0
PATHS: Final = {
    "files": ("/", "/index.html", "/nothing"),
    "wsgi": ("/", "/json", "/slow", "/hello"),
    "asgi": ("/", "/json", "/slow", "/hello"),
}
KINDS: Final = {
    Plane.VALUE: "gauges",
    Plane.INCREASE: "counters",
    Plane.HIST_COUNT: "histograms",
    Plane.HIST_SUM: "histograms",
    Plane.HIST_BUCKETS: "histograms",
}


def visit(ports: dict[str, int], until: float, seed: int) -> None:
    """Send requests at random moments, each connection kept alive."""
    rolled = random.Random(seed)  # noqa: S311 - no secret, the same again in each run
    open_ones = {
        name: http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for name, port in ports.items()
    }
    while time.monotonic() < until:
        name = rolled.choice(list(ports))
        open_ones[name].request("GET", rolled.choice(PATHS[name]))
        open_ones[name].getresponse().read()
        time.sleep(rolled.expovariate(REQUESTS_PER_CLIENT_S))


def added_up(connection: sqlite3.Connection) -> tuple[Counter[str], Counter[str]]:
    """Bytes and samples of each kind in the closed minutes."""
    sizes: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for number, blob in connection.execute("SELECT plane, data FROM chunk WHERE tier = 1"):
        plane = Plane(number % len(Plane))
        sizes[KINDS[plane]] += len(blob)
        chunk = decode(plane, blob)
        if plane is Plane.VALUE:
            samples["gauges"] += int(np.count_nonzero(~np.isnan(chunk.values)))
        elif plane in {Plane.INCREASE, Plane.HIST_COUNT}:
            samples[KINDS[plane]] += chunk.ids.size * int(chunk.seconds.sum())
    return sizes, samples


def recorded(minutes: int) -> None:
    """Run a dashboard for so long and print what its seconds take."""
    with tempfile.TemporaryDirectory() as folder:
        dashboards = Dashboards(Path(folder), has_own_interpreter=True)
        try:
            running = dashboards()
            ports = {name: running.port(name) for name in PATHS}
            until = time.monotonic() + 60 * (minutes + 1)  # the first one is not whole
            clients = [
                threading.Thread(target=visit, args=(ports, until, seed)) for seed in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        finally:
            dashboards.end()
        store = open_store(running.folder)
        connection = store._db._writer  # noqa: SLF001 - the store tells no sizes
        sizes, samples = added_up(connection)
        store.close()
    told = "  ".join(
        f"{kind} {sizes[kind] / samples[kind]:.2f} ({samples[kind]} samples)"
        for kind in sorted(samples)
    )
    print(
        f"a dashboard's own series, {minutes} min at 1 s: "
        f"{sizes.total() / samples.total():.2f} bytes a sample; {told}"
    )


if __name__ == "__main__":
    recorded(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
