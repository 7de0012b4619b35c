"""Exported rows as CSV, JSON and Parquet, a part at a time.

- CSV (RFC 4180) with a header; labels are a JSON object in one field.
- JSON: one array of objects.
- Parquet: time as a UTC timestamp, metric, unit, labels and statistic as dictionaries.

Times are the starts of steps, ISO 8601 in UTC. Each part becomes one `DataFrame` of at most
`ROWS_AT_ONCE` rows, whatever the format. pandas is imported by the first export of a process: the
dashboard, which checks the name of a format here, never loads it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.errors import ExportError
from servescope.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

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
    header = True
    for part in parts:
        text = _with_iso_times(part).to_csv(index=False, header=header, lineterminator="\r\n")
        header = False
        yield text.encode()
    if header:
        yield (",".join(COLUMNS) + "\r\n").encode()


def write_json(parts: Iterable[Rows]) -> Iterator[bytes]:
    """One array of objects, a row each.

    The text is made here: `DataFrame.to_json` keeps 15 digits of a number, and some need 17.
    """
    before = "[\n"
    for part in parts:
        named = json.dumps({"metric": part.metric.name, "unit": part.unit})[1:-1]
        statistic = json.dumps(part.statistic)
        table = _with_iso_times(part)
        told = [
            f'{{"time":"{time}",{named},"labels":{labels},"statistic":{statistic},"value":{value!r}}}'
            for time, labels, value in zip(
                *(table[name].tolist() for name in ("time", "labels", "value")), strict=True
            )
        ]
        if told:
            yield (before + ",\n".join(told)).encode()
            before = ",\n"
    yield b"\n]\n" if before != "[\n" else b"[]\n"


def write_parquet(parts: Iterable[Rows]) -> Iterator[bytes]:
    """Parquet, a row group for each part.

    `DataFrame.to_parquet` writes a whole file at once; pyarrow, which it stands on, appends.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.dictionary(pa.int32(), pa.string())
    types = (pa.timestamp("ms", tz="UTC"), word, word, word, word, pa.float64())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    outlet = WriteBuffer()
    with pq.ParquetWriter(outlet, schema, compression="zstd") as writer:
        for part in parts:
            table = _with_timestamps(part)
            if table.empty:
                continue
            rows = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
            writer.write_table(rows.replace_schema_metadata(None))
            yield outlet.taken()
    yield outlet.taken()


def _with_timestamps(part: Rows) -> pd.DataFrame:
    """The part's rows, times as timestamps in UTC."""
    import pandas as pd

    return _table(part, pd.to_datetime(part.times, unit="s", utc=True).as_unit("ms"))


def _with_iso_times(part: Rows) -> pd.DataFrame:
    """The part's rows, times as ISO 8601: each is spelled once, however many rows it has."""
    import pandas as pd

    texts = np.datetime_as_string(part.times.astype("datetime64[s]"), timezone="UTC")
    return _table(part, pd.Index(texts, dtype=object))


def _table(part: Rows, times: pd.Index) -> pd.DataFrame:
    """COLUMNS of the figures that were measured, series by series.

    `times` (T,) are the part's steps as the rows are to show them. Columns of repeated texts are
    categorical.
    """
    import pandas as pd

    series, step = np.nonzero(~np.isnan(part.values))

    def repeated(text: str) -> pd.Categorical[str]:
        return pd.Categorical.from_codes(np.zeros(series.size, np.int32), pd.Index([text]))

    labels = pd.Index([_labels(one) for one in part.labels], dtype=str)
    columns = (
        times[step],
        repeated(part.metric.name),
        repeated(part.unit),
        pd.Categorical.from_codes(series, labels),
        repeated(part.statistic),
        part.values[series, step],  # noqa: PD011 - an array of ours
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


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
