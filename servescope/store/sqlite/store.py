"""The store on one SQLite file (WAL), for one host: no server, nothing to operate.

One process writes (the leader), any number read, each through its own connections. See `schema` for
the tables, `codec` for the blobs, `rollup` and `retention` for the tiers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from servescope.catalog import Kind
from servescope.errors import ServescopeError, StoreError, StoreFullError
from servescope.histogram import ERROR_BOUND
from servescope.records.dashboard import EventKind
from servescope.store.base import Capabilities
from servescope.store.codec.chunks import ChunkCache
from servescope.store.codec.envelope import ROWS
from servescope.store.results import (
    HeatmapResult,
    QuantileResult,
    RangeResult,
    RequestColumns,
    TotalResult,
)
from servescope.store.sqlite import aggregation as operations
from servescope.store.sqlite import frames, request_details, rollup
from servescope.store.sqlite.aggregation import Scan
from servescope.store.sqlite.database import Database, record_event
from servescope.store.sqlite.open_seconds import SecondWriter
from servescope.store.sqlite.read_only import ReadOnlyDatabase
from servescope.store.sqlite.reading import Source
from servescope.store.sqlite.retention import drop_expired, make_room, newest_minute
from servescope.store.sqlite.ring_cursors import RingCursors
from servescope.store.sqlite.segments import bounds, choose_tier, split_by_tier
from servescope.store.sqlite.series import SeriesIndex, SeriesWriter, all_series
from servescope.store.steps import Steps
from servescope.store.tiers import TEN_MINUTES, Retention

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from servescope.records.requests import RequestDetail
    from servescope.store.base import Batch, Frame, KeptDetails, SeriesKey
    from servescope.store.query import Aggregation, Query

T = TypeVar("T")

_ATTEMPTS_TO_MAKE_ROOM: Final = 16
REQUESTS_PER_MIB: Final = 1_000
"""Request details kept for each MiB of the budget at most: a fifth of it, seldom a third."""


class SqliteStore:
    """`Store` on the file `servescope.sqlite3` in `folder`, at most `size_mib` MiB.

    `retention` says for how long each tier is kept, room permitting.

    Raises DataFolderError when the folder cannot be used, StoreVersionError when a newer Servescope
    wrote the file. A file that is no database is set aside under a new name. `read_only` changes
    nothing in the folder, whatever is found there (see `read_only.ReadOnlyDatabase`).
    """

    def __init__(
        self,
        folder: Path,
        size_mib: int = 512,
        retention: Retention | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.retention = retention or Retention()
        self._details_kept = min(self.retention.requests, size_mib * REQUESTS_PER_MIB)
        self._db = ReadOnlyDatabase(folder) if read_only else Database(folder, size_mib)
        self._writer = SeriesWriter()
        self._seconds = SecondWriter()
        self._cursors = RingCursors()
        self._index = SeriesIndex()
        self._cache = ChunkCache()
        self._cache_generation = self._db.generation
        self._rolled_up_before: int | None = None
        self._is_shrinking = self._db.is_over_budget()
        self._damaged: set[tuple[int, int]] = set()
        self._damaged_in_write: list[tuple[int, int]] = []

    @property
    def path(self) -> Path:
        """The database file."""
        return self._db.path

    @property
    def damaged_spans(self) -> int:
        """The number of seconds and chunks that failed their checksum and are shown as gaps."""
        return len(self._damaged)

    def write(self, batch: Batch) -> None:
        """Commit the batch; when the size budget is used up, the oldest data makes room for it."""
        for _ in range(_ATTEMPTS_TO_MAKE_ROOM):
            try:
                newest = self._db.write(lambda connection: self._put(connection, batch), news=False)
            except StoreFullError:
                if not self._db.write(make_room):
                    raise
            else:
                self._writer.committed()
                self._cursors.committed()
                self._damaged.update(self._damaged_in_write)
                if newest is not None:
                    self._rolled_up_before = newest // ROWS
                if self._is_shrinking:
                    self._shrink()
                return
        raise StoreFullError(f"no room left in {self.path} for one second of data")

    def cursors(self) -> dict[str, int]:
        """The cursor of each ring, as last committed."""
        return self._db.read(self._cursors.read)

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""
        return self._db.read(bounds)

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""
        return self._db.read(
            lambda connection: self._index.keys(connection, self._db.generation, metric)
        )

    def aggregate(self, query: Query, aggregation: Aggregation) -> RangeResult:
        """Values over time."""
        return self._over_time(
            query, lambda scan: operations.aggregate(scan, aggregation), RangeResult.empty
        )

    def mean(self, query: Query) -> RangeResult:
        """Mean in seconds of a histogram's values."""
        return self._over_time(query, operations.mean, RangeResult.empty)

    def quantiles(self, query: Query, qs: Sequence[float]) -> QuantileResult:
        """Quantiles of merged histograms."""
        return self._over_time(
            query,
            lambda scan: operations.quantiles(scan, qs),
            lambda steps: QuantileResult.empty(steps, len(qs)),
        )

    def heatmap(self, query: Query) -> HeatmapResult:
        """Counts by bucket over time."""
        return self._over_time(query, operations.heatmap, HeatmapResult.empty)

    def total(self, query: Query) -> TotalResult:
        """One figure for the whole span, from the coarsest tier that has it."""

        def ask(source: Source) -> TotalResult:
            scan = self._scan(source, query, TEN_MINUTES, query.steps)
            return TotalResult.empty() if scan is None else operations.total(scan)

        return self._ask(ask)

    def request_details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """The newest request details with an id above `after_id`, newest first, with their ids."""
        return self._db.read(lambda connection: request_details.newest(connection, limit, after_id))

    def request_detail(self, detail_id: int) -> RequestDetail | None:
        """One request detail, None when it is not kept."""
        return self._db.read(lambda connection: request_details.by_id(connection, detail_id))

    def request_detail_of_trace(self, trace_id: str) -> int | None:
        """The id of the newest detail of a trace, None while there is none."""
        return self._db.read(lambda connection: request_details.id_of_trace(connection, trace_id))

    def kept_request_details(self) -> KeptDetails | None:
        """The request details that are kept, None when there are none."""
        return self._db.read(request_details.kept)

    def request_columns(self, start_s: int, end_s: int, limit: int) -> RequestColumns:
        """The details of requests that ended in `[start_s, end_s)`: at most the `limit` newest."""
        return self._db.read(
            lambda connection: request_details.columns(connection, start_s, end_s, limit)
        )

    def request_details_by_ids(self, ids: Sequence[int]) -> list[tuple[int, RequestDetail]]:
        """The details of these ids, in their order; those that are not kept are left out."""
        return self._db.read(lambda connection: request_details.by_ids(connection, ids))

    def version(self) -> int:
        """The same number in every process, until something is committed."""
        return self._db.version()

    def capabilities(self) -> Capabilities:
        """Exact counts, visible at once."""
        return Capabilities("sqlite", 0.0, ERROR_BOUND)

    def known_series(self) -> list[tuple[SeriesKey, Kind]]:
        """Every series that ever had a value, in the order in which they came."""
        return self._db.read(lambda connection: list(all_series(connection).values()))

    def number_series(self, keys: Sequence[tuple[SeriesKey, Kind]]) -> None:
        """Know these series, in this order, before they have values.

        Figures of several series are added in their order, and the last bit of a sum depends on it.
        """

        def number(connection: sqlite3.Connection) -> None:
            self._writer.begin(self._db.generation)
            for key, kind in keys:
                self._writer.number(connection, kind, key)

        self._db.write(number)
        self._writer.committed()

    def frames(self, start: int, end: int) -> list[Frame]:
        """The frames of `[start, end)`, of the seconds that are still kept singly."""
        return self._ask(lambda source: frames.frames(source.connection, source.cache, start, end))

    def forget_decoded(self) -> None:
        """Drop the cache of decoded chunks, as a new process begins without one."""
        self._cache.clear()

    def close(self) -> None:
        """Close every connection."""
        self._db.close()

    def _ask(self, ask: Callable[[Source], T]) -> T:
        found: list[tuple[int, int]] = []

        def on_snapshot(connection: sqlite3.Connection) -> T:
            if self._cache_generation != self._db.generation:
                self._cache.clear()
                self._cache_generation = self._db.generation
            source = Source(connection, self._cache, lambda tier, ts: found.append((tier, ts)))
            return ask(source)

        answer = self._db.read(on_snapshot)
        if found:
            self._record_damage_found(found)
        return answer

    def _over_time(
        self, query: Query, operation: Callable[[Scan], T], nothing: Callable[[Steps], T]
    ) -> T:
        """Answer in steps; with `nothing` when no series is selected, or no step."""

        def ask(source: Source) -> T:
            tier, step = choose_tier(source.connection, query)
            steps = Steps(query.start, query.end, step)
            scan = self._scan(source, query, tier, steps)
            return nothing(steps) if scan is None else operation(scan)

        return self._ask(ask)

    def _scan(self, source: Source, query: Query, tier: int, steps: Steps) -> Scan | None:
        connection = source.connection
        selection = self._index.select(connection, self._db.generation, query)
        if selection is None or not len(steps):
            return None
        segments = split_by_tier(connection, tier, query.start, query.end)
        return Scan(query, source, selection, segments, steps)

    def _put(self, connection: sqlite3.Connection, batch: Batch) -> int | None:
        """Within a transaction; the newest second of the batch, None when it has none."""
        generation = self._db.generation
        self._writer.begin(generation)
        self._cursors.stage(connection, generation, batch.cursors, batch.dropped_rings)
        self._damaged_in_write.clear()
        carried = len(batch.frames) == 1 and not batch.dropped_rings
        for frame in batch.frames:
            row = (
                self._writer.pack(connection, Kind.GAUGE, frame.gauges),
                self._writer.pack(connection, Kind.COUNTER, frame.counts),
                self._writer.pack(connection, Kind.HISTOGRAM, frame.histograms),
            )
            carried = carried and self._seconds.put_newest(
                connection, frame.ts, row, self._cursors.carried()
            )
            if not carried:
                self._seconds.put(connection, frame.ts, row, self._meet_damage)
        if not carried:
            self._cursors.keep(connection, batch.dropped_rings)
        if batch.request_details:
            request_details.insert(connection, batch.request_details, self._details_kept)
        newest = max([frame.ts for frame in batch.frames]) if batch.frames else None
        if newest is not None and self._rolled_up_before != newest // ROWS:
            before = newest_minute(connection)
            rollup.roll_up(connection, newest, self._meet_damage)
            drop_expired(connection, newest, before, self.retention)
        if self._damaged_in_write:
            _record_damage(connection, self._damaged_in_write)
        return newest

    def _meet_damage(self, tier: int, ts: int) -> None:
        self._damaged_in_write.append((tier, ts))

    def _shrink(self) -> None:
        """One step towards a budget that was set lower than the file is large.

        Free pages are given back before more data is dropped for them. The last step says so.
        """
        # It needs room, and the file's lock: the next write goes on. The batch is committed: an
        # error would have it written again.
        with suppress(StoreError):
            if not self._db.is_over_budget():
                self._is_shrinking = False
                text = "The store outgrew its budget, which was lowered: its oldest data is gone."
                self._db.write(lambda connection: record_event(connection, text))
            elif not self._db.shrink():
                self._is_shrinking = self._db.write(make_room)

    def _record_damage_found(self, found: list[tuple[int, int]]) -> None:
        """Leave an event for each damaged blob that none was left for yet."""
        if self._damaged.issuperset(found):
            return
        with suppress(ServescopeError):  # no room for an event: the next reading tries again
            self._db.write(lambda connection: _record_damage(connection, found))
            self._damaged.update(found)


def open_store(
    folder: Path, size_mib: int = 512, retention: Retention | None = None
) -> SqliteStore:
    """Open the store in `folder`, which is made when missing; raises what SqliteStore raises."""
    return SqliteStore(folder, size_mib, retention)


def open_read_only(folder: Path) -> SqliteStore:
    """Open the store in `folder` without a change to anything there.

    Raises DataFolderError when there is none or it cannot be read, StoreCorruptError when it is no
    database, StoreVersionError when its schema is not this version's.
    """
    return SqliteStore(folder, read_only=True)


def _record_damage(connection: sqlite3.Connection, found: Sequence[tuple[int, int]]) -> None:
    for tier, ts in found:
        text = f"Stored data is damaged and shown as a gap (tier {tier} s, epoch second {ts})."
        connection.execute(
            "INSERT INTO event (kind, start_s, text) SELECT :kind, :ts, :text WHERE NOT EXISTS"
            " (SELECT 1 FROM event WHERE kind = :kind AND start_s = :ts AND text = :text)",
            {"kind": EventKind.STORE, "ts": ts, "text": text},
        )
