"""The store beside its peers, in the same rounds: a row a sample in SQLite, DuckDB, engines.

Prometheus and VictoriaMetrics (Debian's packages) and DuckDB (`pip install duckdb`) take part where
they are installed. 480 plain series a second: 440 gauges of which 50 are asked for, 40 counters;
histograms are left out, because the peers would keep them as series of their own.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from servescope.catalog import CPU_UTILIZATION, MEMORY_USAGE, NETWORK_IO
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.engine.write_request import packed_labels, packed_request
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store
from tests.engines import ENGINES, RunningEngine, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

ASKED: Final = 50
GAUGES: Final = 440
SERIES: Final = 480
RECENT: Final = 300
COARSE: Final = 60
START: Final = 1_700_000_000 // 3600 * 3600
ROUNDS: Final = 10


class Peer(Protocol):
    """A store of 480 series, of which the first 50 are asked for."""

    def write(self, ts: int, values: NDArray[np.float64]) -> None:
        """Commit one second of all series."""

    def ask(self, start: int, end: int, step: int) -> int:
        """Means of the 50 series by step, as arrays; how many numbers these hold."""

    def bytes_on_disk(self) -> int | None:
        """Bytes it takes; None where that says nothing yet."""

    def close(self) -> None:
        """End it."""


class Servescope:
    """The store of this package, nothing decoded kept from one question to the next."""

    def __init__(self, folder: Path) -> None:
        self._store = open_store(folder)
        self._gauges = [
            SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(number)),))
            for number in range(ASKED)
        ] + [
            SeriesKey(MEMORY_USAGE, (("system.memory.state", str(number)),))
            for number in range(GAUGES - ASKED)
        ]
        self._counters = [
            SeriesKey(NETWORK_IO, (("network.interface.name", str(number)),))
            for number in range(SERIES - GAUGES)
        ]

    def write(self, ts: int, values: NDArray[np.float64]) -> None:
        """A frame."""
        told = values.tolist()
        gauges = dict(zip(self._gauges, told[:GAUGES], strict=True))
        counts = dict(zip(self._counters, told[GAUGES:], strict=True))
        self._store.write(Batch([Frame(ts, gauges, counts)]))

    def ask(self, start: int, end: int, step: int) -> int:
        """By `aggregate`."""
        self._store.forget_decoded()
        query = Query(CPU_UTILIZATION, start, end, step, by=("cpu.logical_number",))
        return self._store.aggregate(query, Aggregation.AVG).values.size

    def bytes_on_disk(self) -> int:
        """The file."""
        return self._store.path.stat().st_size

    def close(self) -> None:
        """Close it."""
        self._store.close()


_MEANS: Final = (
    "SELECT series, ts / {step} AS slot, avg(value) FROM sample WHERE series < {asked}"
    " AND ts >= {start} AND ts < {end} GROUP BY series, slot ORDER BY series, slot"
)


class Rows:
    """A row a sample, the table in order of series and time: SQLite in WAL, as ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._path = folder / "rows.sqlite3"
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE sample (series INTEGER, ts INTEGER, value REAL,"
            " PRIMARY KEY (series, ts)) WITHOUT ROWID"
        )

    def write(self, ts: int, values: NDArray[np.float64]) -> None:
        """480 rows."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO sample VALUES (?, ?, ?)",
            [(series, ts, value) for series, value in enumerate(values.tolist())],
        )
        self._connection.execute("COMMIT")

    def ask(self, start: int, end: int, step: int) -> int:
        """By SQL."""
        question = _MEANS.format(step=step, asked=ASKED, start=start, end=end)
        return np.array([row[2] for row in self._connection.execute(question)]).size

    def bytes_on_disk(self) -> int:
        """The file."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class DuckDb:
    """A row a sample in DuckDB's columns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._path = folder / "duck.db"
        self._connection = importlib.import_module("duckdb").connect(str(self._path))
        self._connection.execute("CREATE TABLE sample (ts BIGINT, series INTEGER, value DOUBLE)")

    def write(self, ts: int, values: NDArray[np.float64]) -> None:
        """One statement a second: the values as a list."""
        self._connection.execute(
            "INSERT INTO sample SELECT $1, unnest(range(len($2))), unnest($2)",
            [ts, values.tolist()],
        )

    def ask(self, start: int, end: int, step: int) -> int:
        """By SQL."""
        question = _MEANS.format(step=step, asked=ASKED, start=start, end=end)
        question = question.replace(f"ts / {step}", f"ts // {step}")
        found = self._connection.execute(question).fetchnumpy()
        return len(next(reversed(found.values())))

    def bytes_on_disk(self) -> int:
        """The file, after a checkpoint."""
        self._connection.execute("CHECKPOINT")
        return self._path.stat().st_size

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class Engine:
    """A Prometheus-compatible engine on loopback: remote-write and `query_range`."""

    def __init__(self, name: str, folder: Path) -> None:
        self._engine = RunningEngine(name, folder).start()
        self._is_shown = False
        self._connection = http.client.HTTPConnection("127.0.0.1", self._engine.port)
        self._labels = [
            packed_labels({"__name__": "cpu" if n < ASKED else "other", "n": str(n)})
            for n in range(SERIES)
        ]

    def write(self, ts: int, values: NDArray[np.float64]) -> None:
        """One request of 480 samples."""
        samples = zip(self._labels, values.tolist(), strict=True)
        body = packed_request((labels, [(ts, value)]) for labels, value in samples)
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        status, text = self._request("POST", "/api/v1/write", body, headers)
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"not taken: {status} {text[:200]!r}")

    def ask(self, start: int, end: int, step: int) -> int:
        """By `query_range`."""
        if not self._is_shown:
            self._engine.show()
            self._is_shown = True
        query = "cpu" if step == 1 else f"avg_over_time(cpu[{step}s])"
        asked = urlencode({"query": query, "start": start, "end": end - 1, "step": step})
        _, text = self._request("GET", f"/api/v1/query_range?{asked}", None, {})
        result = json.loads(text)["data"]["result"]
        return sum(np.array(one["values"], np.float64).shape[0] for one in result)

    def bytes_on_disk(self) -> None:
        """Nothing: it has not compacted yet."""

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._engine.end()

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def peers(folder: Path) -> Iterator[tuple[str, Callable[[], Peer]]]:
    """Ourselves, and those that are installed."""
    yield "servescope", lambda: Servescope(folder / "servescope")
    yield "sqlite, a row a sample", lambda: Rows(folder / "rows")
    if importlib.util.find_spec("duckdb"):
        yield "duckdb", lambda: DuckDb(folder / "duckdb")
    for name in ENGINES:
        try:
            program(name)
        except AssertionError:
            continue
        yield name, lambda name=name: Engine(name, folder / name)


def seconds_of_values(seconds: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Walks of gauges to four decimals, and counts."""
    random = np.random.default_rng(4)
    walk = random.random(GAUGES)
    for ts in range(START, START + seconds):
        walk = np.round(np.abs(walk + random.normal(0, 0.01, GAUGES)), 4)
        yield ts, np.concatenate((walk, random.poisson(900, SERIES - GAUGES)))


def compare(folder: Path, seconds: int) -> None:
    """Write to all of them, ask all of them in turns, print times and ratios."""
    running = {name: start() for name, start in peers(folder)}
    written: dict[str, list[float]] = {name: [] for name in running}
    try:
        for ts, values in seconds_of_values(seconds):
            for name, peer in running.items():
                began = time.perf_counter()
                peer.write(ts, values)
                written[name].append((time.perf_counter() - began) * 1e3)
        rows = {f"write of {SERIES} series": {n: median(took) for n, took in written.items()}}
        end = START + seconds
        for label, span, step in (
            (f"{RECENT} s x {ASKED} at 1 s", RECENT, 1),
            (f"{seconds / 3600:g} h x {ASKED} at {COARSE} s", seconds, COARSE),
        ):
            rows[label] = _asked(running, end - span, end, step)
        taken = {name: peer.bytes_on_disk() for name, peer in running.items()}
    finally:
        for peer in running.values():
            peer.close()
    print(f"beside peers, {seconds / 3600:g} h: ms (median of writes, fastest of the rounds),")
    print("and how many times ours")
    for label, of_peers in rows.items():
        ours = of_peers["servescope"]
        for name, took in of_peers.items():
            print(f"{label:28} {name:24} {took:9.2f}  x {took / ours:6.1f}")
    for name, size in taken.items():
        if size is not None:
            print(f"{'bytes a sample':28} {name:24} {size / seconds / SERIES:9.2f}")


def _asked(running: dict[str, Peer], start: int, end: int, step: int) -> dict[str, float]:
    """Fastest of the rounds, the peers asked in turns; all must find about as many numbers."""
    took: dict[str, list[float]] = {name: [] for name in running}
    expected = ASKED * (end - start) // step
    for _ in range(ROUNDS):
        for name, peer in running.items():
            began = time.perf_counter()
            found = peer.ask(start, end, step)
            took[name].append((time.perf_counter() - began) * 1e3)
            if abs(found - expected) > 2 * ASKED:
                raise SystemExit(f"{name} found {found} numbers of {expected}")
    return {name: min(times) for name, times in took.items()}
