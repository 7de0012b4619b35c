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
_LISTENS: Final = (
    "A server asks the system for a queue of {} waiting connections (this number is the backlog), "
    "and is then too busy to take any connection out of the queue."
)


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
            "While the server accepts no connection",
            f"Number of clients, of {clients}",
            "clients",
            asked="in the queue",
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
    has_queue = measured["backlog"] is not None
    told: tuple[str, ...] = (
        (
            f"Of the {measured['clients']} clients, {connected} got a connection, {unanswered} got "
            f"no answer, and {refused} were refused."
        ),
    )
    if has_queue:
        waiting = counted(depth, "connection")
        told = (f"{told[0]} The kernel counted {waiting} in the accept queue.",)
    if unanswered:
        late = measured["later"]
        of_them = f"all {unanswered}" if late == unanswered else f"{late} of the {unanswered}"
        later = (
            f"When the server began to accept, there was room again: {of_them} clients without an "
            "answer got a connection within 3 seconds, by a SYN that their kernel sent once more. "
            "To a person such a site seems slow, not broken."
        )
        told = (*told, later)
    if connected:
        kept = (
            "The first client sent its request before the server had accepted its connection. The "
            "kernel kept the bytes until the server read them."
        )
        told = (*told, kept)
    facts = []
    if has_queue:
        facts.append(("Accept queue, as the kernel counts it", counted(depth, "connection")))
    if measured["queue_limit"] is not None:
        facts.append(("Backlog, as the kernel has it", str(measured["queue_limit"])))
    facts += [
        (f"TCP packets of {who}", f"{segments[0]} sent, {segments[1]} received")
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
        "Linux lets a client in as long as no more than 4 connections wait. So there is room for "
        "one more than the backlog, and 5 wait. The kernel throws away the SYN of all others: they "
        "are not refused, but wait for an answer, and send the SYN again after a second.",
    ),
    _setting(
        0,
        f"Backlog 0, {CLIENTS} clients",
        "Even with a backlog of 0 there is room for one connection: Linux keeps one more than the "
        "program asked for.",
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
        f"Backlog 128, {CLIENTS} clients",
        "The servers of this dashboard have this backlog. There is room for all 12: each is "
        "connected, although no program has accepted any of them. So the handshake does not tell "
        "a client whether the server is busy.",
    ),
    _setting(
        4,
        f"Backlog {BACKLOG}, 3 clients",
        "There is room for 5, and 3 have come: all of them wait, and nobody else.",
        clients=3,
    ),
    _setting(
        4,
        f"Backlog {BACKLOG}, 24 clients",
        "With more clients the queue is no longer: it has room for 4 and one more. All others get "
        "no answer, and ask again after 1 second, then 2 seconds later, then 4 seconds later. Each "
        "time the queue may be full again.",
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
        question=_question("A program has a port of its own, but does not listen at it."),
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
            "A program uses the network through sockets. Most sockets are one end of a connection; "
            "another program has the other end. A server also has a socket that listens. It binds "
            "this socket to a port (a number by which clients find it) and calls the function "
            "listen. From then on the kernel (the core of the operating system) takes connections "
            "for it. The kernels of both machines make sure that all bytes arrive, in the right "
            "order; the rules for that are called TCP."
        ),
        (
            "To connect, the kernel of the client sends a short message, a packet that is called "
            "SYN. The kernel of the server answers with a packet SYN-ACK, and that of the client "
            "sends a packet ACK. This is the TCP handshake; the server program takes no part in "
            "it. The new connection then waits in a queue of the listening socket, the accept "
            "queue, until the program takes it out by a call of the function accept. Only then can "
            "the program read what the client asks for, and answer."
        ),
        (
            "When it calls listen, the program names a number, the backlog: how long this queue "
            "may be. A client that comes while there is no room can be refused (it gets a packet "
            "that is called RST), or it gets no answer at all."
        ),
    ),
    guess=_FIRST.guess,
    knob="Backlog and number of clients",
    settings=_SETTINGS,
    read=_read,
    seen_on=("Ports", "Host"),
    after=(
        (
            "“Refused” means that the machine is there, and no program listens at this port. No "
            "answer at all may mean that the queue is full, or that a firewall (a program that "
            "guards a network) throws the packets away."
        ),
        (
            "A queue that grows is the first sign of a server that is too slow. You can see it "
            "without asking the program, since the kernel counts it: the page Ports draws the "
            "queue of each port, with its backlog."
        ),
        (
            "HTTP, the rules for requests and answers on the web, needs a connection first: its "
            "text is what goes through it."
        ),
    ),
)
