"""The bundled Flask app: a handful of routes that make every kind of request worth watching.

It knows nothing of its server and runs under any WSGI server. One courtesy to the host: the
matched route's template stands in `environ["servescope.route"]`, so that `/api/notes/7` and
`/api/notes/8` count as one route.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Flask,
    current_app,
    jsonify,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    HTTPException,
    InternalServerError,
    NotFound,
    UnprocessableEntity,
    UnsupportedMediaType,
)

from servescope.demo.accounts import add_accounts
from servescope.demo.notes import Draft, NoteStore, draft_from
from servescope.demo.search import SITE, Entry, load_glossary, search
from servescope.demo.timed_work import (
    DEFAULT_CPU_MS,
    DEFAULT_WAIT_MS,
    MAX_CPU_MS,
    MAX_WAIT_MS,
    use_cpu,
    whole_number_of,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

ROUTE_KEY = "servescope.route"  # read by the host; harmless to any other server
MAX_BODY = 64 * 1024  # bytes; a note at its limits, every character escaped, is below 50 KB
MAX_QUERY = 200  # characters
MAX_DOWNLOAD_KIB = 4_096
DEFAULT_DOWNLOAD_KIB = 512
_LINE = b"A client that reads slowly lets a server wait with its answer.\r\n"  # 64 bytes
_SHOWN_ENVIRON = (
    "SERVER_SOFTWARE",
    "SERVER_NAME",
    "SERVER_PORT",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
    "wsgi.input_terminated",
)
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_FIRST_NOTES = (
    Draft("A note is a resource", "It has a URL of its own: GET reads it, PUT replaces it."),
    Draft("POST makes a new one", "The answer is 201, and its Location field names the new URL."),
)

demo = Blueprint("demo", __name__)


class DeliberateError(Exception):
    """The error that `/error` raises: a fault in the app, on request."""


@demo.get("/")
def hello() -> str:
    """Say hello, say who answered, and link everything else."""
    return render_template(
        "hello.html",
        server=request.environ.get("SERVER_SOFTWARE", "an unnamed server"),
        process=os.getpid(),
        thread=threading.current_thread().name,
        most_wait_ms=MAX_WAIT_MS,
        most_cpu_ms=MAX_CPU_MS,
    )


@demo.route("/whoami", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def whoami() -> dict[str, Any]:
    """Tell the client what the server saw of it (PEP 3333, "environ Variables")."""
    environ = request.environ
    port = str(environ.get("REMOTE_PORT", ""))
    return {
        "address": environ.get("REMOTE_ADDR"),
        "port": int(port) if port.isascii() and port.isdigit() else None,
        "method": request.method,
        "protocol": environ.get("SERVER_PROTOCOL"),
        "headers": dict(request.headers),
        "environ": {name: environ[name] for name in _SHOWN_ENVIRON if name in environ},
        "answered_by": {"process": os.getpid(), "thread": threading.current_thread().name},
    }


@demo.get("/search")
def search_page() -> Response:
    """Search the glossary and the notes: a page, or JSON for a client that prefers it."""
    query = request.args.get("q", "").strip()
    if len(query) > MAX_QUERY:
        raise BadRequest(f"The query has {len(query)} characters; at most {MAX_QUERY} are read.")
    notes = [
        Entry(note.title, note.text, url_for("demo.read_note", note_id=note.id))
        for note in _notes().all()
    ]
    found = search(query, [*current_app.extensions["glossary"], *notes])
    if _prefers_json():
        body: dict[str, Any] = {"query": query, "results": [asdict(entry) for entry in found]}
        response: Response = jsonify(body)
    else:
        response = current_app.make_response(
            render_template("search.html", query=query, found=found)
        )
    response.vary.add("Accept")
    return response


@demo.get("/slow")
def slow() -> dict[str, Any]:
    """Hold a worker for `ms` milliseconds: what a slow database query does to a server."""
    asked_ms = _number("ms", MAX_WAIT_MS, DEFAULT_WAIT_MS)
    return {"asked_ms": asked_ms, "slept_ms": round(_sleep(asked_ms), 3)}


@demo.get("/cpu")
def cpu() -> dict[str, Any]:
    """Compute for `ms` milliseconds of the thread's CPU time: threads of one process share it."""
    asked_ms = _number("ms", MAX_CPU_MS, DEFAULT_CPU_MS)
    return {"asked_ms": asked_ms, "cpu_ms": round(use_cpu(asked_ms), 3)}


@demo.get("/mixed")
def mixed() -> dict[str, Any]:
    """Compute for `cpu_ms`, then wait for `wait_ms`: a page that renders and asks a database."""
    asked_cpu_ms = _number("cpu_ms", MAX_CPU_MS, DEFAULT_CPU_MS)
    asked_wait_ms = _number("wait_ms", MAX_WAIT_MS, DEFAULT_WAIT_MS)
    return {
        "asked_cpu_ms": asked_cpu_ms,
        "asked_wait_ms": asked_wait_ms,
        "cpu_ms": round(use_cpu(asked_cpu_ms), 3),
        "slept_ms": round(_sleep(asked_wait_ms), 3),
    }


@demo.get("/download")
def download() -> Response:
    """Answer `kib` KiB of text: a client that reads slowly keeps the server writing."""
    asked_kib = _number("kib", MAX_DOWNLOAD_KIB, DEFAULT_DOWNLOAD_KIB)
    return current_app.response_class(_LINE * (16 * asked_kib), mimetype="text/plain")


def _sleep(milliseconds: int) -> float:
    """How long it was, in milliseconds."""
    start_ns = time.monotonic_ns()
    time.sleep(milliseconds / 1_000)
    return (time.monotonic_ns() - start_ns) / 1e6


def _number(name: str, most: int, usual: int) -> int:
    try:
        return whole_number_of(request.args.get(name, str(usual)), name, most)
    except ValueError as fault:
        raise BadRequest(str(fault)) from None


@demo.get("/error")
def error() -> str:
    """Raise, always."""
    raise DeliberateError("/error was asked for")


@demo.get("/favicon.ico")
def favicon() -> Response:
    """Serve the icon a browser asks for by itself."""
    return send_file(SITE / "favicon.ico", mimetype="image/x-icon", max_age=86_400)


@demo.get("/api/notes")
def list_notes() -> dict[str, Any]:
    """All notes, oldest first."""
    return {"notes": [asdict(note) for note in _notes().all()], "capacity": _notes().capacity}


@demo.post("/api/notes")
def create_note() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Keep a new note: 201 and its Location (RFC 9110 section 9.3.3)."""
    note = _notes().create(_read_draft())
    if note is None:
        raise Conflict(f"The store holds {_notes().capacity} notes, its limit: delete one first.")
    return asdict(note), 201, {"Location": url_for("demo.read_note", note_id=note.id)}


@demo.get("/api/notes/<note_id>")
def read_note(note_id: str) -> dict[str, Any]:
    note = _notes().get(note_id)
    if note is None:
        raise _no_note(note_id)
    return asdict(note)


@demo.put("/api/notes/<note_id>")
def replace_note(note_id: str) -> dict[str, Any]:
    """Replace a note that exists; the server alone gives out numbers."""
    note = _notes().put(note_id, _read_draft())
    if note is None:
        raise _no_note(note_id)
    return asdict(note)


@demo.delete("/api/notes/<note_id>")
def delete_note(note_id: str) -> tuple[str, int]:
    """Remove a note: 204, which has no content."""
    if not _notes().delete(note_id):
        raise _no_note(note_id)
    return "", 204


def _notes() -> NoteStore:
    store: NoteStore = current_app.extensions["notes"]
    return store


def _no_note(note_id: str) -> NotFound:
    return NotFound(f"There is no note {note_id[:20]!a}; GET /api/notes lists those there are.")


def _read_draft() -> Draft:
    """Read the body as a note; raises 415, 413, 400 or 422, whichever comes first."""
    if not request.is_json:
        raise UnsupportedMediaType("Send the note with Content-Type: application/json.")
    body = request.get_data(cache=False)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: thousands of brackets, one in another
        raise BadRequest("The body is no JSON that can be read.") from None
    try:
        return draft_from(value)
    except ValueError as fault:
        raise UnprocessableEntity(str(fault)) from None


def _prefers_json() -> bool:
    """Whether Accept ranks JSON above HTML; a client that takes anything gets HTML."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def tell_route() -> None:
    """Leave the matched rule where the hosting server can read it."""
    if request.url_rule is not None:
        request.environ[ROUTE_KEY] = request.url_rule.rule


def add_security_headers(response: Response) -> Response:
    """Same-origin content only, and no guessing of types."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def show_problem(problem: HTTPException) -> Response:
    """Answer an error as a page, or as problem details (RFC 9457) to the API and JSON clients."""
    response: Response = problem.get_response()  # keeps Allow and the like
    if problem.code is None or problem.code < HTTPStatus.BAD_REQUEST:  # a redirect is no error
        return response
    if request.path.startswith("/api/") or _prefers_json():
        details = {
            "type": "about:blank",
            "title": problem.name,
            "status": problem.code,
            "detail": problem.description,
        }
        response.data = current_app.json.dumps(details) + "\n"
        response.content_type = "application/problem+json"
    else:
        response.data = render_template("problem.html", problem=problem)
        response.content_type = "text/html; charset=utf-8"
    response.vary.add("Accept")
    return response


def show_deliberate_error(fault: DeliberateError) -> Response:
    """Answer 500 as for any fault, but leave no traceback in the log: people load `/error`.

    Where a debugger stands around the app (Flask's PROPAGATE_EXCEPTIONS), it gets the exception.
    """
    if current_app.config["PROPAGATE_EXCEPTIONS"]:
        raise fault
    return show_problem(InternalServerError("This route raises an exception on every request."))


def create_app() -> Flask:
    """Make an app with notes of its own, and no debugger."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    provider = DefaultJSONProvider(app)
    provider.compact = False  # people read these answers
    provider.sort_keys = False
    app.json = provider
    app.extensions["glossary"] = load_glossary()
    app.extensions["notes"] = NoteStore()
    for draft in _FIRST_NOTES:
        app.extensions["notes"].create(draft)
    app.register_blueprint(demo)
    add_accounts(app)
    app.before_request(tell_route)
    app.after_request(add_security_headers)
    app.register_error_handler(HTTPException, show_problem)
    app.register_error_handler(DeliberateError, show_deliberate_error)
    return app


app = create_app()
