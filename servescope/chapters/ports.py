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
            f"Port {port} was taken: {measured['holder']}. The kernel refused with the words "
            f"“Address already in use”. The second server then asked for port {got}, the next free "
            "one, got it, and served there."
        ),
        Outcome.SAME_PORT: f"The second server got port {port}, and served there.",
        Outcome.OTHER_PORT: f"The second server got port {got}, and served there.",
        Outcome.FIRST_CUT_OFF: f"The second server got port {port}, and the first serves no more.",
    }[outcome]
    has_pid = any("(pid " in step["text"] for step in measured["steps"])
    what_a_pid_is = "In the steps below, the pid (process ID) is the number of a running program."
    pid = (what_a_pid_is,) if has_pid else ()
    facts = [
        ("Port of the first server", str(port)),
        ("Port of the second server at the end", str(got)),
        (
            "Lowest port that every user of this system may have",
            str(measured["first_unprivileged"]),
        ),
    ]
    if measured["given"]:
        first, last = measured["given"]
        facts.append(("Ports from which this system picks for port 0", f"{first} to {last}"))
    return Reading(outcome, steps=steps_of(measured), facts=tuple(facts), told=(told, *pid))


CHAPTER: Final = Chapter(
    name="ports",
    number=3,
    title="Ports, free and taken",
    question=(
        "A server listens at a port (a number by which clients find it) of this machine. A second "
        "server asks the operating system for a port that you choose. What does it get?"
    ),
    before=(
        (
            "One machine runs many servers. A port is a number from 0 to 65535 that says which of "
            "them a client means: an address leads to the machine, the port to the program."
        ),
        (
            "In http://localhost:8000/ the port is 8000 (localhost is the machine itself). Where "
            "an address names no port, its beginning says which one is meant: http means 80, "
            "https means 443, and ftp (an older way to fetch files) means 21, and 20 for its data."
        ),
        (
            "Ports below 1024 are for well-known services, and most systems let only the "
            "administrator use them. From 1024 to 65535 they are for everybody. So people who try "
            "out a server give it one of these, a number that is easy to remember: 8000 (the "
            "server that comes with Python), 5000 (Flask, a library for web apps), 5555 (one of "
            "the servers of this dashboard, if nobody has set another)."
        ),
        (
            "A server asks the kernel (the core of the operating system) for its port by a call of "
            "the function bind. Port 0 means: any port that is free. Before the call, a server can "
            "set an option that is called SO_REUSEADDR: it asks the kernel to be less strict. In "
            "two of the choices below the first server had a client and has just ended, and the "
            "second asks for the port that the first one had."
        ),
        (
            "Most of the web uses TCP: rules by which two programs have a connection. UDP has "
            "other rules, by which programs send single messages (packets) without a connection. "
            "UDP has ports, too. A machine with Linux has many addresses for itself: 127.0.0.1 and "
            "127.0.0.2 are two of them."
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
            "If two servers had this port, the kernel would not know which of them a client means. "
            "So a port at an address belongs to one server, and one that comes second is refused.",
        ),
        Setting(
            "other-address",
            "The same port at the address 127.0.0.2",
            TakenPort(_FIRST, address="127.0.0.2"),
            Outcome.SAME_PORT,
            "A client finds a server by address and port together. At another address of the same "
            "machine the same number is free, and both servers serve.",
        ),
        Setting(
            "any",
            "Port 0",
            TakenPort(_FIRST, wants_any=True),
            Outcome.OTHER_PORT,
            "For port 0 the kernel picks a port that is free, and the program asks afterwards "
            "which one it has. The first server here did the same.",
        ),
        Setting(
            "udp",
            "The same port, for UDP instead of TCP",
            TakenPort(_FIRST, is_udp=True),
            Outcome.SAME_PORT,
            "TCP has its own 65536 ports, and UDP has its own, too. So on one machine the newest "
            "version of HTTP, HTTP/3, can use port 443 of UDP, while the older ones, HTTP/1.1 and "
            "HTTP/2, use port 443 of TCP.",
        ),
        Setting(
            "ended",
            "Ended server's port",
            TakenPort(_FIRST, first_has_ended=True),
            Outcome.REFUSED,
            "When a program closes a TCP connection before the other end does, its kernel keeps "
            "the connection for a minute, in a state that is called TIME_WAIT: packets that come "
            "late must not get into a new connection. The first server had closed one so. As long "
            "as the kernel keeps it, it refuses the port to a server that sets no option.",
        ),
        Setting(
            "ended-reuse",
            "Ended server's port, SO_REUSEADDR",
            TakenPort(_FIRST, first_has_ended=True, reuses_address=True),
            Outcome.SAME_PORT,
            "For a minute the kernel keeps the connections that the first server closed (their "
            "state is called TIME_WAIT). With SO_REUSEADDR the second server says that these do "
            "not matter to it. Almost all servers set it, so that they can be started again at "
            "once.",
        ),
    ),
    read=_read,
    after=(
        (
            "If a server of yours stops with “Address already in use”, you can end the program "
            "that has the port, or choose another port. If no program has it, and the kernel only "
            "keeps closed connections of it (their state is TIME_WAIT), wait a minute, or set "
            "SO_REUSEADDR."
        ),
        Snippet(
            "Which program has port 8000? On Linux, in a terminal:", "ss -ltnp 'sport = :8000'"
        ),
        (
            "The page Ports lists every port of this machine at which a program listens, with the "
            "program, its process ID, and the next free port. If the port of a server of this "
            "dashboard is taken, that server asks for the next free one in the same way."
        ),
    ),
)
