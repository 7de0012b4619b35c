"""WSGI: the contract between a server and an app, step by step."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Chapter, EditedText, Reading, Setting, Snippet, Step
from servescope.chapters.guesses import ChoiceGuess
from servescope.demo import programs
from servescope.experiments.captured_call import EDITED, CapturedCall
from servescope.experiments.host import TemporaryListener
from servescope.experiments.transcript import with_line_ends
from servescope.records.listeners import AppKind, ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET: Final = "/hello?from=Learn"
_NS_PER_MS: Final = 1e6
_BECAUSE: Final = (
    "The server keeps status and header fields until the first piece of the page is there: till "
    "then the app may still change its mind and call start_response again, for an error page "
    "(PEP 3333). The bytes leave with that piece, and do not wait for the last one."
)
_TOLD: Final = {
    "parse": ("server", "3. Parse: is it a request, by the rules of HTTP? It is {text}"),
    "body": ("server", "The content of the request: {text}"),
    "read": ("server", "The request is whole"),
    "taken": ("server", "A thread takes the request"),
    "environ": ("server", "4. Environ: the request as a dictionary for the app: {text}"),
    "call": ("server", "5. Call: app(environ, start_response), {text}"),
    "start_response": ("app", "6. start_response: the app names {text}"),
    "returned": ("app", "The app returns a {text}: the page, piece by piece"),
    "piece": ("app", "The app gives a piece of the page: {text}"),
    "send": ("server", "7. Transmit: {text} to the socket"),
    "transmit": ("server", "The response is whole"),
}


def _call(model: ConcurrencyModel, app: str, *, is_edited: bool = False) -> CapturedCall:
    listener = TemporaryListener(app, AppKind.WSGI, model, threads=2)
    return CapturedCall(listener, TARGET, is_edited)


_APP: Final = "servescope.demo.programs.pausing_app:app"


def _first_byte(measured: Mapping[str, Any]) -> str:
    """With which step the first byte left: a choice of the guess, or why it is none of them."""
    names = [name for _, name, _ in measured["steps"]]
    if measured["start_response"] is None:
        return "Never: the app did not call start_response, and the server answered for it"
    if "send" not in names:
        return "Never: no byte was sent"
    at = names.index("send")
    if "start_response" not in names[:at]:
        return "call"
    size = int(measured["steps"][at][2].split()[0])
    if "piece" not in names[:at] and size <= len(measured["response"]["head"]):
        return "start_response" if measured["response"]["body"]["size"] else "end"
    pieces = names.count("piece")
    return "end" if pieces > 1 and names[:at].count("piece") == pieces else "piece"


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    environ = measured["environ"] or {}
    response = measured["response"]
    body = response["body"]["size"]
    return Reading(
        _first_byte(measured),
        steps=_steps(measured),
        facts=(
            ("Concurrency model", str(measured["model"]).replace("_", " ")),
            ("Thread that called the app", measured["thread"]),
            ("wsgi.multithread", environ.get("wsgi.multithread", "")),
            ("wsgi.multiprocess", environ.get("wsgi.multiprocess", "")),
            ("Bytes that the client sent", f"{measured['client_sent']:,}"),
            ("Bytes that the client received", f"{measured['client_received']:,}"),
        ),
        told=(
            (
                f"The app got {len(environ)} keys in its environ. The response had a head of "
                f"{len(response['head']):,} bytes and a content of {body:,} bytes, as it was sent; "
                f"the client received {measured['client_received']:,} bytes in all."
            ),
            "The page Requests has this request, with all that was captured of it.",
        ),
    )


def _steps(measured: Mapping[str, Any]) -> tuple[Step, ...]:
    data = {
        "environ": "\n".join(
            f"{name} = {value}" for name, value in (measured["environ"] or {}).items()
        ),
        "start_response": _start_response(measured["start_response"]),
        "transmit": with_line_ends(response_text(measured["response"])),
    }
    steps = [
        Step(0.0, "server", "1. Load: the app was imported, once, before any request"),
        Step(
            0.0,
            "server",
            "2. Read: the first bytes are there",
            with_line_ends(measured["request"]["head"]),
        ),
    ]
    for at_ns, name, text in measured["steps"]:
        side, told = _TOLD.get(name, ("server", "{text}"))
        at_ms = max(at_ns, 0) / _NS_PER_MS
        steps.append(Step(at_ms, side, told.format(text=text), data.get(name, "")))
    if errors := measured.get("errors", ""):
        text = "Written to the standard error of its process, by the end of the call"
        steps.append(Step(steps[-1].at_ms, "app", text, errors))
    return tuple(steps)


def _start_response(called: Mapping[str, Any] | None) -> str:
    if called is None:
        return ""
    fields = "".join(f"\n    ({name!r}, {value!r})," for name, value in called["headers"])
    return f"start_response({called['status']!r}, [{fields}\n])"


def response_text(response: Mapping[str, Any]) -> str:
    """Head and content of a captured response, as far as its content is kept."""
    body = response["body"]
    if body["kept"] is None:
        return f"{response['head']}[{body['size']:,} bytes are not shown: {body['why']}]"
    return f"{response['head']}{base64.b64decode(body['kept']).decode('utf-8', 'replace')}"


CHAPTER: Final = Chapter(
    name="wsgi",
    number=6,
    title="WSGI: a server calls an app",
    question=(
        "An app names the status and the header fields of its response, and then gives the page in "
        "two pieces. When does the first byte of the response leave the server?"
    ),
    before=(
        (
            "A web server knows sockets and HTTP; an app knows what the page says. In Python they "
            "meet in a function with two arguments, and that is all of WSGI (a standard of Python, "
            "PEP 3333): environ, a dictionary that describes the request, and start_response, a "
            "function by which the app names status and header fields. The app returns the page: a "
            "list of bytes, or anything that gives bytes piece by piece."
        ),
        (
            "The app below waits 100 ms before it calls start_response, 100 ms more before the "
            "first piece, and 100 ms more before the second. The server takes seven steps: load, "
            "read, parse, environ, call, start_response, transmit."
        ),
        (
            "Servers differ in how they call apps: one request at a time; by threads, which are "
            "lines of work that run beside each other in one program; or by an event loop, one "
            "thread that goes on with another request whenever one has to wait."
        ),
        Snippet("The app", programs.source("pausing_app")),
    ),
    guess=ChoiceGuess(
        "The first byte leaves the server",
        (
            ("call", "as soon as the server has called the app"),
            ("start_response", "when the app calls start_response"),
            ("piece", "when the app gives the first piece of the page"),
            ("end", "when the app has given the last piece"),
        ),
    ),
    knob="The server that calls it",
    settings=(
        Setting(
            "sequential",
            "One request at a time",
            _call(ConcurrencyModel.SEQUENTIAL, _APP),
            "piece",
            _BECAUSE,
        ),
        Setting(
            "thread-pool",
            "Threads: the same app, unchanged",
            _call(ConcurrencyModel.THREAD_POOL, _APP),
            "piece",
            f"{_BECAUSE} The app does not see which server calls it, but for what environ says: "
            "wsgi.multithread is True now, since another thread may call it at the same time.",
        ),
        Setting(
            "event-loop",
            "An event loop with threads for the app: the same app, unchanged",
            _call(ConcurrencyModel.ASYNCIO, _APP),
            "piece",
            f"{_BECAUSE} An event loop must not wait for an app, so it has a thread call this one.",
        ),
        Setting(
            "edited",
            "An app that you change",
            _call(ConcurrencyModel.SEQUENTIAL, f"{EDITED}:app", is_edited=True),
            "piece",
            _BECAUSE,
            edited=EditedText(
                "The app, a Python module with a function app",
                programs.source("pausing_app"),
                is_code=True,
            ),
        ),
    ),
    read=_read,
    after=(
        (
            "Every WSGI server takes these steps with every WSGI app: that is why apps made with "
            "Flask or Django run in the servers gunicorn and waitress, or in the one here, without "
            "a change."
        ),
        (
            "Few people write such a function by hand. The library Werkzeug wraps both ends: "
            "Request reads environ, Response calls start_response, Map and Rule find out which "
            "function a path is for, a test client calls the app without a socket, and a debugger "
            "shows a traceback in the browser. Flask is built of it."
        ),
        Snippet("werkzeug_app.py", programs.source("werkzeug_app")),
        Snippet("Run it, and stop it with Ctrl-C", "pip install werkzeug\npython werkzeug_app.py"),
    ),
)
