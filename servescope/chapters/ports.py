"""Ports: which numbers there are, who may have one, and what happens when it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Chapter, Reading, Setting, Snippet, steps_of
from servescope.chapters.guesses import ChoiceGuess
from servescope.experiments.bundled_listeners import of_files
from servescope.experiments.taken_port import Outcome, TakenPort

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST: Final = of_files()


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    port, got = measured["port"], measured["got"]
    outcome = Outcome(measured["outcome"])
    told = {
        Outcome.REFUSED: (
            f"Port {port} was taken: {measured['holder']}. The kernel refused it with the words "
            f"“Address already in use”. The second server moved on to port {got}, and served there."
        ),
        Outcome.SAME_PORT: f"The second server got port {port}, and served there.",
        Outcome.OTHER_PORT: f"The second server got port {got}, and served there.",
        Outcome.FIRST_CUT_OFF: f"The second server got port {port}, and the first serves no more.",
    }[outcome]
    facts = [
        ("Port of the first server", str(port)),
        ("Port of the second server, in the end", str(got)),
        ("First port of this system that every user may have", str(measured["first_unprivileged"])),
    ]
    if measured["given"]:
        first, last = measured["given"]
        facts.append(("Ports that this system gives for port 0", f"{first} to {last}"))
    return Reading(outcome, steps=steps_of(measured), facts=tuple(facts), told=(told,))


CHAPTER: Final = Chapter(
    name="ports",
    number=3,
    title="Ports, free and taken",
    question=(
        "A server listens at a port of this machine. A second server asks the kernel for a port "
        "that you choose. What does it get?"
    ),
    before=(
        (
            "One machine runs many servers. A port is a number from 0 to 65535 that says which of "
            "them a client means: an address leads to the machine, the port to the program."
        ),
        (
            "In http://localhost:8000/ the port is explicit. Where an address has none, its "
            "beginning implies it: http means 80, https means 443, ftp means 21 (and 20 for its "
            "data)."
        ),
        (
            "Ports below 1024 are for well-known services, and most systems let only the "
            "administrator have them. From 1024 to 65535 they are for everybody. So a server that "
            "somebody tries out has a number from there which is easy to remember: 8000 (Python's "
            "http.server; it reminds of 80), 5000 (Flask), 5555 (the WSGI listener of this "
            "dashboard)."
        ),
        (
            "A server asks the kernel (the core of the operating system) for its port by a call of "
            "bind. Port 0 means: any that is free. A server that sets the option SO_REUSEADDR "
            "before that asks the kernel to be less strict. The web mostly uses TCP, which makes "
            "connections; UDP sends single packets without one, and has ports, too. Every machine "
            "has many addresses of its own: 127.0.0.1 and 127.0.0.2, among others, lead back to "
            "itself."
        ),
    ),
    guess=ChoiceGuess(
        "The second server",
        (
            (Outcome.REFUSED, "is refused"),
            (Outcome.SAME_PORT, "gets the first server's port"),
            (Outcome.OTHER_PORT, "gets another port"),
            (Outcome.FIRST_CUT_OFF, "gets the port, and the first server is cut off"),
        ),
    ),
    knob="The second server asks for",
    settings=(
        Setting(
            "same",
            "The same port at the same address",
            TakenPort(_FIRST),
            Outcome.REFUSED,
            "The kernel could not tell for which of the two a connection is. So a port at an "
            "address belongs to one listening socket, and whoever comes second is refused.",
        ),
        Setting(
            "other-address",
            "The same port at another address, 127.0.0.2",
            TakenPort(_FIRST, address="127.0.0.2"),
            Outcome.SAME_PORT,
            "Address and port together name a listening socket. At another address of the machine "
            "the same number is free, and both servers serve.",
        ),
        Setting(
            "any",
            "Port 0",
            TakenPort(_FIRST, wants_any=True),
            Outcome.OTHER_PORT,
            "For port 0 the kernel picks one that is free; the program asks afterwards which one "
            "it has. Tests do that, and so did the first server here.",
        ),
        Setting(
            "udp",
            "The same port, for UDP instead of TCP",
            TakenPort(_FIRST, is_udp=True),
            Outcome.SAME_PORT,
            "TCP and UDP have port numbers of their own each. So HTTP/3, which uses UDP, has port "
            "443 beside HTTP/1.1 and HTTP/2, which use TCP.",
        ),
        Setting(
            "ended",
            "The same port, when the first server has just ended",
            TakenPort(_FIRST, first_has_ended=True),
            Outcome.REFUSED,
            "Whoever closes a TCP connection first keeps it for a minute in the state TIME_WAIT, "
            "so that late packets find it. The first server has closed one, and as long as the "
            "kernel keeps that, the port is not free for everybody.",
        ),
        Setting(
            "ended-reuse",
            "The same, with the option SO_REUSEADDR",
            TakenPort(_FIRST, first_has_ended=True, reuses_address=True),
            Outcome.SAME_PORT,
            "With SO_REUSEADDR a server says that connections in TIME_WAIT do not matter to it. "
            "Almost all servers set it: so they can be restarted at once.",
        ),
    ),
    read=_read,
    after=(
        (
            "“Address already in use” has three ways out: end the program that has the port, "
            "choose another port, or, if only connections in TIME_WAIT are left, wait a minute or "
            "set SO_REUSEADDR."
        ),
        Snippet("Who has port 8000?", "ss -ltnp 'sport = :8000'"),
        (
            "The page Ports lists every port of this machine that somebody listens on, with the "
            "program and the next free port. If a default port of this dashboard is taken, its "
            "listener moves on to the next free one in the same way."
        ),
    ),
)
