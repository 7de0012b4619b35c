"""Connections that stay: event streams, WebSockets and idle clients on WSGI and on ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import (
    Bars,
    Chapter,
    EditedText,
    Point,
    Question,
    Reading,
    Setting,
    Step,
)
from servescope.chapters.guesses import ChoiceGuess, NumberGuess, number_text
from servescope.experiments.event_streams import EventStreams
from servescope.experiments.host import TemporaryListener
from servescope.experiments.idle_connections import IdleConnections
from servescope.experiments.transcript import with_line_ends
from servescope.experiments.websocket_frames import WebSocketFrames
from servescope.records.listeners import AppKind, ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENTS: Final = 12
WATCHED_S: Final = 1.75

IDLE: Final = 500
_MS: Final = 1e3
_KIB: Final = 1024
_STREAMS: Final = "servescope.demo.event_streams"
_ASGI: Final = "servescope.demo.asgi_app:app"
_WITH: Final = "with an event"
_SMALL: Final = "small"
_HUGE: Final = "huge"
_BOUNDS: Final = ((_SMALL, 100), ("some", 1_024), ("much", 8 * 1_024))
"""Names of answers about memory, each with the KiB below which it is right."""


def _wsgi(threads: int) -> TemporaryListener:
    return TemporaryListener(
        f"{_STREAMS}:wsgi_app", AppKind.WSGI, ConcurrencyModel.THREAD_POOL, threads
    )


def _asgi(app: str) -> TemporaryListener:
    return TemporaryListener(app, AppKind.ASGI, ConcurrencyModel.ASYNCIO)


def _streams(listener: TemporaryListener) -> EventStreams:
    return EventStreams(listener, "/events", CLIENTS, WATCHED_S)


def _served(clients: int) -> tuple[Point, ...]:
    return (
        Point(_WITH, float(clients)),
        Point("without one", float(CLIENTS - clients)),
    )


def _read(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    if "arrivals" in measured:
        return _read_streams(measured)
    if "frames" in measured:
        return _read_frames(measured)
    return _read_idle(setting, measured)


def _read_streams(measured: Mapping[str, Any]) -> Reading:
    firsts: dict[int, float] = {}
    for client, at_ms in measured["arrivals"]:
        firsts.setdefault(client, at_ms)
    served = len(firsts)
    first, last = min(firsts.values(), default=0.0), max(firsts.values(), default=0.0)
    left = CLIENTS - served
    had = f"{left} of the {CLIENTS} clients had none" if left else f"all {CLIENTS} clients had one"
    came = (
        f"The first events came {number_text(first, 'ms')} to {number_text(last, 'ms')} after the "
        f"requests. {number_text(WATCHED_S, 's')} after the requests, {had}."
    )
    told = came if served else f"No event came within {number_text(WATCHED_S, 's')}."
    at_the_end = f"{left} of them had no event" if left else "each of them had an event"
    steps = (
        *(
            Step(at_ms, "server", f"The first event reaches client {client + 1}.")
            for client, at_ms in firsts.items()
        ),
        Step(_MS * WATCHED_S, "client", f"All leave; {at_the_end}."),
    )
    return Reading(float(served), points=(float(served), float(left)), steps=steps, told=(told,))


_TOLD: Final = {
    ("client", "handshake"): "An HTTP request that asks for another protocol: Upgrade.",
    ("server", "handshake"): "Status 101: from here on the connection carries frames, not HTTP.",
    ("client", "text"): (
        "A frame with the text, each byte as two hexadecimal digits: 0 to 9, a to f. A client "
        "masks the text."
    ),
    ("server", "text"): "The app sends the text back. A server does not mask it.",
    ("client", "ping"): "A frame that asks whether the other side is there: a ping.",
    ("server", "pong"): "The server answers by itself, with a pong; the app is not told.",
    ("client", "close"): "A frame that ends the WebSocket, with the code 1000: all is well.",
    ("server", "close"): "The server ends it, too, with the same code.",
}


def _read_frames(measured: Mapping[str, Any]) -> Reading:
    frames = measured["frames"]
    steps = tuple(
        Step(
            frame["at_ms"],
            frame["side"],
            f"{_TOLD[frame['side'], frame['kind']]} ({len(frame['bytes']) // 2:,} bytes)",
            _shown(frame["kind"], bytes.fromhex(frame["bytes"])),
        )
        for frame in frames
    )
    sent, back = (len(frame["bytes"]) // 2 for frame in frames if frame["kind"] == "text")
    handshake = sum(len(frame["bytes"]) // 2 for frame in frames[:2])
    told = (
        f"The frame with the text had {sent:,} bytes from the client, and {back:,} from the "
        f"server. The handshake before it, a request and a response of HTTP, had {handshake:,} "
        "bytes; it comes only once."
    )
    return Reading(float(sent), steps=steps, told=(told,))


def _shown(kind: str, data: bytes) -> str:
    """The text of a handshake; the bytes of a frame, hexadecimal."""
    if kind == "handshake":
        return with_line_ends(data.decode("latin-1")).rstrip("\n")
    return data.hex(" ")


def _read_idle(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    before, beside = measured["before"], measured["beside"]
    each_kib = (beside["memory_bytes"] - before["memory_bytes"]) / IDLE / _KIB
    threads = beside["threads"] - before["threads"]
    answer = next((name for name, below in _BOUNDS if each_kib < below), _HUGE)
    kind = "WebSockets" if setting.name == "idle-asgi" else "idle connections"
    return Reading(
        answer,
        facts=(
            ("Memory before", _mebibytes(before["memory_bytes"])),
            (f"Memory with {IDLE} {kind}", _mebibytes(beside["memory_bytes"])),
            ("All threads of the process before", f"{before['threads']:,}"),
            (f"All threads with {IDLE} {kind}", f"{beside['threads']:,}"),
            ("Connections, as the operating system counts them", f"{measured['established']:,}"),
            ("Time of one more request beside them", number_text(measured["answered_ms"], "ms")),
        ),
        told=(
            (
                f"Each of the {IDLE} {kind} took {number_text(max(each_kib, 0.0), 'KiB')} of the "
                f"server's memory, and all of them together {threads or 'no'} further "
                f"{'thread' if threads == 1 else 'threads'}."
            ),
        ),
    )


def _mebibytes(value: float) -> str:
    return number_text(value / _KIB**2, "MiB")


_MEMORY: Final = ChoiceGuess(
    "Each of them takes, in the memory of the server (a KiB is 1,024 bytes, a MiB 1,024 KiB)",
    (
        (_SMALL, "less than 100 KiB"),
        ("some", "100 KiB to 1 MiB"),
        ("much", "1 to 8 MiB"),
        (_HUGE, "more than 8 MiB"),
    ),
)
_BYTES: Final = Question(
    "A client and an ASGI app have a WebSocket open. The client sends “hello”, five letters. How "
    "many bytes does it send for that?",
    NumberGuess("The client sends", "bytes", 1, 10_000),
)

CHAPTER: Final = Chapter(
    name="wsgi-beside-asgi",
    number=9,
    title="WSGI beside ASGI",
    question=(
        f"{CLIENTS} clients open a stream of events: a response that stays open, and in which the "
        f"server sends a line now and then: an event. How many of them have their first event "
        f"{WATCHED_S:g} s later?"
    ),
    before=(
        (
            "WSGI is the rule by which a server calls an app in Python. A WSGI app is a function. "
            "A thread of the server calls it: a piece of the program that runs beside the other "
            "threads. The thread is taken until the response is over, however little happens "
            "meanwhile."
        ),
        (
            "ASGI is another such rule. An ASGI app is a coroutine: a function that can pause "
            "wherever its program says “await”, and go on later. An event loop runs many of them "
            "in one thread: while one pauses, it goes on with another one."
        ),
        (
            "A stream of events is an ordinary response that does not end. In a WebSocket both "
            "sides can send: it begins as a request, and then client and server send messages "
            "whenever they like. Each message is in a frame: its text, and in front of it some "
            "bytes that describe it."
        ),
    ),
    guess=NumberGuess("Clients with an event", f"of {CLIENTS}", 0, CLIENTS),
    knob="The server and its clients",
    settings=(
        Setting(
            "wsgi-4",
            "Streams: WSGI, four threads",
            _streams(_wsgi(4)),
            4.0,
            "Four streams take the four threads, which do nothing but wait for the next event. The "
            "other clients are connected, and their requests are read, but no thread is left that "
            "could call the app for them.",
            points=_served(4),
        ),
        Setting(
            "wsgi-8",
            "Streams: WSGI, eight threads",
            _streams(_wsgi(8)),
            8.0,
            "More threads serve more streams, one each. With a thousand clients it would take a "
            "thousand threads.",
            points=_served(8),
        ),
        Setting(
            "asgi",
            "Streams: ASGI, one event loop",
            _streams(_asgi(f"{_STREAMS}:asgi_app")),
            float(CLIENTS),
            "Each stream pauses at its “await”, and one thread goes on with whichever has an event "
            "to send.",
            points=_served(CLIENTS),
        ),
        Setting(
            "frames",
            "A WebSocket, frame by frame: ASGI",
            WebSocketFrames(_asgi(_ASGI), "/ws/echo"),
            11.0,
            "Five letters are five bytes. In front of them stand a byte for the kind of frame, one "
            "for the length, and, from a client, a mask: four random bytes, with which each byte "
            "of the text is changed, so that nothing on the way takes it for something else "
            "(a standard of the Internet, RFC 6455, sections 5.2 and 10.3): 11 bytes.",
            edited=EditedText("The client's message", "hello"),
            question=_BYTES,
        ),
        Setting(
            "idle-wsgi",
            f"{IDLE} idle connections: WSGI",
            IdleConnections(_wsgi(4), IDLE, "/"),
            _SMALL,
            "A connection that is kept alive and says nothing needs no thread, even with WSGI: "
            "this server has the operating system watch it, and gives it a thread only when its "
            "next request is there. Its memory holds the bytes that were read, and what the "
            "server knows of the connection.",
            question=Question(
                f"{IDLE} clients each ask for a page, keep the connection, and then say nothing. "
                "How much memory does each of them take in a WSGI server with four threads?",
                _MEMORY,
            ),
        ),
        Setting(
            "idle-asgi",
            f"{IDLE} silent WebSockets: ASGI",
            IdleConnections(_asgi(_ASGI), IDLE, "/whoami", "/ws/echo"),
            _SMALL,
            "Each WebSocket is a coroutine that waits for its next message, and some objects "
            "around it. The call of the app lasts as long as the WebSocket is open: with WSGI each "
            "would take a thread.",
            question=Question(
                f"{IDLE} clients each open a WebSocket and then say nothing. How much memory does "
                "each of them take in an ASGI server?",
                _MEMORY,
            ),
        ),
    ),
    read=_read,
    picture=Bars(
        f"{WATCHED_S:g} s after the requests",
        f"Clients, of {CLIENTS}",
        "clients",
        asked=_WITH,
    ),
    after=(
        (
            "For pages that are ready soon WSGI is simple and good. For connections that stay "
            "open, such as those of a chat or of live scores, ASGI serves thousands with one "
            "thread."
        ),
        (
            "An idle connection is one that waits for its next request. No app is called for it, "
            "so it takes no thread. A stream or a WebSocket is a call of the app that has not "
            "ended, even while nothing is sent."
        ),
    ),
)
