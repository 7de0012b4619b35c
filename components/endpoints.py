"""URLs beside the pages: `/metrics` and `/export` for programs, and load runs as files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Response, request

from components import access
from servescope.errors import ExportError
from servescope.exports.order import ExportOrder, RunExportOrder
from servescope.exports.process import ExportProcesses
from servescope.exports.run_writing import require_over, run_file_name, run_format
from servescope.exports.writing import ExportSource
from servescope.formats.exposition_text import TextFormat, render
from servescope.formats.negotiation import choose
from servescope.formats.tables import table_format
from servescope.queries import run_data, runs
from servescope.queries.export import check_host, wanted
from servescope.queries.scrape import FRESH_S, Totals
from servescope.run_files.archive import MOST_BYTES, SUFFIX
from servescope.run_files.imported import store_folder

if TYPE_CHECKING:
    from flask import Flask

    from servescope.store.base import Store

_OFFERS: Final = tuple(form.value for form in TextFormat)
_EXPORT_ARGUMENTS: Final = frozenset(
    {"metric", "from", "to", "step", "format", "title", "host", "run"}
)


def connect(flask: Flask) -> None:
    """Register the endpoints: once for each app. `guard` answers with the errors they raise."""
    totals = Totals()
    exports = ExportProcesses()

    @flask.get("/metrics")
    def metrics() -> Response:
        return scrape(totals)

    @flask.get("/export")
    def export() -> Response:
        return download(exports)

    @flask.get("/runs/<int(max=9007199254740991):run_id>/export")
    def export_run(run_id: int) -> Response:
        return download_run(exports, run_id)

    @flask.post("/runs/open")
    def open_run() -> Response:
        return open_run_file()


def scrape(totals: Totals) -> Response:
    """The newest figures in the format the scraper prefers; 406 when it takes neither."""
    chosen = choose(request.headers.get("Accept"), _OFFERS)
    if chosen is None:
        return _vary(_told("Available: " + ", ".join(_OFFERS), HTTPStatus.NOT_ACCEPTABLE))
    context = access.context().process.local  # a scraper asks this host, an engine may lag behind
    now = time.time()
    newest = context.newest()
    is_fresh = newest is not None and now - (newest + 1) < FRESH_S
    families = context.snapshots.get(("families", is_fresh), lambda: totals.families(context, now))
    form = TextFormat(chosen)
    text = context.snapshots.get(("metrics", form, is_fresh), lambda: render(families, form))
    return _vary(Response(text, content_type=chosen))


def download(exports: ExportProcesses) -> Response:
    """`?metric=…&from=…&to=…&step=…&format=csv|json|parquet&host=…`, made by a process of its own.

    With `run=…` of a load run that was opened from a file: the figures that came in it. Raises
    ExportError for what cannot be exported, ExportFailedError for what failed.
    """
    asked = request.args
    unknown = sorted(set(asked) - _EXPORT_ARGUMENTS)
    if unknown:
        known = ", ".join(sorted(_EXPORT_ARGUMENTS))
        raise ExportError(f"unknown {', '.join(unknown)}; known are {known}")
    form = table_format(asked.get("format", "csv"))
    figures = _figures_of(asked.get("host", ""), asked.get("run", ""))
    found = wanted(
        figures.store,
        asked.getlist("metric"),
        asked.get("from"),
        asked.get("to"),
        asked.get("step"),
        figures.title or asked.get("title", ""),
        figures.host,
    )
    is_head = request.method == "HEAD"
    body = () if is_head else exports.start(ExportOrder.of(figures.source, found, form.name))
    response = Response(body, content_type=form.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{found.file_name(form.name)}"'
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of an export: the store that its process opens, the same one as it is open here.

    `host` measured them, "" this one; `title` is for the file's name, if it is not the page's.
    """

    source: ExportSource
    store: Store
    host: str
    title: str = ""


def _figures_of(host: str, run_id: str) -> _Figures:
    """The figures of a host, or those of a load run: of an opened one in a store of its own.

    Raises ExportError when they cannot be had.
    """
    process = access.context().process
    check_host(host, None if process.fleet is None else [one.name for one in process.hosts()])
    here, settings = process.of_host(host), process.settings
    source = ExportSource.of_settings(settings, host)
    if not run_id:
        return _Figures(source, here.store, host)
    number = runs.run_id(run_id)
    run = process.control.load_runs.by_id(number) if number else None
    if run is None:
        raise ExportError(f"there is no load run {run_id[:20]}")
    if run.origin is None:
        return _Figures(source, here.store, host, f"run-{run.id}")
    opened = run_data.run_context(here, run)
    if opened is None:
        raise ExportError(
            f"load run {run.id} has no series: its file had none, or they are gone from the data "
            "folder"
        )
    origin = run.origin
    source = ExportSource.of_folder(store_folder(settings.data_dir, origin), origin.host)
    return _Figures(source, opened.store, origin.host, f"run-{origin.run_id}")


def download_run(exports: ExportProcesses, run_id: int) -> Response:
    """`?format=servescope|html|csv|json` of a load run that is over, made by a process of its own.

    Raises ExportError for what cannot be exported, ExportFailedError for what failed.
    """
    unknown = sorted(set(request.args) - {"format"})
    if unknown:
        raise ExportError(f"unknown {', '.join(unknown)}; known is format")
    form = run_format(request.args.get("format", SUFFIX))
    process = access.context().process
    run = require_over(process.control.load_runs.by_id(run_id), run_id)
    source = ExportSource.of_settings(process.settings, "")
    is_head = request.method == "HEAD"
    body = () if is_head else exports.start(RunExportOrder(source, run_id, form.suffix))
    response = Response(body, content_type=form.media_type)
    name = run_file_name(run, process.settings.instance, form)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def open_run_file() -> Response:
    """Add the run of the file that is the body; 201 with a sentence, and the run's number.

    Raises NotAllowedError, RunFileError for what is no run file, LoadRefusedError for one that is
    here already.
    """
    request.max_content_length = MOST_BYTES  # of this one request: others have the guard's bound
    run = access.dashboard().open_run_file(request.stream)
    origin = run.origin
    measured_at = origin.label if origin else "the file's run"
    response = _told(f"Opened {measured_at}: it is load run {run.id} here.", HTTPStatus.CREATED)
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(text: str, status: HTTPStatus) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "no-store"
    return response
