"""From a socket to TCP to HTTP: connections that wait until the server accepts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Chapter, Point, Question, Reading, Setting, steps_of
from servescope.chapters.guesses import NumberGuess
from servescope.experiments.unaccepted_clients import UnacceptedClients
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENTS: Final = 12
BACKLOG: Final = 4
_LISTENS: Final = "A server listens with a backlog of {}, but is too busy to accept anybody."


def _setting(backlog: int, label: str, because: str, clients: int = CLIENTS) -> Setting:
    waiting = min(clients, backlog + 1)
    return Setting(
        f"backlog-{backlog}" if clients == CLIENTS else f"clients-{clients}",
        label,
        UnacceptedClients(backlog, clients),
        float(waiting),
        because,
        _points(waiting, clients - waiting, 0),
        question=_question(_LISTENS.format(backlog), clients),
    )


def _question(server: str, clients: int = CLIENTS) -> Question:
    return Question(
        f"{server} {clients} clients connect, one after the other. How many of them are connected, "
        "and wait in the queue?",
        NumberGuess("Connected, and waiting in the queue", f"of {clients} clients", 0, clients),
        Bars(
            "While nobody accepts",
            f"Number of clients, of {clients}",
            "",
        ),
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
            f"Of {measured['clients']} clients {connected} were connected, {unanswered} had no "
            f"answer, and {refused} were refused. The kernel's gauge of the accept queue showed "
            f"{depth}."
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


_SETTINGS: Final = (
    _setting(
        4,
        f"Backlog 4, {CLIENTS} clients",
        "Linux keeps one connection more than the backlog: it lets a client in as long as the "
        "queue is not longer than 4, so 5 wait. It passes over the SYN of all others; they are "
        "not refused, but wait for an answer, and ask again after a second.",
    ),
    _setting(
        0,
        f"Backlog 0, {CLIENTS} clients",
        "Even with a backlog of 0 one connection has room: Linux keeps one more than was asked "
        "for.",
    ),
    _setting(
        8,
        f"Backlog 8, {CLIENTS} clients",
        "The queue has room for 8 and one more, so 9 of 12 wait in it.",
    ),
    _setting(
        11,
        f"Backlog 11, {CLIENTS} clients",
        "The queue has room for 11 and one more: that is all 12, and nobody is left without an "
        "answer.",
    ),
    _setting(
        128,
        f"Backlog 128, as the servers of this dashboard have, {CLIENTS} clients",
        "There is room for all 12: each is connected, although no program has accepted any of "
        "them. A client cannot tell a busy server from a quick one by the handshake.",
    ),
    _setting(
        4,
        "3 clients, backlog 4",
        "There is room for 5, and 3 have come: the queue is never longer than the number of "
        "those that wait.",
        clients=3,
    ),
    _setting(
        4,
        "24 clients, backlog 4",
        "How many come makes no difference to the queue: it has room for 4 and one more. All "
        "others are without an answer, and ask again after 1 second, then after 2 more, then "
        "4: each time it may be full again.",
        clients=24,
    ),
    Setting(
        "nobody-listens",
        f"Nobody listens at the port, {CLIENTS} clients",
        UnacceptedClients(None, CLIENTS),
        0.0,
        "Where no socket listens, there is no queue. The kernel answers each SYN with RST at "
        "once, and the browser says “connection refused”.",
        _points(0, 0, CLIENTS),
        question=_question("A program holds a port, but does not listen at it."),
    ),
)

_FIRST: Final = _question(_LISTENS.format(BACKLOG))

CHAPTER: Final = Chapter(
    name="accept-queue",
    number=2,
    title="Sockets, TCP, HTTP",
    question=_FIRST.text,
    before=(
        (
            "A socket is a program's end of a connection. A server makes one, binds it to a port "
            "(a number by which clients find it), and listens: from then on the kernel (the core "
            "of the operating system) takes connections for it. The kernels of both machines see "
            "to it that all bytes arrive, and in their order; the rules for that are called TCP."
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
    guess=_FIRST.guess,
    knob="The backlog, or the number of clients",
    settings=_SETTINGS,
    read=_read,
    seen_on=("Ports", "Host"),
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
