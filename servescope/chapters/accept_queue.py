"""From a socket to TCP to HTTP: connections that wait until the server accepts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Chapter, Point, Reading, Setting, steps_of
from servescope.chapters.guesses import NumberGuess
from servescope.experiments.unaccepted_clients import UnacceptedClients
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENTS: Final = 12


def _setting(backlog: int, label: str, because: str) -> Setting:
    waiting = min(CLIENTS, backlog + 1)
    return Setting(
        f"backlog-{backlog}",
        label,
        UnacceptedClients(backlog, CLIENTS),
        float(waiting),
        because,
        _points(waiting, CLIENTS - waiting, 0),
    )


def _points(waiting: int, unanswered: int, refused: int) -> tuple[Point, ...]:
    return (
        Point("connected", float(waiting)),
        Point("in the queue", float(waiting)),
        Point("no answer", float(unanswered)),
        Point("refused", float(refused)),
    )


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    connected, depth = measured["connected"], measured["queue_depth"]
    unanswered, refused = measured["unanswered"], measured["refused"]
    told: tuple[str, ...] = (
        (
            f"Of {CLIENTS} clients {connected} were connected, {unanswered} had no answer, and "
            f"{refused} were refused. The kernel's gauge of the accept queue showed {depth}."
        ),
    )
    if unanswered:
        later = (
            f"When the server began to accept, there was room again: {measured['later']} of the "
            f"{unanswered} without an answer came in within 3 seconds, by a SYN that their kernel "
            "sent once more. To a person such a site seems slow, not broken."
        )
        told = (*told, later)
    facts = [("Accept queue, by the kernel's gauge", counted(depth, "connection"))]
    if measured["queue_limit"] is not None:
        facts.append(("Backlog, by the kernel", str(measured["queue_limit"])))
    facts += [
        (f"TCP segments of {who}", f"{segments[0]} sent, {segments[1]} received")
        for who, segments in (
            ("a connected client", measured["segments_connected"]),
            ("a client without an answer", measured["segments_unanswered"]),
        )
        if segments is not None
    ]
    return Reading(
        float(connected),
        points=(float(connected), float(depth), float(unanswered), float(refused)),
        steps=steps_of(measured),
        facts=tuple(facts),
        told=told,
    )


CHAPTER: Final = Chapter(
    name="accept-queue",
    number=2,
    title="Sockets, TCP, HTTP",
    question=(
        f"A server listens with a backlog of 4, but is too busy to accept anybody. {CLIENTS} "
        "clients connect, one after the other. How many of them are connected, and wait in the "
        "queue?"
    ),
    before=(
        (
            "A socket is a program's end of a connection. A server makes one, binds it to a port, "
            "and listens: from then on the kernel (the core of the operating system) takes "
            "connections for it."
        ),
        (
            "To connect, a client sends a small packet, SYN; the kernel of the server answers with "
            "SYN-ACK; the client's kernel sends ACK. This is the TCP handshake, and the server "
            "program takes no part in it. The connection then waits in the listening socket's "
            "queue, the accept queue, until the program takes it out by a call of accept. Only "
            "then can the server read the client's HTTP request, and send a response."
        ),
        (
            "When it calls listen, the program gives a number, the backlog: it says how long this "
            "queue may be. Whoever comes while there is no room can be refused (by a packet RST), "
            "or gets no answer at all."
        ),
    ),
    guess=NumberGuess("Connected, and waiting in the queue", f"of {CLIENTS} clients", 0, CLIENTS),
    knob="The backlog",
    settings=(
        _setting(
            4,
            "Backlog 4",
            "Linux keeps one connection more than the backlog: it lets a client in as long as the "
            "queue is not longer than 4, so 5 wait. It passes over the SYN of all others; they are "
            "not refused, but wait for an answer, and ask again after a second.",
        ),
        _setting(
            0,
            "Backlog 0",
            "Even with a backlog of 0 one connection has room: Linux keeps one more than was asked "
            "for.",
        ),
        _setting(8, "Backlog 8", "The queue has room for 8 and one more, so 9 of 12 wait in it."),
        _setting(
            11,
            "Backlog 11",
            "The queue has room for 11 and one more: that is all 12, and nobody is left without an "
            "answer.",
        ),
        _setting(
            128,
            "Backlog 128, as the servers of this dashboard have",
            "There is room for all 12: each is connected, although no program has accepted any of "
            "them. A client cannot tell a busy server from a quick one by the handshake.",
        ),
        Setting(
            "nobody-listens",
            "Nobody listens at the port",
            UnacceptedClients(None, CLIENTS),
            0.0,
            "Where no socket listens, there is no queue. The kernel answers each SYN with RST at "
            "once, and the browser says “connection refused”.",
            _points(0, 0, CLIENTS),
        ),
    ),
    read=_read,
    seen_on=("Ports", "Host"),
    picture=Bars(
        "While nobody accepts; “in the queue” is what the kernel shows",
        "Number of clients, of 12",
        "",
    ),
    tolerance=0.0,
    after=(
        (
            "“Refused” means that the machine is there, and no program listens at this port. No "
            "answer at all may mean that the queue is full, or that a firewall drops packets."
        ),
        (
            "A queue that grows is the first sign of a server that is too slow. It is visible from "
            "outside, by the kernel: the page Ports draws the queue of each port, with its backlog."
        ),
        (
            "HTTP is only the text on top: the first client sent its request before anybody had "
            "accepted it, and the kernel kept the bytes until the server read them."
        ),
    ),
)
