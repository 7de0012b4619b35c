"""The local file as a queue: which seconds wait to be sent, as the samples they become.

The cursor stands in the table `meta` beside the data, one for each engine and instance: seconds up
to it are sent. A second is sent once; what comes late for one that was (a clock set back) stays in
the local file.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from servescope.catalog import Kind
from servescope.store.chunks import ChunkCache
from servescope.store.promql import seconds
from servescope.store.promql.names import (
    BUCKET,
    FRAMES,
    FRAMES_HOUR,
    INSTANCE,
    engine_label,
    engine_name,
)
from servescope.store.promql.write_request import packed_labels, packed_request

if TYPE_CHECKING:
    import sqlite3

    from servescope.records import Labels
    from servescope.store.database import Database

HOUR_S: Final = 3600
_PUT: Final = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
_Samples = dict[int, float]  # epoch second → value


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending came. Counts are since the cursor's first second."""

    sent_until: int | None = None  # the newest second that was sent; None: none yet
    sure_until: int | None = None  # the newest that was sent so long ago that it is on the disk
    refused: int = 0  # seconds the engine did not take, as too old or out of order
    skipped: int = 0  # seconds the local file had forgotten before they could be sent
    trouble: str = ""  # why nothing is sent now; empty when it is


@dataclass(frozen=True, slots=True)
class Parcel:
    """Consecutive seconds with all their samples, by the packed labels of their series."""

    times: tuple[int, ...]
    samples: dict[bytes, _Samples] = field(repr=False)
    new_series: bool = False  # since the parcel before

    def packed(self) -> bytes:
        """The remote-write request."""
        return packed_request(
            (labels, sorted(values.items())) for labels, values in self.samples.items()
        )

    def split(self) -> tuple[Parcel, Parcel]:
        """The older and the newer half."""
        middle = len(self.times) // 2
        return self._part(self.times[:middle]), self._part(self.times[middle:])

    def _part(self, times: tuple[int, ...]) -> Parcel:
        low, high = times[0], times[-1]
        parts = (
            (labels, {ts: value for ts, value in values.items() if low <= ts <= high})
            for labels, values in self.samples.items()
        )
        return replace(self, times=times, samples={key: part for key, part in parts if part})


class Outbox:
    """What of the local store is to be sent as `instance`; `key` names the cursor."""

    def __init__(self, database: Database, key: str, instance: str) -> None:
        self._db = database
        self._key = f"engine_cursor {instance} {key}"
        self._instance = instance
        self._cache = ChunkCache()
        self._generation = -1
        self._series: dict[int, tuple[str, Labels, Kind]] = {}
        self._packed: dict[tuple[int, str, int], bytes] = {}

    def progress(self) -> Progress:
        """As last kept, by whichever process."""
        found = self._db.read(
            lambda connection: connection.execute(
                "SELECT value FROM meta WHERE key = ?", (self._key,)
            ).fetchone()
        )
        return Progress(**json.loads(found[0])) if found else Progress()

    def keep(self, progress: Progress) -> None:
        """Keep how far the sending came."""
        value = json.dumps(asdict(progress))
        self._db.write(lambda connection: connection.execute(_PUT, (self._key, value)), news=False)

    def bounds(self) -> tuple[int, int] | None:
        """The oldest second that can still be sent, and the newest."""
        return self._db.read(seconds.bounds)

    def parcel(self, after: int, until: int, *, begin: bool = False) -> Parcel | None:
        """The frames of seconds after `after` and up to `until`; None where there are none.

        `begin`: what the engine has of this hour is not sure, so that its mark is sent anew.
        """
        return self._db.read(
            lambda connection: self._parcel(connection, after + 1, until + 1, begin=begin)
        )

    def _parcel(
        self, connection: sqlite3.Connection, start: int, end: int, *, begin: bool
    ) -> Parcel | None:
        if self._generation != self._db.generation:
            self._series.clear()
            self._packed.clear()
            self._cache.clear()
            self._generation = self._db.generation
        known = len(self._packed)
        self._read_series(connection)
        highest = max(self._series, default=0)
        times, cells = seconds.recorded(connection, self._cache, start, end, highest)
        samples: dict[bytes, _Samples] = defaultdict(dict)
        for cell in cells:
            values = samples[self._labels(cell.series, cell.suffix, cell.bucket)]
            values[cell.ts] = cell.value + (values.get(cell.ts, 0.0) if cell.adds else 0.0)
        if not times:
            return None
        self._add_marks(samples, times, None if begin else (start - 1) // HOUR_S)
        return Parcel(tuple(times), dict(samples), len(self._packed) > known)

    def _add_marks(
        self, samples: dict[bytes, _Samples], times: list[int], hour: int | None
    ) -> None:
        """The seconds themselves; with the first of an hour zeros, so that what never moved shows.

        The engine then knows every series of the hour, and finds the hours without a long search.
        """
        frames = packed_labels({"__name__": FRAMES, INSTANCE: self._instance})
        samples[frames] = {ts: float(ts) for ts in times}
        for ts in times:
            if ts // HOUR_S == hour:
                continue
            hour = ts // HOUR_S
            hours = packed_labels({"__name__": FRAMES_HOUR, INSTANCE: self._instance})
            samples[hours][ts] = float(ts)
            for number, (_, _, kind) in self._series.items():
                if kind is not Kind.GAUGE:
                    suffix = "_count" if kind is Kind.HISTOGRAM else ""
                    samples[self._labels(number, suffix)].setdefault(ts, 0.0)

    def _labels(self, number: int, suffix: str, bucket: int = -1) -> bytes:
        key = (number, suffix, bucket)
        packed = self._packed.get(key)
        if packed is None:
            metric, labels, _ = self._series[number]
            named = {engine_label(name): value for name, value in labels}
            named |= {"__name__": engine_name(metric) + suffix, INSTANCE: self._instance}
            if bucket >= 0:
                named[BUCKET] = str(bucket)
            packed = self._packed[key] = packed_labels(named)
        return packed

    def _read_series(self, connection: sqlite3.Connection) -> None:
        newest = max(self._series, default=0)
        for number, name, labels, kind in connection.execute(
            "SELECT id, name, labels, kind FROM series WHERE id > ?", (newest,)
        ):
            pairs: list[Any] = json.loads(labels)
            self._series[number] = (name, tuple((str(k), str(v)) for k, v in pairs), Kind(kind))
