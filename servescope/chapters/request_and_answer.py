"""A request and its answer: how a server validates, and what its status codes say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Chapter, EditedText, Reading, Setting, steps_of
from servescope.chapters.guesses import ChoiceGuess
from servescope.chapters.message_rules import rule_of
from servescope.experiments.bundled_listeners import of_files, of_wsgi
from servescope.experiments.written_request import WrittenRequest
from servescope.wire.http1_response import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S: Final = 2
"""How long the listener waits for the rest of a request: others wait longer."""

_PATIENCE: Final = {
    "head_seconds": float(PATIENCE_S),
    "body_seconds": float(PATIENCE_S),
    "keep_alive_seconds": 1.0,
}
_STATUSES: Final = (200, 400, 403, 404, 405, 408, 500)


def _request(line: str, *, host: bool = True, is_whole: bool = True) -> EditedText:
    lines = [line, *(["Host: localhost"] if host else []), "Connection: close"]
    return EditedText(
        "The text that is sent, with CR LF at the end of each line",
        "\n".join(lines) + ("\n\n" if is_whole else "\n"),
    )


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    status, content = measured["status"], measured["content"]
    if not status:
        return Reading(
            "no answer",
            steps=steps_of(measured),
            told=("The server closed the connection without an answer.",),
        )
    said = f"{status} {measured['phrase']}".strip()
    told = (f"The server answered {said}. {rule_of(status, content)}",)
    return Reading(
        str(status) if status in _STATUSES else said,
        steps=steps_of(measured),
        facts=(
            ("Bytes of the request", f"{measured['sent']:,}"),
            ("Bytes of the answer", f"{measured['received']:,}"),
        ),
        told=told,
    )


CHAPTER: Final = Chapter(
    name="request-and-answer",
    number=4,
    title="A request and its answer",
    question="A client sends a request that you choose. Which status code has its answer?",
    before=(
        (
            "An HTTP request is text. Its first line has the method (GET: read this), the target "
            "(the address behind the name of the server; if it has a ?, what follows is called the "
            "query string), and the version. Header fields follow, a "
            "line each. An empty line ends the head. Each line ends with two bytes, CR and LF, "
            "which programmers write as \\r\\n."
        ),
        (
            "The server asks itself in this order. Is the message well-formed, as the RFCs (the "
            "standards of the Internet) have it? May this client ask at all? Is there such a file "
            "or page, and may this be done with it? The first “no” decides."
        ),
        (
            "The answer begins with a status code. 2xx: it worked. 3xx: go elsewhere, or keep what "
            "you have. 4xx: the client made a mistake. 5xx: the server has failed."
        ),
    ),
    guess=ChoiceGuess(
        "The status code is",
        tuple((str(status), f"{status} {reason_phrase(status)}") for status in _STATUSES),
    ),
    knob="The request",
    settings=(
        Setting(
            "no-host",
            "The field Host is missing",
            WrittenRequest(of_files(**_PATIENCE)),
            "400",
            "Many sites can share one address, and only Host says which one is meant. So HTTP/1.1 "
            "requires it: without Host a message is not well-formed, and whether the file exists "
            "is not even looked at.",
            edited=_request("GET /README.txt HTTP/1.1", host=False),
        ),
        Setting(
            "no-file",
            "A file that does not exist",
            WrittenRequest(of_files(**_PATIENCE)),
            "404",
            "The message is well-formed, and the client may ask; but the folder has no such file.",
            edited=_request("GET /missing.txt HTTP/1.1"),
        ),
        Setting(
            "delete",
            "A file to be deleted",
            WrittenRequest(of_files(**_PATIENCE)),
            "405",
            "The message is well-formed, and the file exists; but a server of files lets nobody "
            "but its owner change them. Its answer says which methods it allows.",
            edited=_request("DELETE /README.txt HTTP/1.1"),
        ),
        Setting(
            "denied",
            "The client's address is denied",
            WrittenRequest(of_files(deny=("127.0.0.0/8",), **_PATIENCE)),
            "403",
            "The server's owner has denied the client's address. The message was read, since only "
            "a whole request can be answered; the file was not looked for.",
            edited=_request("GET /README.txt HTTP/1.1"),
        ),
        Setting(
            "query",
            "A page of an app, with a query string",
            WrittenRequest(of_wsgi(**_PATIENCE)),
            "200",
            "The query string, behind the ? of the target, is no part of the page's name. "
            "The server gives it to the app, which may do with it what it likes: the answer below "
            "has it as QUERY_STRING.",
            edited=_request("GET /whoami?name=Ada&year=1843 HTTP/1.1"),
        ),
        Setting(
            "unfinished",
            "The empty line is missing",
            WrittenRequest(of_files(**_PATIENCE)),
            "408",
            "Without the empty line there may be more to come. So the server waits, here for "
            f"{PATIENCE_S} seconds, and then gives up.",
            edited=_request("GET /README.txt HTTP/1.1", is_whole=False),
        ),
    ),
    read=_read,
    after=(
        (
            "Change the request, and see what the server says: leave out a space, write HTTP/9.9, "
            "put a space before a colon, ask for /../secret, or for /README.txt with the field "
            "Range: bytes=0-9. It goes to a server of its own, which ends with the experiment."
        ),
        (
            "A strict server protects those behind it: if two programs read one malformed message "
            "in two ways, an attacker can hide a second request in it (request smuggling)."
        ),
    ),
)
