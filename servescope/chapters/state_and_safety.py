"""An app remembers, others look on: sessions, storage, HTTPS, e-mail, slow clients."""

from __future__ import annotations

import json
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
from servescope.experiments.host import TemporaryListener
from servescope.experiments.login import Login
from servescope.experiments.sent_mail import SentMail
from servescope.experiments.slow_client import SlowClient
from servescope.experiments.stored_note import StoredNote
from servescope.experiments.wire_tap import TappedRequest
from servescope.records.listeners import AppKind, ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEAD_S: Final = 3.0
"""How long the server of the slow client waits for the head of a request."""

_FLASK: Final = "servescope.demo.flask_app:app"
_PATIENT: Final = {"head_seconds": HEAD_S, "keep_alive_seconds": HEAD_S / 8}
"""The server looks after its deadlines eight times within the shortest: here often enough for the
theory to hold to a few percent."""

_OK: Final = 200


def _listener(**options: Any) -> TemporaryListener:
    return TemporaryListener(
        _FLASK, AppKind.WSGI, ConcurrencyModel.THREAD_POOL, threads=2, options=options
    )


def _tapped(*, is_tls: bool) -> TappedRequest:
    secrets = (("path", "/whoami"), ("cookie", "swordfish"), ("page", '"protocol"'))
    return TappedRequest(_listener(), "/whoami", "secret=swordfish", secrets, is_tls)


def _steps(measured: Mapping[str, Any]) -> tuple[Step, ...]:
    return tuple(Step(**one) for one in measured["steps"])


def _read_login(measured: Mapping[str, Any]) -> Reading:
    payload = measured["payload"]
    try:
        name = str(json.loads(payload)["name"])
    except (ValueError, TypeError, KeyError):
        name = ""
    is_signed = measured["status"] != _OK
    readable = "signed" if is_signed else "open"
    told = (
        f"The cookie says {payload}. The csrf_token is a random text that the app has put into its "
        "form, too, so that it takes no form that another site sends. With one letter of the "
        f"cookie changed the app did not know its visitor: the answer had the status "
        f"{measured['status']}, which sends the browser to the login."
        if name and is_signed
        else "The cookie could not be read."
    )
    return Reading(readable if name else "server", steps=_steps(measured), told=(told,))


def _read_note(measured: Mapping[str, Any]) -> Reading:
    told = (
        f"Before the restart the note had the status {measured['before']}, after it "
        f"{measured['after']}."
    )
    return Reading(str(measured["after"]), steps=_steps(measured), told=(told,))


def _read_tap(measured: Mapping[str, Any]) -> Reading:
    read = measured["read"]
    told = (
        f"Somebody on the way could read {_listed(read)}. The addresses of both, the moments and "
        f"the sizes can be seen in any case: {measured['sent']:,} bytes from the client, "
        f"{measured['received']:,} from the server."
    )
    return Reading(float(len(read)), steps=_steps(measured), told=(told,))


def _listed(names: Sequence[str]) -> str:
    """The things that were read, as a sentence has them."""
    if not names:
        return "none of the three"
    *first, last = (f"the {name}" for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _read_mail(measured: Mapping[str, Any]) -> Reading:
    commands = measured["commands"]
    told = (
        f"The commands were {', '.join(commands)}; the message was sent in "
        f"{measured['message']:,} bytes."
    )
    return Reading(float(len(commands)), steps=_steps(measured), told=(told,))


def _read_slow(measured: Mapping[str, Any]) -> Reading:
    closed_ms = float(measured["closed_ms"])
    told = (
        f"The client sent {measured['bytes']:,} bytes until then. Meanwhile another client had its "
        f"page after {number_text(measured['other_ms'], 'ms')}. This server takes a thread for a "
        "request only when all of the request is there."
    )
    return Reading(closed_ms, points=(closed_ms,), steps=_steps(measured), told=(told,))


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Reading]]] = {
    "session": _read_login,
    "storage": _read_note,
    "http": _read_tap,
    "https": _read_tap,
    "mail": _read_mail,
    "slow-client": _read_slow,
}


def _read(setting: Setting, measured: Mapping[str, Any]) -> Reading:
    return _READERS[setting.name](measured)


def _tap_question(protocol: str) -> Question:
    return Question(
        f"A client sends a request with a cookie, by {protocol}. Somebody on the way, say in the "
        "same café, passes on every byte and keeps a copy. Three things go this way: the path that "
        "is asked for, the cookie, the text of the page. How many of them can that person read?",
        NumberGuess("Can be read on the way", "of 3", 0, 3),
    )


CHAPTER: Final = Chapter(
    name="state-and-safety",
    number=11,
    title="State and safety",
    question=(
        "You log in under a name. The app answers with a cookie, which your browser sends along "
        "with each further request, so that the app knows you. Where is your name?"
    ),
    before=(
        (
            "HTTP has no memory: no request knows of the ones before. A cookie is a short text "
            "that a server gives to a browser, and that the browser gives back with each further "
            "request to that server. A session is all that an app knows of one visitor, from one "
            "request to the next."
        ),
        (
            "An app keeps things in the memory of its process (the running program), in files, in "
            "a database, or in a cookie of the browser. In each case it matters who can read them, "
            "who can change them, and when they are gone."
        ),
    ),
    guess=ChoiceGuess(
        "The name is",
        (
            ("server", "in the memory of the server; the cookie is only a number"),
            ("encrypted", "in the cookie, encrypted: nobody but the app can read it"),
            ("signed", "in the cookie: everyone who has it can read it, but not change it"),
            ("open", "in the cookie: everyone who has it can read it and change it"),
        ),
    ),
    knob="What is looked at",
    settings=(
        Setting(
            "session",
            "A login: the session's cookie",
            Login(_listener()),
            "signed",
            "Flask writes the session into the cookie, as a text of letters and digits that is "
            "easy to read back, and adds a signature: a text that only somebody who has the app's "
            "secret key can make, and that fits this session alone. Anybody can read the session; "
            "if it is changed, the signature does not fit. So keep no secret in such a session.",
            edited=EditedText("The name to log in with", "Ada", 30),
        ),
        Setting(
            "storage",
            "A note: storage and a restart",
            StoredNote(_listener()),
            "404",
            "This app keeps its notes in the memory of its process. The process has ended, and its "
            "memory is gone. The next process knows nothing of it. Notes that have to last belong "
            "in a file or a database.",
            question=Question(
                "A client stores a note: 201 Created. It reads the note: 200 OK. Then the server "
                "is restarted: its process ends, and another one begins, at another port. Which "
                "status has the note now?",
                ChoiceGuess(
                    "After the restart the note has the status",
                    (
                        ("200", "200 OK: it is there"),
                        ("404", "404 Not Found: it is gone"),
                        ("500", "500 Internal Server Error"),
                    ),
                ),
            ),
        ),
        Setting(
            "http",
            "On the wire: HTTP",
            _tapped(is_tls=False),
            3.0,
            "HTTP is text that everybody on the way can read: the owner of the wireless network, "
            "the company that brings you the Internet. Someone who has read the cookie of your "
            "session can send it, and then is you for the app.",
            question=_tap_question("HTTP"),
        ),
        Setting(
            "https",
            "On the wire: HTTPS",
            _tapped(is_tls=True),
            0.0,
            "HTTPS is the same HTTP, encrypted by TLS: client and server agree on keys first, and "
            "then everything is encrypted, the path as well. A certificate proves to the client "
            "that it is this server, and nobody between them, that has the keys. The name of a "
            "site can still be read: a browser sends it in its first bytes, before there are "
            "keys. (Here it has no name, only an address.) Below are the first bytes of each "
            "piece, each as two hexadecimal digits: 0 to 9, a to f. In ClientHello the client says "
            "which ways to encrypt it knows, and in ServerHello the server which one it takes. "
            "Both can be read, and hold what each side gives away to agree on keys; the rest "
            "that it takes stays with each. ChangeCipherSpec is there for devices on the way that "
            "know only an older TLS.",
            question=_tap_question("HTTPS"),
        ),
        Setting(
            "mail",
            "An e-mail by SMTP",
            SentMail(),
            5.0,
            "EHLO names the client, MAIL the sender, RCPT the receiver; DATA says that the message "
            "comes, and QUIT ends the connection, in small letters or capitals. Each answer of the "
            "server begins with a number: a 2 in front says that it is done, a 3 that more is "
            "awaited. As in HTTP, all of it is lines of text. A dot "
            "alone on a line ends the message. So the client puts one more dot in front of each "
            "line that begins with one, and the server takes it off.",
            edited=EditedText(
                "The text of the mail", "Hello Bob,\n.\nabove is a dot on a line of its own.\nAda"
            ),
            question=Question(
                "An app sends an e-mail, say to confirm an address. It connects to a mail server, "
                "and both keep to the rules of SMTP: the app sends commands, and the server "
                "answers each. The mail server is a part of this experiment, and delivers to "
                "nobody. One command names the app, and one ends the connection. How many commands "
                "does one mail to one person take in all, the message itself not counted?",
                NumberGuess("The app sends", "commands", 1, 100),
            ),
            seen_on=(),  # it is no request to a web server
        ),
        Setting(
            "slow-client",
            "A client that never finishes",
            SlowClient(_listener(**_PATIENT), 0.2, "/whoami"),
            1e3 * HEAD_S,
            "The time limit is for the head as a whole, not for each byte: otherwise a client that "
            "sends a byte now and then could keep its connection for ever. Thousands of such "
            "clients at once are an attack, called Slowloris. It stops servers that give each "
            "connection a thread and have no such limit.",
            points=(Point("until the server closes", 1e3 * HEAD_S),),
            question=Question(
                "A client connects and sends its request very slowly: a byte every 200 ms, and it "
                "never comes to an end. The head of a request is all that comes before its "
                f"content. This server waits {HEAD_S:g} s for a head. How many milliseconds after "
                "the client has connected does it close the connection?",
                NumberGuess("The server closes after", "ms", 1, 600_000),
                Bars("One slow client", "Milliseconds until the server closes", "ms"),
                0.1,
            ),
        ),
    ),
    read=_read,
    after=(
        (
            "State is what an app remembers. It is in the memory of the process, where a restart "
            "ends it and a second process does not have it; in a file or a database, which all "
            "processes can share; or in a cookie, which the client can read."
        ),
        (
            "Safety has several parts: a signature shows that a text was changed, encryption keeps "
            "others from reading it, and a time limit keeps a client from taking a connection for "
            "ever. None of them does the work of another."
        ),
    ),
)
