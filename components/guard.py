"""The guard around every view: refusals, error answers, security headers, their log.

The fault of a client is an answer of 4xx and a line a minute of its kind. A fault of ours is 500
and its traceback, once a minute for each place that raises it.
"""

from __future__ import annotations

import logging
import re
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from dash import page_registry
from dash.exceptions import DependencyException, UnsupportedRelativePath
from flask import Flask, Response, g, make_response, redirect, request
from werkzeug.exceptions import HTTPException

from components import access, callback_requests, client
from components.callback_requests import CallbackRefusedError, StrictJSON
from components.delivery.security_headers import POLICY, media_directive, security_headers
from components.same_origin import refuse_foreign
from servescope.errors import ServescopeError
from servescope.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from types import TracebackType

    import dash

logger = logging.getLogger("servescope.requests")

_PAGE: Final = "<path:path>"
"""Dash's route for whatever has no other one."""

_PLACE: Final = re.compile("<.*?>")
_NOT_FOUND: Final = "not_found_404"
_LONGEST_PATH: Final = 200
LONGEST_BODY: Final = 1024 * 1024
"""Bytes of a request: a page's poll has a few thousand. A longer one is answered with 413."""

_ORDINARY: Final = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_ACCEPTABLE,
    HTTPStatus.CONFLICT,
}
"""Told, but no warning: a mistyped address, a tab from before an update."""


class GuardedFlask(Flask):
    """Flask whose traceback of one place is logged once a minute, not with each request."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
        self.config["DEBUG"] = False  # FLASK_DEBUG would pass errors by our handlers, to the server
        self.json = StrictJSON(self)
        self._faults = RateLimitedLog(logger)

    def log_exception(
        self,
        exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Log a fault of ours; Flask calls this for what no handler takes."""
        kind, error, place = exc_info
        last = traceback.extract_tb(place)[-1] if place else None
        where = (last.filename, last.lineno) if last else None
        self._faults.line(
            logging.ERROR,
            (kind, where),
            "failed to answer %s %s",
            request.method,
            _shown(request.path),
            exc_info=error,
        )


def connect(app: dash.Dash, flask: Flask, public_origin: str = "") -> None:
    """Put the guard around all views of the app: once for each app, when all are registered."""
    prefix = app.config.routes_pathname_prefix
    callbacks = prefix + callback_requests.CALLBACKS
    headers: dict[str, str] = {}
    refused = flask.extensions["refused"] = RateLimitedLog(logger)

    @flask.before_request
    def refuse_foreign_and_malformed() -> None:
        refuse_foreign(public_origin)
        if request.method == "POST" and request.path == callbacks:
            # Raises HTTPException for what is no JSON (400), no JSON by its own account (415), or
            # too long (413).
            callback_requests.check(request.get_json(), app.callback_map)

    @flask.after_request
    def add_headers(response: Response) -> Response:
        if not headers:
            # Only now are all callbacks known, and with them all inline scripts.
            headers.update(security_headers(app.csp_hashes()))
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if response.mimetype == "text/html":
            response.headers[POLICY] += media_directive(access.visitor())
        if HTTPStatus.BAD_REQUEST <= response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            _note(refused, response)
        return response

    flask.register_error_handler(CallbackRefusedError, _callback_refused)
    flask.register_error_handler(HTTPException, _http_error)
    flask.register_error_handler(ServescopeError, _trouble)
    # Files that no page asks for, and paths outside the prefix of our pages.
    flask.register_error_handler(DependencyException, _no_such_file)
    flask.register_error_handler(UnsupportedRelativePath, _no_such_path)
    endpoint = prefix + _PAGE
    flask.view_functions[endpoint] = _with_status(flask.view_functions[endpoint])


def _with_status(index: Any) -> Any:
    """Dash's view of any path: 404 where no page is, and one address for each page."""

    def page(path: str) -> Any:
        if _is_page(f"/{path}"):
            return index(path=path)
        name = path.rstrip("/")
        if name and _is_page(f"/{name}"):
            # Relative to `/requests/`, so that a prefix before it stays as it is.
            query = request.query_string.decode("ascii", "replace")
            slashes = len(path) - len(name)
            target = "../" * slashes + name.rpartition("/")[2]
            return redirect(f"{target}?{query}" if query else target, HTTPStatus.PERMANENT_REDIRECT)
        return make_response(index(path=path), HTTPStatus.NOT_FOUND)

    return page


def _is_page(path: str) -> bool:
    """Whether a page has this address, or a template with one number in it that fits."""
    for one in page_registry.values():
        template = one["path_template"]
        if template is None:
            if path == one["path"] and not one["module"].endswith(_NOT_FOUND):
                return True
        elif re.fullmatch(_PLACE.sub("[0-9]+", template), path):
            return True
    return False


def _callback_refused(error: CallbackRefusedError) -> Response:
    return _told(error.status, str(error))


def _http_error(error: HTTPException) -> Response | HTTPException:
    g.refusal = error.description or ""
    return error


def _trouble(error: ServescopeError) -> Response:
    """Something that a person is told; from 500 on, the operator too: a full disk, say."""
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _troubles.line(logging.ERROR, type(error).__name__, "%s", error)
    return _told(error.http_status, str(error))


def _no_such_file(error: DependencyException) -> Response:
    del error  # it lists all files there are
    return _told(HTTPStatus.NOT_FOUND, "There is no such file.")


def _no_such_path(error: UnsupportedRelativePath) -> Response:
    del error
    return _told(HTTPStatus.BAD_REQUEST, "The path is none of our pages'.")


def _told(status: HTTPStatus, reason: str) -> Response:
    g.refusal = reason
    return Response(f"{reason}\n", status, content_type="text/plain; charset=utf-8")


def _note(refused: RateLimitedLog, response: Response) -> None:
    status = HTTPStatus(response.status_code)
    if status == HTTPStatus.FORBIDDEN:
        return  # who refuses that tells why itself
    refused.line(
        logging.INFO if status in _ORDINARY else logging.WARNING,
        status,
        "answered %d to %s %s from %s: %s",
        status,
        _shown(request.method),
        _shown(request.path),
        client.address() or "a unix socket",
        g.get("refusal") or status.phrase,
    )


def _shown(text: str) -> str:
    """A client's text as it may stand in a log: in one line, not too long."""
    return ascii(text[:_LONGEST_PATH])[1:-1]


_troubles: Final = RateLimitedLog(logger)
