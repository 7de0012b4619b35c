"""A load run as a file: with its series, as a report, or its result alone."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from servescope.control import Control
from servescope.errors import ExportError
from servescope.findings.said_of_run import said_of_run
from servescope.formats.run_report import report_html
from servescope.formats.run_result import result_csv, result_json
from servescope.queries.context import ProcessContext
from servescope.queries.run_data import RunData, context_of_store, run_series
from servescope.records.load import TERMINAL_STATES
from servescope.run_files.archive import MEDIA_TYPE, SUFFIX, write_archive
from servescope.run_files.document import RunDocument
from servescope.run_files.imported import open_series
from servescope.run_files.span_store import minutes_of, write_span_store
from servescope.settings import load_settings
from servescope.store.sqlite.store import open_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.exports.order import RunExportOrder
    from servescope.records.load import LoadRun
    from servescope.store.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True)
class RunSource:
    """A run, and the store that has its seconds; None where there are none."""

    document: RunDocument
    store: SqliteStore | None


@dataclass(frozen=True, slots=True)
class RunFormat:
    """A format: the file's suffix, its media type, and what writes it."""

    suffix: str
    media_type: str
    write: Callable[[RunSource], Iterator[bytes]]


def run_format(name: str) -> RunFormat:
    """The format of this name. Raises ExportError, whose text lists those there are."""
    try:
        return RUN_FORMATS[name]
    except KeyError:
        known = ", ".join(RUN_FORMATS)
        raise ExportError(f"there is no format {name!r} of a load run; there are {known}") from None


def run_file_name(run: LoadRun, host: str, form: RunFormat) -> str:
    """A name with the host that measured the run, and its number there."""
    measured_at, number = (
        (host, run.id) if run.origin is None else (run.origin.host, run.origin.run_id)
    )
    named = "".join(one if one.isalnum() or one in "._-" else "-" for one in measured_at)[:80]
    return f"servescope_run-{number}_{named}.{form.suffix}"


def require_over(run: LoadRun | None, run_id: int) -> LoadRun:
    """The run when it can be exported. Raises ExportError when there is none, or it goes on."""
    if run is None:
        raise ExportError(f"there is no load run {run_id}")
    if run.state not in TERMINAL_STATES:
        raise ExportError(f"load run {run_id} is {run.state}: it can be exported when it is over")
    return run


def run_export_parts(order: RunExportOrder) -> Iterator[bytes]:
    """The bytes of the export, a minute of series at a time.

    Raises ExportError for what cannot be exported, StoreError when the store cannot be read.
    """
    form = run_format(order.format)
    folder = order.source.folder_with_store()
    with ExitStack() as opened:
        control = opened.enter_context(closing(Control(folder, read_only=True)))
        run = require_over(control.load_runs.by_id(order.run_id), order.run_id)
        store = open_read_only(folder) if run.origin is None else open_series(folder, run.origin)
        if store is not None:
            opened.enter_context(closing(store))
        yield from form.write(_source(run, store, order.source.instance))


def _source(run: LoadRun, store: SqliteStore | None, instance: str) -> RunSource:
    """The run under the name and number of the host that measured it."""
    if run.origin is None:
        host, exported_s = instance, time.time()
        missing = "the seconds of this run are not kept any more (SERVESCOPE_KEEP_1S_HOURS)"
    else:
        host, exported_s = run.origin.host, run.origin.exported_s
        missing = "the file that this run came from had no series"
        run = replace(run, id=run.origin.run_id, origin=None)
    if run.started_s is None:
        missing = "the run never began"
    document = RunDocument(run, host, exported_s, said_of_run(run))
    if store is not None and next(minutes_of(store, document.span), None) is not None:
        return RunSource(document, store)
    return RunSource(replace(document, without_series=missing), None)


def _write_file(source: RunSource) -> Iterator[bytes]:
    store, document = source.store, source.document
    if store is None:
        yield from write_archive(document, (), ())
        return
    yield from write_archive(document, store.known_series(), minutes_of(store, document.span))


def _write_report(source: RunSource) -> Iterator[bytes]:
    yield report_html(run_data(source)).encode()


def run_data(source: RunSource) -> RunData:
    """The run's data as its report shows them.

    Its seconds are asked in a store of their own, as they are where the run's file was opened: so
    the report is the same at both hosts, to the last bit of each sum.
    """
    document, store = source.document, source.store
    data = RunData(
        document.run,
        document.host,
        document.findings,
        None,
        document.without_series,
    )
    if store is None:
        return data
    with TemporaryDirectory(prefix="servescope-") as name, ExitStack() as opened:
        folder = Path(name)
        write_span_store(folder, store.known_series(), minutes_of(store, document.span))
        span_store = opened.enter_context(closing(open_read_only(folder)))
        control = opened.enter_context(closing(Control(folder, read_only=True)))
        process = ProcessContext(
            span_store,
            control,
            load_settings(),
            is_leader=lambda: False,
            leader_pid=lambda: None,
            problems=tuple,
        )
        context = context_of_store(process, span_store, document.host)
        return replace(data, series=run_series(context, document.run))


RUN_FORMATS: Final = {
    SUFFIX: RunFormat(SUFFIX, MEDIA_TYPE, _write_file),
    "html": RunFormat("html", "text/html; charset=utf-8", _write_report),
    "csv": RunFormat(
        "csv",
        "text/csv; charset=utf-8",
        lambda source: iter([result_csv(source.document).encode()]),
    ),
    "json": RunFormat(
        "json",
        "application/json",
        lambda source: iter([result_json(source.document).encode()]),
    ),
}
"""By name, in the order of the menu."""
