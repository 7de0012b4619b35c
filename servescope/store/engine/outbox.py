"""The local file as a queue of the samples that wait to be sent.

The cursors stand in the table `meta` beside the data, for each engine and instance: seconds up to
the first are sent, rows of each coarser tier up to one of their own. Each is sent once; later
additions to one that was (a clock set back) stay in the local file.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from servescope.catalog import Kind
from servescope.store.codec.chunks import ChunkCache
from servescope.store.engine.names import (
    BUCKET,
    FRAMES_HOUR,
    INSTANCE,
    ROWS,
    ROWS_HOUR,
    SINCE,
    TIER,
    engine_label,
    engine_name,
    frames_name,
)
from servescope.store.engine.write_request import packed_labels, packed_request
from servescope.store.sqlite.cells import bounds, recorded
from servescope.store.sqlite.segments import Segment
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from servescope.records.metrics import Labels
    from servescope.store.sqlite.database import Database

HOUR_S: Final = 3600
_PUT: Final = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
_Samples = dict[int, float]  # epoch second → value


@dataclass(frozen=True, slots=True)
class RowsSent:
    """The rows of a coarser tier that the engine has: those of `[since, until)`, without a hole."""

    since: int
    until: int
    sure: int  # those before are on the engine's disk


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of sending. Counts are since the cursor's first second."""

    sent_until: int | None = None  # the newest second that was sent; None: none yet
    sure_until: int | None = None  # the newest that was sent so long ago that it is on the disk
    refused: int = 0  # seconds the engine did not take, as too old or out of order
    skipped: int = 0  # seconds the local file had forgotten before they could be sent
    trouble: str = ""  # why nothing is sent now; empty when it is
    rows: Mapping[int, RowsSent] = field(default_factory=dict)  # by tier

    @classmethod
    def read(cls, text: str) -> Progress:
        """As kept in the file, if by an older Servescope, without `rows`."""
        kept = json.loads(text)
        rows = {int(tier): RowsSent(**sent) for tier, sent in kept.pop("rows", {}).items()}
        return cls(**kept, rows=rows)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Consecutive seconds, or rows, with all their samples, by the packed labels of their series.

    `times` are their begins.
    """

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
    """The data of the local store that `instance` has yet to send; `key` names the cursor."""

    def __init__(self, database: Database, key: str, instance: str) -> None:
        self._db = database
        self._key = f"engine_cursor {instance} {key}"
        self._instance = instance
        self._cache = ChunkCache()
        self._generation = -1
        self._series: dict[int, tuple[str, Labels, Kind]] = {}
        self._packed: dict[tuple[int, str, int, int], bytes] = {}

    def progress(self) -> Progress:
        """As last kept, by whichever process."""
        found = self._db.read(
            lambda connection: connection.execute(
                "SELECT value FROM meta WHERE key = ?", (self._key,)
            ).fetchone()
        )
        return Progress.read(found[0]) if found else Progress()

    def keep(self, progress: Progress) -> None:
        """Keep how far the sending came."""
        value = json.dumps(asdict(progress))
        self._db.write(lambda connection: connection.execute(_PUT, (self._key, value)), news=False)

    def bounds(self) -> tuple[int, int] | None:
        """The oldest second that can still be sent, and the newest."""
        return self._db.read(bounds)

    def parcel(
        self,
        after: int,
        until: int,
        *,
        begin: bool = False,
        rows: Mapping[int, RowsSent] | None = None,
        news: bool = False,
    ) -> Parcel | None:
        """The frames of seconds after `after` and up to `until`; None where there are none.

        `begin`: the engine may have lost samples of this hour, so that its mark is sent anew.
        `rows` were sent before; they are announced each hour, and now when they are `news`.
        """

        def read(connection: sqlite3.Connection) -> Parcel | None:
            known, (seconds_of, samples) = self._read(connection, FINE, after + 1, until + 1)
            if not seconds_of:
                return None
            times = list(seconds_of)
            hours = self._add_marks(samples, times, None if begin else after // HOUR_S)
            names = [ROWS] * (news or hours) + [ROWS_HOUR] * hours
            for name in names:
                self._announce(samples, name, times[-1], rows or {})
            return Parcel(tuple(times), samples, len(self._packed) > known)

        return self._db.read(read)

    def rows(self, tier: int, start: int, end: int) -> Parcel | None:
        """Rows of a coarser tier, whole ones; None where no second has a frame."""

        def read(connection: sqlite3.Connection) -> Parcel | None:
            _, (seconds_of, samples) = self._read(connection, tier, start, end)
            if not seconds_of:
                return None
            frames = packed_labels({"__name__": frames_name(tier), INSTANCE: self._instance})
            samples[frames] = {ts: float(number) for ts, number in seconds_of.items()}
            return Parcel(tuple(seconds_of), samples)

        return self._db.read(read)

    def _read(
        self, connection: sqlite3.Connection, tier: int, start: int, end: int
    ) -> tuple[int, tuple[dict[int, int], dict[bytes, _Samples]]]:
        """The number of series known before, the rows' seconds, and their samples."""
        if self._generation != self._db.generation:
            self._series.clear()
            self._packed.clear()
            self._cache.clear()
            self._generation = self._db.generation
        known = len(self._packed)
        self._read_series(connection)
        highest = max(self._series, default=0)
        part = Segment(tier, start, end)
        seconds_of, cells = recorded(connection, self._cache, part, highest)
        samples: dict[bytes, _Samples] = defaultdict(dict)
        for cell in cells:
            values = samples[self._labels(cell.series, cell.suffix, cell.bucket, tier)]
            old = values.get(cell.ts)
            values[cell.ts] = cell.value if old is None else cell.fold(old, cell.value)
        return known, (seconds_of, samples)

    def _add_marks(
        self, samples: dict[bytes, _Samples], times: list[int], hour: int | None
    ) -> bool:
        """The seconds themselves; with the first of an hour zeros of series that never moved.

        The engine then knows every series of the hour, and finds the hours without a long search.
        Returns whether an hour began.
        """
        frames = packed_labels({"__name__": frames_name(), INSTANCE: self._instance})
        samples[frames] = {ts: float(ts) for ts in times}
        began = False
        for ts in times:
            if ts // HOUR_S == hour:
                continue
            hour, began = ts // HOUR_S, True
            hours = packed_labels({"__name__": FRAMES_HOUR, INSTANCE: self._instance})
            samples[hours][ts] = float(ts)
            for number, (_, _, kind) in self._series.items():
                if kind is not Kind.GAUGE:
                    suffix = "_count" if kind is Kind.HISTOGRAM else ""
                    samples[self._labels(number, suffix)].setdefault(ts, 0.0)
        return began

    def _announce(
        self, samples: dict[bytes, _Samples], name: str, ts: int, rows: Mapping[int, RowsSent]
    ) -> None:
        """Add samples that tell which rows of coarser tiers were sent before."""
        for tier, sent in rows.items():
            labels = {TIER: str(tier), SINCE: str(sent.since), INSTANCE: self._instance}
            samples[packed_labels({"__name__": name, **labels})][ts] = float(sent.until)

    def _labels(self, number: int, suffix: str, bucket: int = -1, tier: int = FINE) -> bytes:
        key = (number, suffix, bucket, tier)
        packed = self._packed.get(key)
        if packed is None:
            metric, labels, _ = self._series[number]
            named = {engine_label(name): value for name, value in labels}
            named |= {"__name__": engine_name(metric, tier) + suffix, INSTANCE: self._instance}
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
