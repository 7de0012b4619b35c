"""Frameworks: Flask and Dash, routes, an API with JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Chapter, Link, Reading, Setting, Snippet
from servescope.chapters.exchange_steps import exchange_steps
from servescope.chapters.guesses import ChoiceGuess
from servescope.demo import programs
from servescope.experiments.host import TemporaryListener
from servescope.experiments.requests_in_turn import Asked, RequestsInTurn
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.wire.http1_response import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTENER: Final = TemporaryListener(
    "servescope.demo.programs.flask_app:app", AppKind.WSGI, ConcurrencyModel.THREAD_POOL, threads=2
)
_STATUSES: Final = (200, 400, 404, 405, 415, 500)
_JSON: Final = (("Content-Type", "application/json"),)
_RUN_FLASK: Final = """\
python3 -m venv .venv
. .venv/bin/activate
pip install flask
flask --app hello run"""
_RUN_DASH: Final = """\
pip install dash
python hello_dash.py"""


def _setting(name: str, label: str, asked: Asked, status: int, because: str) -> Setting:
    return Setting(name, label, RequestsInTurn(_LISTENER, (asked,)), str(status), because)


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    (answer,) = measured["exchanges"]
    return Reading(
        str(answer["status"]),
        steps=exchange_steps(measured["exchanges"]),
        told=(
            (
                f"The response was there after {answer['took_ms']:.3g} ms: "
                f"{answer['received_bytes']:,} bytes, of which {answer['content_bytes']:,} are its "
                "content."
            ),
        ),
    )


CHAPTER: Final = Chapter(
    name="frameworks",
    number=7,
    title="Frameworks: routes and an API",
    question=(
        "A small Flask app has three routes. A client sends a request that you choose. Which "
        "status does the response have?"
    ),
    before=(
        (
            "Your program calls a library; a framework calls your program. Flask is a framework "
            "for web apps in Python. You write functions, and name for each one the paths that it "
            "answers: its route. Flask reads the request, finds the route, calls the function, and "
            "makes a response of what it returns: text becomes a page, a dictionary becomes JSON, "
            "the notation in which programs exchange data. Routes that are made for programs are "
            "called an API."
        ),
        (
            "A request begins with its head: lines with a method, the path, and fields. One with "
            "the method GET asks for something, one with POST brings content along, after the "
            "head. The field Content-Type marks what the content is; for JSON it is "
            "application/json."
        ),
        (
            "The first line of each response has a status: a number of three digits. 2 in front "
            "says that all is well, 4 that the client made a mistake, 5 that the server did."
        ),
        Snippet("hello.py", programs.source("flask_app")),
        (
            "A virtual environment keeps the packages of one project apart from all others. The "
            "last command starts the server that comes with Flask. It answers at "
            "http://localhost:5000, which is your own machine, until you stop it."
        ),
        Snippet("Run it; Ctrl-C stops it", _RUN_FLASK),
    ),
    guess=ChoiceGuess(
        "The status is",
        tuple((str(status), f"{status} {reason_phrase(status)}") for status in _STATUSES),
    ),
    knob="The request",
    settings=(
        _setting(
            "word",
            "GET /notes/seven",
            Asked("/notes/seven"),
            404,
            "The route is for whole numbers alone: <int:number>. No route fits this path, so no "
            "function is called, and Flask makes the answer itself.",
        ),
        _setting(
            "number",
            "GET /notes/7",
            Asked("/notes/7"),
            200,
            "The route fits: the function gets the number 7, and the dictionary that it returns "
            "comes as JSON.",
        ),
        _setting(
            "method",
            "POST /notes/7",
            Asked("/notes/7", method="POST", content="7"),
            405,
            "The path has a route, but for GET alone. The field Allow of the response says which "
            "methods it takes.",
        ),
        _setting(
            "sum",
            "POST /api/sum with [1, 2, 3] as JSON",
            Asked("/api/sum", _JSON, method="POST", content="[1, 2, 3]"),
            200,
            "The route fits, POST is its method, and the content is JSON, and marked as JSON. This "
            "is how programs use an API: JSON goes in, and JSON comes back.",
        ),
        _setting(
            "broken",
            "POST /api/sum with “[1, 2,” as JSON",
            Asked("/api/sum", _JSON, method="POST", content="[1, 2,"),
            400,
            "This is no JSON, since its end is missing. The mistake is the client's, and the 4 in "
            "front says so. request.get_json() noticed it. An app that does not look would raise "
            "an exception later, and answer 500.",
        ),
        _setting(
            "form",
            "POST /api/sum with [1, 2, 3] unmarked",
            Asked("/api/sum", method="POST", content="[1, 2, 3]"),
            415,
            "The content is good JSON, but the request has no field Content-Type that says so, and "
            "Flask does not guess: 415 Unsupported Media Type.",
        ),
    ),
    read=_read,
    after=(
        (
            "So the framework checks a lot for you: path, method, and whether the content is JSON. "
            "The rest is yours: two lines of this app check that what came is a list of whole "
            "numbers."
        ),
        (
            "Dash is a framework for pages that change while somebody uses them. You write a "
            "layout, which says what is on the page, and functions, its callbacks. When somebody "
            "types or clicks, the page asks the server to call them. Dash makes the page and the "
            "API that it uses, and is itself made with Flask. This dashboard is made with Dash."
        ),
        Snippet("hello_dash.py, a whole app", programs.source("dash_app")),
        Snippet("Run it, and open http://localhost:8051", _RUN_DASH),
        Link("See this app live in this dashboard", "/hello-world"),
    ),
)
