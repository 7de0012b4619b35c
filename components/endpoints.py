"""URLs for programs, beside the pages for people: `/metrics` and `/export`."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Response, request

from components import access
from servescope.errors import ExportError
from servescope.exports.order import ExportOrder
from servescope.exports.process import ExportProcesses
from servescope.exports.writing import ExportSource
from servescope.formats.exposition_text import TextFormat, render
from servescope.formats.negotiation import choose
from servescope.formats.tables import table_format
from servescope.queries.export import check_host, wanted
from servescope.queries.scrape import FRESH_S, Totals

if TYPE_CHECKING:
    from flask import Flask

_OFFERS: Final = tuple(form.value for form in TextFormat)
_EXPORT_ARGUMENTS: Final = frozenset({"metric", "from", "to", "step", "format", "title", "host"})


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

    Raises ExportError for what cannot be exported, ExportFailedError for what failed.
    """
    asked = request.args
    unknown = sorted(set(asked) - _EXPORT_ARGUMENTS)
    if unknown:
        known = ", ".join(sorted(_EXPORT_ARGUMENTS))
        raise ExportError(f"unknown {', '.join(unknown)}; known are {known}")
    form = table_format(asked.get("format", "csv"))
    process, host = access.context().process, asked.get("host", "")
    check_host(host, None if process.fleet is None else [one.name for one in process.hosts()])
    store = process.of_host(host).store
    found = wanted(
        store,
        asked.getlist("metric"),
        asked.get("from"),
        asked.get("to"),
        asked.get("step"),
        asked.get("title", ""),
        host,
    )
    source = ExportSource.of_settings(process.settings, host)
    is_head = request.method == "HEAD"
    body = () if is_head else exports.start(ExportOrder.of(source, found, form.name))
    response = Response(body, content_type=form.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{found.file_name(form.name)}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(text: str, status: HTTPStatus) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "no-store"
    return response
