"""The archive: written as a stream, read with every bound checked before anything is believed.

Members, in this order: `run.json`, `histogram.json`, `series.json` (the series that the store knew,
in its order) and `series.parquet` (their values); without series the last two are absent.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from servescope.catalog import BY_NAME, Kind
from servescope.errors import RunFileError
from servescope.histogram import EDGES, SCHEMA
from servescope.run_files import series_table
from servescope.run_files.document import RunDocument, histogram_from_json
from servescope.store.base import SeriesKey
from servescope.write_buffer import WriteBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from servescope.store.base import Frame

SUFFIX: Final = "servescope"
MEDIA_TYPE: Final = "application/vnd.servescope.run+zip"
MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a run file: as many as a request to the bundled server may have."""

MOST_SERIES: Final = 100_000
RUN: Final = "run.json"
HISTOGRAM: Final = "histogram.json"
SERIES: Final = "series.json"
_MOST_UNPACKED: Final = {
    RUN: 16 * 1024 * 1024,
    HISTOGRAM: 64 * 1024,
    SERIES: 16 * 1024 * 1024,
    series_table.MEMBER: MOST_BYTES,
}
"""Bytes of each member that there may be."""

_KNOWN_COMPRESSION: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED: Final = 0x1
_BLOCK_BYTES: Final = 65_536

KnownSeries = tuple[SeriesKey, Kind]


def write_archive(
    document: RunDocument,
    series: Sequence[KnownSeries],
    minutes: Iterable[list[Frame]],
) -> Iterator[bytes]:
    """The bytes of a run file, a minute of series at a time.

    The same run gives the same bytes: the times within are those of the run.
    """
    outlet = WriteBuffer()
    moment = datetime.fromtimestamp(document.run.requested_s, UTC).timetuple()[:6]
    moment = max(moment, (1980, 1, 1, 0, 0, 0))  # where the time of zip begins
    with zipfile.ZipFile(outlet, "w") as archive:

        def put(name: str, value: Any) -> None:
            member = zipfile.ZipInfo(name, moment)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, json.dumps(value, ensure_ascii=False))

        put(RUN, document.to_json())
        counts = document.run.result.get("histogram")
        if counts:
            put(HISTOGRAM, {"schema": SCHEMA, "upper_edges_s": EDGES.tolist(), "counts": counts})
        if not document.without_series:
            put(SERIES, [_series_json(key, kind) for key, kind in series])
            # Stored: Parquet is compressed by itself.
            member = zipfile.ZipInfo(series_table.MEMBER, moment)
            with archive.open(member, "w") as file:
                for _ in series_table.write_table(minutes, file):
                    yield outlet.taken()
    yield outlet.taken()


def _series_json(key: SeriesKey, kind: Kind) -> dict[str, Any]:
    return {"metric": key.metric, "kind": kind.value, "labels": dict(key.labels)}


class RunFile:
    """An open run file whose JSON was checked."""

    def __init__(
        self, document: RunDocument, series: Sequence[KnownSeries], table: Path | None
    ) -> None:
        self.document = document
        self.series = series
        self._table = table

    def minutes(self) -> Iterator[list[Frame]]:
        """The frames, a minute or less at a time. Raises RunFileError."""
        if self._table is None:
            return
        by_name = {
            (key.metric, series_table.labels_text(key)): (key, kind) for key, kind in self.series
        }
        yield from series_table.read_table(self._table, self.document.span, by_name)


@contextmanager
def open_run_file(path: Path) -> Iterator[RunFile]:
    """Open a run file, whoever wrote it.

    Raises RunFileError with a sentence for a file that is too large, is no zip archive, unpacks to
    more than it may, has a member that no run file has or lacks one, fails a checksum, or does not
    hold what it should.
    """
    with ExitStack() as opened:
        try:
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise RunFileError(
                    f"the file has {size:,} bytes; a run file has at most {MOST_BYTES:,}"
                )
            archive = opened.enter_context(zipfile.ZipFile(path))
            folder = opened.enter_context(TemporaryDirectory())
            file = _open(archive, Path(folder))
        except zipfile.BadZipFile:
            raise RunFileError(
                "this is no run file: it is not a zip archive, or was cut off"
            ) from None
        except OSError as error:
            raise RunFileError(f"the file cannot be read: {error.strerror or error}") from error
        yield file


def _open(archive: zipfile.ZipFile, folder: Path) -> RunFile:
    _check_members(archive.infolist())
    names = set(archive.namelist())
    if RUN not in names:
        raise RunFileError(f"this is no run file: the archive lacks {RUN}")
    histogram = histogram_from_json(_json(archive, HISTOGRAM)) if HISTOGRAM in names else None
    document = RunDocument.from_json(_json(archive, RUN), histogram)
    if document.run.result and histogram is None:
        raise RunFileError(f"the archive lacks {HISTOGRAM}")
    if document.without_series:
        return RunFile(document, (), None)
    for name in (SERIES, series_table.MEMBER):
        if name not in names:
            raise RunFileError(f"the archive lacks {name}")
    series = _series(_json(archive, SERIES))
    table = folder / series_table.MEMBER
    with table.open("wb") as file:
        file.writelines(_blocks(archive, series_table.MEMBER))
    return RunFile(document, series, table)


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.filename
        most = _MOST_UNPACKED.get(name)
        if most is None:
            raise RunFileError(f"the archive has a member {name[:80]!r}, which no run file has")
        if name in seen:
            raise RunFileError(f"the archive has {name} twice")
        seen.add(name)
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _KNOWN_COMPRESSION:
            raise RunFileError(f"{name} is encrypted, or compressed as no run file is")
        if member.file_size > most:
            raise RunFileError(
                f"{name} unpacks to {member.file_size:,} bytes; it may have at most {most:,}"
            )


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The bytes of a member, as many as it may have, whatever the archive says of its size."""
    left = _MOST_UNPACKED[name]
    try:
        with archive.open(name) as file:
            while block := file.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise RunFileError(f"{name} unpacks to more than it may")
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise RunFileError(f"{name} is damaged: its checksum does not fit") from None


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        return json.loads(b"".join(_blocks(archive, name)))
    except (ValueError, RecursionError):
        raise RunFileError(f"{name} is not JSON") from None


def _series(values: Any) -> list[KnownSeries]:
    if not isinstance(values, list) or len(values) > MOST_SERIES:
        raise RunFileError(f"{SERIES} is no list of at most {MOST_SERIES:,} series")
    try:
        found = [_one_series(one) for one in values]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunFileError(f"{SERIES} has an entry that is no series") from None
    if len({key for key, _ in found}) < len(found):
        raise RunFileError(f"{SERIES} has a series twice")
    return found


def _one_series(values: Any) -> KnownSeries:
    metric, kind, labels = values["metric"], Kind(values["kind"]), values["labels"]
    if not isinstance(metric, str) or not all(isinstance(one, str) for one in labels.values()):
        raise ValueError(metric)
    if metric in BY_NAME and BY_NAME[metric].kind is not kind:
        raise ValueError(metric)
    return SeriesKey(metric, tuple(sorted(labels.items()))), kind
