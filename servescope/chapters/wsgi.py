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
    "The server keeps status and header fields until the first piece of the page is there. Until "
    "then the app may call start_response once more, to name an error in their place (PEP 3333). "
    "The first bytes leave with the first piece, and do not wait for the last one."
)
_HOW: Final = {
    ConcurrencyModel.SEQUENTIAL: "one request at a time",
    ConcurrencyModel.THREAD_POOL: "threads",
    ConcurrencyModel.ASYNCIO: "an event loop with threads",
}
_TOLD: Final = {
    "parse": ("server", "3. Parse: is the request written by the rules of HTTP? It is {text}"),
    "body": ("server", "The content of the request: {text}"),
    "read": ("server", "The whole request has been read"),
    "taken": ("server", "A thread takes the request"),
    "environ": ("server", "4. Environ: the request as a dictionary for the app: {text}"),
    "call": ("server", "5. Call: app(environ, start_response), {text}"),
    "start_response": ("app", "6. start_response: the app names {text}"),
    "returned": ("app", "The app returns a {text}: the page, piece by piece"),
    "piece": ("app", "The app gives a piece of the page: {text}"),
    "send": ("server", "7. Transmit: {text} to the socket"),
    "transmit": ("server", "The whole response has been sent"),
}


def _call(model: ConcurrencyModel, app: str, *, is_edited: bool = False) -> CapturedCall:
    listener = TemporaryListener(app, AppKind.WSGI, model, threads=2)
    return CapturedCall(listener, TARGET, is_edited)


_APP: Final = "servescope.demo.programs.pausing_app:app"


def _first_byte(measured: Mapping[str, Any]) -> str:
    """With which step the first byte left: a choice of the guess, or why it is none of them."""
    names = [name for _, name, _ in measured["steps"]]
    if measured["start_response"] is None:
        return "no byte of the app leaves, since it did not call start_response"
    if "send" not in names:
        return "no byte was sent"
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
            ("How the server calls apps", _HOW[measured["model"]]),
            ("Thread that called the app", measured["thread"]),
            (
                "Can another thread call the app meanwhile? wsgi.multithread",
                environ.get("wsgi.multithread", ""),
            ),
            (
                "Can another process call it? wsgi.multiprocess",
                environ.get("wsgi.multiprocess", ""),
            ),
            ("Bytes that the client sent", f"{measured['client_sent']:,}"),
            ("Bytes that the client received", f"{measured['client_received']:,}"),
        ),
        told=(
            (
                f"The environ had {len(environ)} keys. The response had a head of "
                f"{len(response['head']):,} bytes and {body:,} bytes after it; the client received "
                f"{measured['client_received']:,} bytes in all."
            ),
            *_chunks(response["head"]),
            "The page Requests has this request, with all that was captured of it.",
        ),
    )


def _chunks(head: str) -> tuple[str, ...]:
    """Why there are more bytes than the app gave: a length before each piece (RFC 9112, 7.1)."""
    if "\r\ntransfer-encoding: chunked\r\n" not in head.lower():
        return ()
    told = (
        "When the server sent the head, it did not know yet how long the page would be. So it sent "
        "the page in chunks: before each piece its length, as a hexadecimal number (12 means 18 "
        "bytes), and a chunk of length 0 at the end."
    )
    return (told,)


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
        text = "Written to the standard error (the text for the people who run it)"
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
        "An app (a program that makes pages) names the status and the header fields of its "
        "response, and then gives the page in two pieces. When does the first byte of the "
        "response leave the server?"
    ),
    before=(
        (
            "A web server knows how to talk HTTP with clients; an app knows what its pages say. "
            "In Python an app is a function, and the server calls it once for each request, with "
            "two arguments. The first, environ, is a dictionary that describes the request. The "
            "second, start_response, is a function: the app calls it to name the status (200 OK, "
            "for example) and the header fields (lines such as Content-Type: text/plain). Then "
            "the app returns the page: a list of bytes, or anything that gives bytes piece by "
            "piece. That is all of WSGI (Web Server Gateway Interface), a standard with the "
            "number PEP 3333."
        ),
        (
            "The app below waits 100 ms (a tenth of a second) before it calls start_response, 100 "
            "ms more before the first piece, and 100 ms more before the second. The server takes "
            "seven steps: load the app, read the request, parse it (is it written by the rules?), "
            "make the environ, call the app, take what start_response names, transmit (send) the "
            "response."
        ),
        (
            "Servers differ in how they call apps. Some call one at a time. Some use threads, by "
            "which a program does several things beside each other. Some have an event loop: one "
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
    knob="The server and the app",
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
            "Threads",
            _call(ConcurrencyModel.THREAD_POOL, _APP),
            "piece",
            f"{_BECAUSE} The app notices nothing of the threads but one thing in environ: "
            "wsgi.multithread is True now, since another thread may call it at the same time.",
        ),
        Setting(
            "event-loop",
            "An event loop with threads for the app",
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
            "Every WSGI server takes these steps with every WSGI app. So an app that is made with "
            "the libraries Flask or Django runs in the servers gunicorn and waitress, and in the "
            "one here, without a change."
        ),
        (
            "Few people write such a function by hand. The library Werkzeug does most of it: its "
            "Request reads environ, its Response calls start_response, and its Map and Rule find "
            "out which function a path is for. It also has a test client, which calls the app "
            "without a network, and a debugger, which shows in the browser where an app failed. "
            "Flask uses it for all of this."
        ),
        Snippet("An app that uses Werkzeug, werkzeug_app.py", programs.source("werkzeug_app")),
        Snippet("Run it, and stop it with Ctrl-C", "pip install werkzeug\npython werkzeug_app.py"),
    ),
)
