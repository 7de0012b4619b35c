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
    return (Point("with an event", float(clients)),)


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
    told = (
        f"The first events came {number_text(first, 'ms')} to {number_text(last, 'ms')} after the "
        f"requests. After {number_text(WATCHED_S, 's')} {left or 'none'} of the {CLIENTS} clients "
        f"{'were' if left > 1 else 'was'} without any."
    )
    steps = (
        *(
            Step(at_ms, "server", f"The first event reaches client {client + 1}.")
            for client, at_ms in firsts.items()
        ),
        Step(_MS * WATCHED_S, "client", f"All leave; {left or 'none'} had no event."),
    )
    return Reading(float(served), points=(float(served),), steps=steps, told=(told,))


_TOLD: Final = {
    ("client", "handshake"): "An HTTP request that asks for another protocol: Upgrade.",
    ("server", "handshake"): "101: from here on the connection carries frames, not HTTP.",
    ("client", "text"): "A frame with the text. Its bytes are masked, as all that clients send.",
    ("server", "text"): "The app sends the text back. Servers do not mask.",
    ("client", "ping"): "A ping asks whether the other side is there.",
    ("server", "pong"): "The server answers by itself; the app does not hear of it.",
    ("client", "close"): "A close with the code 1000: all is well.",
    ("server", "close"): "The server closes, too, with the same code.",
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
        f"The frame of the client had {sent:,} bytes, that of the server {back:,}. The handshake "
        f"before them, which is HTTP, had {handshake:,}: it is paid once."
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
            ("Threads before", f"{before['threads']:,}"),
            (f"Threads with {IDLE} {kind}", f"{beside['threads']:,}"),
            ("Connections, by the kernel", f"{measured['established']:,}"),
            ("One more request beside them", number_text(measured["answered_ms"], "ms")),
        ),
        told=(
            (
                f"Each of the {IDLE} {kind} took {number_text(max(each_kib, 0.0), 'KiB')} of the "
                f"server's memory, and all of them together {threads or 'no'} more "
                f"{'thread' if threads == 1 else 'threads'}."
            ),
        ),
    )


def _mebibytes(value: float) -> str:
    return number_text(value / _KIB**2, "MiB")


_MEMORY: Final = ChoiceGuess(
    "Each of them takes, in the memory of the server",
    (
        (_SMALL, "less than 100 KiB (a KiB is 1,024 bytes)"),
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
        "server sends a line now and then. How many of them get their first event at once?"
    ),
    before=(
        (
            "A WSGI app is a function that a thread of the server calls. The thread stays in it "
            "until the response is over, however little happens meanwhile."
        ),
        (
            "ASGI is another contract between server and app. An ASGI app is a coroutine: a "
            "function that can pause, at each “await”, and go on later. An event loop runs many of "
            "them in one thread: while one pauses, it goes on with another one."
        ),
        (
            "Server-sent events are an ordinary response that does not end. A WebSocket begins as "
            "a request, and then both sides send messages whenever they like, each in a frame: the "
            "text, and in front of it some bytes that describe it."
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
            "Four streams hold the four threads, and sleep in them. The other clients are "
            "connected, and their requests are read, but nobody is left to call the app for them.",
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
            "All streams wait at their “await”, and one thread wakes whichever is due.",
            points=_served(CLIENTS),
        ),
        Setting(
            "frames",
            "A WebSocket, frame by frame: ASGI",
            WebSocketFrames(_asgi(_ASGI), "/ws/echo"),
            11.0,
            "Five letters are five bytes. In front of them stand a byte for the kind of frame, one "
            "for the length, and, from a client, four of the mask that is laid over the text "
            "(a standard of the Internet, RFC 6455 section 5.2): 11 bytes.",
            edited=EditedText("The client's message", "hello"),
            question=_BYTES,
        ),
        Setting(
            "idle-wsgi",
            f"{IDLE} idle connections: WSGI, four threads",
            IdleConnections(_wsgi(4), IDLE, "/"),
            _SMALL,
            "A connection that is kept alive and says nothing needs no thread, even with WSGI: "
            "this server keeps it in a list that the kernel watches, and gives it a thread when "
            "its next request is there. What it takes are the buffers and the state of its "
            "conversation.",
            question=Question(
                f"{IDLE} clients each ask for a page, keep the connection, and then say nothing. "
                "How much memory does each of them take in a WSGI server with four threads?",
                _MEMORY,
            ),
        ),
        Setting(
            "idle-asgi",
            f"{IDLE} silent WebSockets: ASGI, one event loop",
            IdleConnections(_asgi(_ASGI), IDLE, "/whoami", "/ws/echo"),
            _SMALL,
            "Each WebSocket is a coroutine that waits for its next message, and some objects "
            "around it. An open WebSocket is inside the app all the time: under WSGI it would hold "
            "a thread.",
            question=Question(
                f"{IDLE} clients each open a WebSocket and then say nothing. How much memory does "
                "each of them take in an ASGI server?",
                _MEMORY,
            ),
        ),
    ),
    read=_read,
    picture=Bars(
        f"After {WATCHED_S:g} s",
        "Clients that got an event",
        "clients",
    ),
    after=(
        (
            "For pages that are ready at once WSGI is simple and good. For connections that stay, "
            "such as chats, tickers and notifications, ASGI serves thousands with one thread."
        ),
        (
            "Idle is not the same as open: a server may park an idle connection, since no app is "
            "called for it. A stream or a WebSocket is a call of the app that has not ended."
        ),
    ),
)
