"""Exported rows as CSV, JSON and Parquet, a part at a time.

- CSV (RFC 4180) with a header; labels are a JSON object in one field.
- JSON: one array of objects.
- Parquet: time as a UTC timestamp, metric, unit, labels and statistic as dictionaries.

Times are the starts of steps, ISO 8601 in UTC.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from servescope.queries.export import Rows

COLUMNS: Final = ("time", "metric", "unit", "labels", "statistic", "value")


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A format: how it is called, its media type, and what writes it."""

    name: str  # also the file's suffix
    media_type: str
    write: Callable[[Iterable[Rows]], Iterator[bytes]]


def table_format(name: str) -> TableFormat:
    """The format of this name. Raises ExportError, whose text lists those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise ExportError(f"there is no format {name!r}; there are {', '.join(FORMATS)}") from None


def write_csv(parts: Iterable[Rows]) -> Iterator[bytes]:
    """CSV as RFC 4180 describes it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for part in parts:
        metric, unit, statistic = part.metric.name, part.unit, part.statistic
        writer.writerows(
            (time, metric, unit, labels, statistic, value)
            for labels, line in _lines(part)
            for time, value in line
        )
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def write_json(parts: Iterable[Rows]) -> Iterator[bytes]:
    """One array of objects, a row each."""
    before = "[\n"
    for part in parts:
        named = json.dumps({"metric": part.metric.name, "unit": part.unit})[1:-1]
        statistic = json.dumps(part.statistic)
        told = [
            f'{{"time":"{time}",{named},"labels":{labels},"statistic":{statistic},"value":{value!r}}}'
            for labels, line in _lines(part)
            for time, value in line
        ]
        if told:
            yield (before + ",\n".join(told)).encode()
            before = ",\n"
    yield b"\n]\n" if before != "[\n" else b"[]\n"


def write_parquet(parts: Iterable[Rows]) -> Iterator[bytes]:
    """Parquet, a row group for each part."""
    # Imported here: it costs a process 40 MB, and few ever export.
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.dictionary(pa.int32(), pa.string())
    types = (pa.timestamp("ms", tz="UTC"), word, word, word, word, pa.float64())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    outlet = _Outlet()
    with pq.ParquetWriter(outlet, schema, compression="zstd") as writer:
        for part in parts:
            series, at = np.nonzero(~np.isnan(part.values))
            if not series.size:
                continue
            labels = pa.DictionaryArray.from_arrays(
                pa.array(series, pa.int32()), [_labels(one) for one in part.labels]
            )
            names = (part.metric.name, part.unit, part.statistic)
            metric, unit, statistic = (
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(series.size, np.int32)), [name])
                for name in names
            )
            times = pa.array(part.times[at] * 1000, pa.timestamp("ms", tz="UTC"))
            values = pa.array(part.values[series, at])
            columns = [times, metric, unit, labels, statistic, values]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield outlet.taken()
    yield outlet.taken()


class _Outlet(io.RawIOBase):
    """A file that is only written to, and emptied as it grows."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._blocks.append(block)
        self._written += len(block)
        return len(block)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        """What was written since the last time."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def _lines(part: Rows) -> Iterator[tuple[str, Iterator[tuple[str, float]]]]:
    """Each series: its labels as JSON, and time and value of each row it has."""
    times = np.datetime_as_string(part.times.astype("datetime64[s]"), timezone="UTC")
    for labels, values in zip(part.labels, part.values, strict=True):
        there = np.flatnonzero(~np.isnan(values))
        yield _labels(labels), zip(times[there].tolist(), values[there].tolist(), strict=True)


def _labels(labels: Any) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":"))


FORMATS: Final = {
    one.name: one
    for one in (
        TableFormat("csv", "text/csv; charset=utf-8", write_csv),
        TableFormat("json", "application/json", write_json),
        TableFormat("parquet", "application/vnd.apache.parquet", write_parquet),
    )
}
