"""How a server handles more than one request at a time: iterative, threads, an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Chapter, Point, Reading, Setting
from servescope.chapters.guesses import NumberGuess
from servescope.experiments.host import TemporaryListener
from servescope.experiments.simultaneous_requests import SimultaneousRequests
from servescope.records.listeners import AppKind, ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping

WORK_MS: Final = 100
"""How long the app takes for one request."""

REQUESTS: Final = 8
_WSGI: Final = "servescope.demo.flask_app:app"
_ASGI: Final = "servescope.demo.asgi_app:app"


def _at_once(
    model: ConcurrencyModel, target: str, *, threads: int = 1, app: str = _WSGI
) -> SimultaneousRequests:
    kind = AppKind.ASGI if app == _ASGI else AppKind.WSGI
    listener = TemporaryListener(app, kind, model, threads)
    return SimultaneousRequests(listener, f"{target}?ms={WORK_MS}", REQUESTS)


def _in_turn(places: int) -> tuple[Point, ...]:
    """The k-th of requests that are served in turn at so many places."""
    return tuple(Point(str(k), float(-(-k // places) * WORK_MS)) for k in range(1, REQUESTS + 1))


def _shared() -> tuple[Point, ...]:
    """The k-th of requests that take turns of a few milliseconds: of the last alone it is known."""
    last = float(REQUESTS * WORK_MS)
    return tuple(Point(str(k), last if k == REQUESTS else None) for k in range(1, REQUESTS + 1))


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    answered_ms = tuple(float(value) for value in measured["answered_ms"])
    return Reading(answered_ms[-1], points=answered_ms)


_ALL: Final = REQUESTS * WORK_MS

CHAPTER: Final = Chapter(
    name="more-than-one-request",
    number=8,
    title="More than one request at a time",
    question=(
        f"Eight people ask a server for a page at the same moment. The app takes {WORK_MS} ms "
        "to make one page. After how many milliseconds has the last of them the page?"
    ),
    before=(
        (
            "A server takes a connection, reads the request, calls the app, which makes the page, "
            "and sends the response. Its concurrency model says how many requests can be in the "
            "app at once. A server may take one at a time. It may have threads: a thread is a "
            "piece of a program that runs beside other ones of the same program. Or it has an "
            "event loop: one thread that goes on with another request whenever the app says that "
            "it waits."
        ),
        (
            f"Below you choose the server, and what the app does for {WORK_MS} ms: it waits, as "
            "it would for the answer of a database, or it computes, as it would to draw an image. "
            "While it waits it needs no processor; while it computes it needs one for the whole "
            "time. The app is written in Python, and runs in one process: a running program."
        ),
    ),
    guess=NumberGuess("The last one has the page after", "ms", 1, 60_000),
    knob="The server and its work",
    settings=(
        Setting(
            "one-at-a-time",
            "One at a time; the app waits",
            _at_once(ConcurrencyModel.SEQUENTIAL, "/slow"),
            float(_ALL),
            "A server without threads serves one request after the other: each waits for all that "
            f"are before it, so the last one has its page after {REQUESTS} times {WORK_MS} ms.",
            points=_in_turn(1),
        ),
        Setting(
            "two-threads",
            "Two threads; the app waits",
            _at_once(ConcurrencyModel.THREAD_POOL, "/slow", threads=2),
            _ALL / 2,
            "Two requests are in the app at a time, and the others wait for a thread: "
            f"{REQUESTS // 2} rounds of {WORK_MS} ms.",
            points=_in_turn(2),
        ),
        Setting(
            "eight-threads",
            "Eight threads; the app waits",
            _at_once(ConcurrencyModel.THREAD_POOL, "/slow", threads=REQUESTS),
            float(WORK_MS),
            "Each request has a thread of its own, and all of them wait at the same time.",
            points=_in_turn(REQUESTS),
        ),
        Setting(
            "event-loop",
            "An event loop; the app waits",
            _at_once(ConcurrencyModel.ASYNCIO, "/slow", app=_ASGI),
            float(WORK_MS),
            "One thread is enough: where the app waits, it gives the thread back (“await” in the "
            "program), and the loop goes on with the next request meanwhile.",
            points=_in_turn(REQUESTS),
        ),
        Setting(
            "eight-threads-computing",
            "Eight threads; the app computes",
            _at_once(ConcurrencyModel.THREAD_POOL, "/cpu", threads=REQUESTS),
            float(_ALL),
            "Of all threads of a Python process only one computes at a time: the one that holds "
            "the global interpreter lock (GIL). Eight threads take turns of some milliseconds, and "
            f"together they need {REQUESTS} times {WORK_MS} ms. So nobody has the page early, not "
            "even the first.",
            points=_shared(),
        ),
        Setting(
            "event-loop-computing",
            "An event loop; the app computes",
            _at_once(ConcurrencyModel.ASYNCIO, "/cpu", app=_ASGI),
            float(_ALL),
            "An app that computes does not give the thread of the loop back, so the next request "
            "begins when the one before has ended: with such an app an event loop serves one at a "
            "time.",
            points=_in_turn(1),
        ),
    ),
    read=_read,
    picture=Bars(
        "The first, the second, … to have the page",
        "Milliseconds from the moment of sending until each has the page",
        "ms",
        asked=str(REQUESTS),
    ),
    tolerance=0.1,
    after=(
        (
            "If the app waits, each further thread helps, until there is one for each request. An "
            "event loop helps as well, and a request that waits takes only a little memory in it."
        ),
        (
            "If the app computes, neither makes it faster in one Python process. More processes "
            "do, as long as there is a processor core for each: a core is the part of a processor "
            "that computes. So servers of Python apps, such as gunicorn, start several processes, "
            "their workers."
        ),
    ),
)
