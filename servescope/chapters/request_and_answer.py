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
        "The text that is sent, which you may change; CR LF is put at the end of each line",
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
    question=(
        "A client sends a request that you choose. Which status code (the number that says how it "
        "went) does the answer have?"
    ),
    before=(
        (
            "HTTP is a set of rules for requests and answers on the web. A request is text. Its "
            "first line has the method, which says what to do (GET: send me this), the target, "
            "which says with what, and the version of HTTP. The target is the part of the address "
            "behind the name of the server; if it has a ?, what follows is called the query "
            "string. Then come header fields, one in a line: a name, a colon, and a value. An "
            "empty line ends these lines, which together are the head. Each line ends with two "
            "bytes, CR and LF; programmers write them \\r\\n."
        ),
        (
            "The server checks in this order. Is the request written by the rules? (The rules of "
            "the Internet are called RFCs, each with a number.) May this client ask at all? Is "
            "there such a file or page, and does it allow this method? The first “no” decides."
        ),
        (
            "The answer begins with a status code. 200 to 299: it worked. 300 to 399: ask at "
            "another address, or keep the copy that you have. 400 to 499: the client made a "
            "mistake. 500 to 599: the server failed."
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
            "requires it: a request without Host breaks the rules, and the server does not even "
            "look whether the file exists.",
            edited=_request("GET /README.txt HTTP/1.1", host=False),
        ),
        Setting(
            "no-file",
            "A file that does not exist",
            WrittenRequest(of_files(**_PATIENCE)),
            "404",
            "The request keeps to the rules, and the client may ask; but the folder has no such "
            "file.",
            edited=_request("GET /missing.txt HTTP/1.1"),
        ),
        Setting(
            "delete",
            "A request to delete a file",
            WrittenRequest(of_files(**_PATIENCE)),
            "405",
            "The request keeps to the rules, and the file exists; but this server only sends "
            "files, and lets no client change them. Its answer has a field Allow with the methods "
            "that it allows.",
            edited=_request("DELETE /README.txt HTTP/1.1"),
        ),
        Setting(
            "denied",
            "The client's address is denied",
            WrittenRequest(of_files(deny=("127.0.0.0/8",), **_PATIENCE)),
            "403",
            "The people who run the server can name addresses that may not use it, and this client "
            "has one of them. The server read the whole request first, since it answers only whole "
            "requests. It did not look for the file.",
            edited=_request("GET /README.txt HTTP/1.1"),
        ),
        Setting(
            "query",
            "A page of an app, with a query string",
            WrittenRequest(of_wsgi(**_PATIENCE)),
            "200",
            "The query string, behind the ? of the target, is no part of the page's name. "
            "The server gives it to the app (a program that makes pages), which may use it as it "
            "likes: the answer below shows it as QUERY_STRING.",
            edited=_request("GET /whoami?name=Ada&year=1843 HTTP/1.1"),
        ),
        Setting(
            "unfinished",
            "The empty line is missing",
            WrittenRequest(of_files(**_PATIENCE)),
            "408",
            "Without the empty line there may be more to come. So the server waits, here for "
            f"{PATIENCE_S} seconds, and then gives up. Most servers wait longer.",
            edited=_request("GET /README.txt HTTP/1.1", is_whole=False),
        ),
    ),
    read=_read,
    after=(
        (
            "Change the text of the request above, and see what the server answers: leave out a "
            "space, write HTTP/9.9, put a space before a colon, ask for /../secret, or ask for "
            "/README.txt and add a line Range: bytes=0-9. You can do no harm: the request goes to "
            "a server of its own, which ends with the experiment."
        ),
        (
            "Why is the server so strict? A request often passes through two programs, one after "
            "the other. If they read a request that breaks the rules in two ways, an attacker can "
            "hide a second request in it. This is called request smuggling."
        ),
    ),
)
