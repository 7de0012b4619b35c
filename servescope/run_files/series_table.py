"""Seconds as Parquet and back: a row for each series that had a value in a second.

Columns: `time` (UTC, the second's start), `metric`, `unit`, `labels` (a JSON object); `value`: a
gauge's reading or a counter's increase; of a histogram `count`, `sum_s` and its buckets in use,
`bucket` and `bucket_count` of the same length (`servescope.histogram`). A row group is at most a
minute. pyarrow is imported by the first table of a process.
"""

from __future__ import annotations

import json
import math
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from servescope.catalog import BY_NAME, Kind
from servescope.errors import RunFileError
from servescope.histogram import BUCKETS
from servescope.store.base import Frame, HistogramDelta, SeriesKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

MEMBER: Final = "series.parquet"
MOST_ROWS: Final = 4_000_000
"""Rows of a table; an hour of 1,000 series."""

MOST_GROUP_BYTES: Final = 128 * 1024 * 1024
"""Bytes of a minute before compression."""

_LONGEST_GROUP_S: Final = 60
_COLUMNS: Final = (
    "time",
    "metric",
    "unit",
    "labels",
    "value",
    "count",
    "sum_s",
    "bucket",
    "bucket_count",
)


def _schema() -> pa.Schema:
    import pyarrow as pa

    word = pa.dictionary(pa.int32(), pa.string())
    types = (
        pa.timestamp("ms", tz="UTC"),
        word,
        word,
        word,
        pa.float64(),
        pa.int64(),
        pa.float64(),
        pa.list_(pa.uint8()),
        pa.list_(pa.int64()),
    )
    return pa.schema(list(zip(_COLUMNS, types, strict=True)))


def write_table(minutes: Iterable[list[Frame]], outlet: IO[bytes]) -> Iterator[None]:
    """Write the frames of each minute as a row group; yields after each, and at the end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    with pq.ParquetWriter(outlet, schema, compression="zstd") as writer:
        for frames in minutes:
            rows = [row for frame in frames for row in _rows(frame)]
            if not rows:
                continue
            columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema=schema))
            yield
    yield


def _rows(frame: Frame) -> Iterator[tuple[Any, ...]]:
    time_ms = frame.ts * 1000
    for key, value in (*frame.gauges.items(), *frame.counts.items()):
        yield (time_ms, *_named(key), value, None, None, None, None)
    for key, delta in frame.histograms.items():
        used = np.flatnonzero(delta.counts)
        counts = delta.counts[used].tolist()
        yield (time_ms, *_named(key), None, sum(counts), delta.sum_s, used.tolist(), counts)


def _named(key: SeriesKey) -> tuple[str, str, str]:
    metric = BY_NAME.get(key.metric)
    return key.metric, metric.unit if metric else "", labels_text(key)


def labels_text(key: SeriesKey) -> str:
    """The labels of a series as the table has them."""
    return json.dumps(dict(key.labels), ensure_ascii=False, separators=(",", ":"))


def read_table(
    path: Path, span: tuple[int, int], series: Mapping[tuple[str, str], tuple[SeriesKey, Kind]]
) -> Iterator[list[Frame]]:
    """The frames of each row group, of metrics that this Servescope knows.

    `series`: those there are, by the names of metric and labels. Raises RunFileError for what is no
    such table, or lies outside of `span`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_size(file.metadata)
            if not file.schema_arrow.equals(_schema()):
                raise RunFileError(f"{MEMBER} does not have the columns of a run file")
            for group in range(file.metadata.num_row_groups):
                table = file.read_row_group(group)
                table.validate(full=True)
                yield list(_frames(table, span, series))
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise RunFileError(f"{MEMBER} is damaged: {str(error).splitlines()[0]}") from None


def _check_size(metadata: Any) -> None:
    rows = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        columns = [group.column(at) for at in range(group.num_columns)]
        values = max((column.num_values for column in columns), default=0)
        bytes_in_all = sum(column.total_uncompressed_size for column in columns)
        rows += group.num_rows
        if not (0 <= rows <= MOST_ROWS and values <= MOST_ROWS):
            raise RunFileError(f"{MEMBER} has more than {MOST_ROWS:,} rows, the most of a run file")
        if bytes_in_all > MOST_GROUP_BYTES:
            raise RunFileError(
                f"{MEMBER} unpacks to more than {MOST_GROUP_BYTES // 1024**2} MiB a minute, the "
                "most of a run file"
            )


def _frames(
    table: pa.Table,
    span: tuple[int, int],
    series: Mapping[tuple[str, str], tuple[SeriesKey, Kind]],
) -> Iterator[Frame]:
    import pyarrow as pa

    columns = [table[name].to_pylist() for name in _COLUMNS[1:]]
    times = (table["time"].cast(pa.int64()).to_numpy() // 1000).tolist()
    found: dict[int, Frame] = {}
    for ts, metric, _unit, labels, value, count, sum_s, buckets, counts in zip(
        times, *columns, strict=True
    ):
        if ts is None or not span[0] <= ts < span[1]:
            raise RunFileError(f"{MEMBER} has a time that lies outside of the run")
        known = series.get((metric, labels))
        if known is None:
            raise RunFileError(f"{MEMBER} has a series that series.json does not name")
        if metric not in BY_NAME:
            continue
        key, kind = known
        frame = found.get(ts)
        if frame is None:
            frame = found[ts] = Frame(ts, {}, {}, {})
        if kind is Kind.HISTOGRAM:
            frame.histograms[key] = _delta(count, sum_s, buckets, counts)  # type: ignore[index]
        else:
            if value is None or not math.isfinite(value):
                raise RunFileError(f"{MEMBER} has no value where one belongs")
            of_kind = frame.gauges if kind is Kind.GAUGE else frame.counts
            of_kind[key] = value  # type: ignore[index]  # a dict: it was made here
    for ts in sorted(found):
        yield found[ts]


def _delta(count: Any, sum_s: Any, buckets: Any, counts: Any) -> HistogramDelta:
    if (
        count is None
        or sum_s is None
        or not math.isfinite(sum_s)
        or not buckets
        or counts is None
        or len(buckets) != len(counts)
        or max(buckets) >= BUCKETS
        or min(counts) < 0
        or sum(counts) != count
    ):
        raise RunFileError(f"{MEMBER} has a histogram that does not add up")
    dense = np.zeros(BUCKETS, np.int64)
    dense[buckets] = counts
    return HistogramDelta(dense, sum_s)
