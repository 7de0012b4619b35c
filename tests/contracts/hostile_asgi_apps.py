"""ASGI apps that break the specification, or the event loop; `CASES` says how each may end.

`app` is all of them: the path names the case. It is a plain function, so that a case's own call
decides what the server gets.
"""

# ruff: noqa: ARG001 - the server calls all apps alike

from __future__ import annotations

import asyncio
import contextvars
import json
from collections import UserDict
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from tests.contracts.hostile_cases import (
    BROKEN,
    CHUNKED_POST,
    FAILED,
    FAILED_OR_BROKEN,
    HEAD,
    LARGE_POST,
    SMALL_POST,
    WEBSOCKET,
    Case,
    Catalogue,
    Ending,
    Kind,
    answers,
    census,
    closes,
    settle,
)
from tests.contracts.hostile_wsgi_apps import (
    ERRORS,
    EVERYWHERE,
    HEADERS,
    MORE_ERRORS,
    WRONG_BLOCKS,
)

CATALOGUE = Catalogue()
CASES = CATALOGUE.cases
case = CATALOGUE.case
LEAKING = Catalogue()
LEAKS = LEAKING.cases
"""An app that itself leaves a task behind at each request: the checks have to find it."""

ENDS = "RFC 9110 section 15.6.1; ASGI, HTTP: the server closes what an app leaves open"
MESSAGE = "ASGI, Events: a dict whose type is one of the protocol's, with fields of its types"
TURN = "ASGI, HTTP: one start, then bodies until more_body is false"
COROUTINE = "ASGI, Applications: a call gives an awaitable"
RECEIVE = "ASGI, HTTP, Request and Disconnect"
AGAIN = "ASGI: what belongs to one request cannot touch another"
TASKS = "asyncio: a task, a context and a loop that an app finds there are not its own"
SOCKET = "ASGI, WebSocket"
CODES = "RFC 6455 section 7.4, section 5.5: codes of a Close, reasons of 123 bytes"
EXACT = answers() + FAILED
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}
PART = {"type": "http.response.body", "body": b"o", "more_body": True}
LAST = {"type": "http.response.body", "body": b"k"}
NEVER_S = 3600


def app(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    """The app the path names; `/echo?TEXT` gives the text back, `/census` tells what is held."""
    if scope["type"] == "lifespan":
        return _lifespan(receive, send)
    name = scope["path"].lstrip("/")
    if name in ("echo", "census"):
        return _own(name, scope["query_string"], send)
    return (CASES.get(name) or LEAKS[name]).app(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _own(name: str, query: bytes, send: Any) -> None:
    body = query
    if name == "census":
        if query == b"settle":
            settle()
        body = json.dumps({**census(), "tasks": len(asyncio.all_tasks())}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# Exceptions, by where they are raised.


def raises_before(messages: list[Any], waits: bool, make: Any) -> Any:
    async def raising(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if waits:
            await asyncio.sleep(0)
        raise make()

    return raising


def raises_in_call(make: Any, scope: Any, receive: Any, send: Any) -> Any:
    raise make()


STATES: dict[str, tuple[list[Any], Any, bool | None]] = {
    "at-once": ([], FAILED, None),
    "after-start": ([START], FAILED_OR_BROKEN, None),
    "after-part": ([START, PART], BROKEN, None),
    "after-all": ([START, BODY], answers(), True),
}
for _error, _make in {**ERRORS, **MORE_ERRORS}.items():
    CATALOGUE.add(
        Case(f"{_error}-in-call", Kind.RAISES, partial(raises_in_call, _make), FAILED, ENDS)
    )
    for _state, (_messages, _right, _logged) in STATES.items():
        for _waits in (False, True):
            if _error not in ERRORS and (_waits or _state == "after-start"):
                continue
            CATALOGUE.add(
                Case(
                    f"{_error}-{_state}{'-and-a-wait' if _waits else ''}",
                    Kind.RAISES,
                    raises_before(_messages, _waits, _make),
                    _right,
                    ENDS,
                    is_logged=_logged,
                )
            )


@case("raises-in-finally", Kind.RAISES, BROKEN, ENDS)
async def raises_in_finally(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    try:
        await send(PART)
        raise ValueError
    finally:
        await asyncio.sleep(0)
        raise SystemExit


@case("endless-recursion", Kind.RAISES, FAILED, ENDS)
async def endless_recursion(scope: Any, receive: Any, send: Any) -> None:
    await endless_recursion(scope, receive, send)


# Bodies.


async def _sent(send: Any, *messages: Any) -> None:
    for message in messages:
        await send(message)


def _send_all(messages: tuple[Any, ...], _scope: Any, _receive: Any, send: Any) -> Any:
    return _sent(send, *messages)


def sends(*messages: Any) -> Any:
    """An app that sends these and returns."""
    return partial(_send_all, messages)


for _name, (_block, _right) in WRONG_BLOCKS.items():
    _right = FAILED + answers(b"") if _name in ("none", "zero") else _right
    CATALOGUE.add(
        Case(
            f"{_name}-as-body",
            Kind.BLOCKS,
            sends(START, {**BODY, "body": _block}),
            _right,
            MESSAGE,
        )
    )
for _name in ("str", "int", "list", "file"):
    _block = WRONG_BLOCKS[_name][0]
    for _way, _messages, _right in (
        ("second-body", [START, PART, {**BODY, "body": _block}], BROKEN),
        ("first-part", [START, {**PART, "body": _block}, LAST], FAILED_OR_BROKEN),
    ):
        CATALOGUE.add(Case(f"{_name}-as-{_way}", Kind.BLOCKS, sends(*_messages), _right, MESSAGE))

# The start of a response.

STATUSES: dict[str, tuple[Any, Any]] = {
    "none": (None, FAILED),
    "str": ("200", FAILED),
    "bytes": (b"200", FAILED),
    "line": ("200 OK", FAILED),
    "float": (200.0, EXACT),
    "true": (True, FAILED),
    "list": ([200], FAILED),
    "0": (0, FAILED),
    "negative": (-200, FAILED),
    "99": (99, FAILED),
    "interim": (100, FAILED),
    "switching": (101, FAILED),
    "600": (600, FAILED),
    "1000": (1000, FAILED),
    "huge": (10**30, FAILED),
    "enum": (HTTPStatus.OK, answers()),
}
for _name, (_status, _right) in STATUSES.items():
    CATALOGUE.add(
        Case(
            f"status-{_name}",
            Kind.START,
            sends({**START, "status": _status}, BODY),
            _right,
            "ASGI, HTTP, Response Start: an int; RFC 9110 section 15: 100 to 599",
        )
    )
for _name, _messages, _right, _reason in (
    ("no-start", [BODY], FAILED, TURN),
    ("no-start-and-nothing", [], FAILED, TURN),
    ("start-only", [START], FAILED_OR_BROKEN, TURN),
    ("start-twice", [START, START, BODY], FAILED_OR_BROKEN, TURN),
    ("part-only", [START, PART], BROKEN, TURN),
    ("start-within", [START, PART, START], BROKEN, TURN),
    ("unknown-type", [{"type": "http.response.unknown"}, START, BODY], FAILED, MESSAGE),
    ("unknown-type-within", [START, PART, {"type": "x"}, LAST], BROKEN, MESSAGE),
    ("message-of-another-protocol", [{"type": "websocket.accept"}], FAILED, MESSAGE),
    ("message-for-the-app", [{"type": "http.request"}, START, BODY], FAILED, MESSAGE),
    ("type-none", [{"type": None}], FAILED, MESSAGE),
    ("type-bytes", [{**START, "type": b"http.response.start"}, BODY], FAILED, MESSAGE),
    ("type-list", [{"type": []}], FAILED, MESSAGE),
    ("no-type", [{"status": 200}], FAILED, MESSAGE),
    ("no-status", [{"type": "http.response.start"}, BODY], FAILED, MESSAGE),
    ("message-none", [None], FAILED, MESSAGE),
    ("message-str", ["http.response.start"], FAILED, MESSAGE),
    ("message-list", [[]], FAILED, MESSAGE),
    ("message-int", [5], FAILED, MESSAGE),
    ("message-user-dict", [UserDict(START), UserDict(BODY)], EXACT, MESSAGE),
    ("without-headers", [{"type": "http.response.start", "status": 200}, BODY], answers(), TURN),
    ("without-body", [START, {"type": "http.response.body"}], answers(b""), TURN),
    ("more-body-str", [START, {**PART, "more_body": "yes"}, LAST], EXACT, MESSAGE),
):
    CATALOGUE.add(Case(_name, Kind.START, sends(*_messages), _right, _reason))
for _name, _messages in (
    ("body-after-the-end", [START, BODY, BODY]),
    ("start-after-the-end", [START, BODY, START]),
    ("unknown-after-the-end", [START, BODY, {"type": "x"}]),
    ("none-after-the-end", [START, BODY, None]),
):
    CATALOGUE.add(Case(_name, Kind.START, sends(*_messages), answers(), TURN, is_logged=True))


def uses(extension: str, *messages: Any) -> Any:
    """An app that sends what belongs to an extension, of which the server has not told."""

    async def using(scope: Any, receive: Any, send: Any) -> None:
        if extension in scope.get("extensions", {}):
            raise ValueError("this server has it")
        await _sent(send, *messages)

    return using


for _extension, _messages, _right in (
    ("pathsend", [{"type": "http.response.pathsend", "path": "/etc/hostname"}], FAILED),
    ("push", [{"type": "http.response.push", "path": "/x", "headers": []}, START, BODY], FAILED),
):
    CATALOGUE.add(
        Case(
            f"extension-{_extension}",
            Kind.START,
            uses(f"http.response.{_extension}", *_messages),
            _right,
            "ASGI extensions: only what the scope offers",
        )
    )
CATALOGUE.add(
    Case(
        "trailers-after-the-end",
        Kind.START,
        sends(START, PART, LAST, {"type": "http.response.trailers", "headers": []}),
        answers(),
        "ASGI, HTTP Trailers: only when the start announces them",
        is_logged=True,
    )
)

# Header fields: those of the WSGI apps, as bytes, and types that only ASGI can get wrong.


def as_bytes(part: Any) -> Any:
    return part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part


async def with_generator(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, {**START, "headers": (pair for pair in [(b"x-a", b"b")])}, BODY)


FIELDS = "ASGI, HTTP, Response Start: an iterable of pairs of byte strings"
RAW_HEADERS: dict[str, tuple[Any, Any, str]] = {
    name: ([tuple(map(as_bytes, pair)) for pair in headers], right, reason)
    for name, (headers, right, reason) in HEADERS.items()
    if isinstance(headers, list)
    and all(type(pair) is tuple for pair in headers)
    and not name.startswith(("bytes", "euro", "surrogate", "latin", "int", "none", "two-letters"))
}
RAW_HEADERS |= {
    "none": (None, EXACT, FIELDS),
    "int": (5, FAILED, FIELDS),
    "str": ("X: y", FAILED, FIELDS),
    "bytes": (b"X: y", FAILED, FIELDS),
    "dict": ({b"X-A": b"b"}, FAILED, FIELDS),
    "list-of-bytes": ([b"X: y"], FAILED, FIELDS),
    "list-of-none": ([None], FAILED, FIELDS),
    "lists": ([[b"x-a", b"b"]], answers(), FIELDS),
    "generator": ("GENERATOR", answers() + FAILED, FIELDS),
    "str-pair": ([("x-a", "b")], EXACT, FIELDS),
    "str-name": ([("x-a", b"b")], FAILED, FIELDS),
    "str-value": ([(b"x-a", "b")], FAILED, FIELDS),
    "str-pair-behind-bytes": ([(b"x-a", b"b"), ("x-b", "c")], EXACT, FIELDS),
    "none-value": ([(b"x-a", None)], FAILED, FIELDS),
    "int-value": ([(b"x-a", 5)], FAILED, FIELDS),
    "int-length": ([(b"content-length", 2)], FAILED, FIELDS),
    "bytearray-value": ([(b"x-a", bytearray(b"b"))], EXACT, FIELDS),
    "latin-1": ([(b"x-a", b"\xe9")], answers(), FIELDS),
    "upper-case": ([(b"X-Upper", b"b")], EXACT, FIELDS),
    "pseudo": ([(b":status", b"404")], FAILED, FIELDS),
}
for _name, (_headers, _right, _reason) in RAW_HEADERS.items():
    _kind = Kind.LENGTHS if "length" in _name else Kind.HEADERS
    _app = sends({**START, "headers": _headers}, BODY)
    if _headers == "GENERATOR":
        _app = with_generator
    # A server may send the head before it sees content: an unfit one can only end it then.
    CATALOGUE.add(Case(f"headers-{_name}", _kind, _app, _right, _reason))
    if _name in ("newline", "chunked", "two-lengths", "negative-length", "str-value"):
        CATALOGUE.add(
            Case(
                f"headers-{_name}-in-parts",
                _kind,
                sends({**START, "headers": _headers}, PART, LAST),
                _right,
                _reason,
            )
        )


@case("headers-changed-after-start", Kind.HEADERS, EXACT, FIELDS)
async def headers_changed_after_start(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-a", b"b")]
    await send({**START, "headers": headers})
    headers.append((b"x-b", b"c\r\nX-Split: yes"))
    await send(BODY)


# Lengths and content.


def of_length(status: int, length: int, *parts: bytes) -> Any:
    headers = [(b"content-length", str(length).encode())]
    bodies = [{**PART, "body": part} for part in parts[:-1]] + [{**BODY, "body": parts[-1]}]
    return sends({**START, "status": status, "headers": headers}, *bodies)


TOO_MUCH = "RFC 9110 section 8.6: no more than it is sent, or an error"
TOO_LITTLE = "RFC 9112 section 8: an incomplete message; only the end of the connection tells it"
NO_CONTENT = "RFC 9110 section 6.4.1: 204 and 304 have no content"
NO_BODY = "RFC 9110 section 9.3.2: no content in the response to HEAD"
CUT = answers() + FAILED
for _name, _length, _parts, _right, _reason in (
    ("too-small-length", 2, [b"okay"], CUT + BROKEN, TOO_MUCH),
    ("too-small-length-in-parts", 2, [b"o", b"kay"], CUT + BROKEN, TOO_MUCH),
    ("too-small-length-by-a-part", 2, [b"ok", b"ay"], CUT + BROKEN, TOO_MUCH),
    ("length-0-with-content", 0, [b"okay"], answers(b"") + FAILED, TOO_MUCH),
    ("too-large-length", 9, [b"ok"], FAILED_OR_BROKEN, TOO_LITTLE),
    ("too-large-length-in-parts", 9, [b"o", b"k"], FAILED_OR_BROKEN, TOO_LITTLE),
    ("length-without-content", 9, [b""], FAILED_OR_BROKEN, TOO_LITTLE),
):
    CATALOGUE.add(
        Case(_name, Kind.LENGTHS, of_length(200, _length, *_parts), _right, _reason, may_log=True)
    )
for _status in (204, 304):
    for _way, _parts in {"": [b"okay"], "-in-parts": [b"ok", b"ay"]}.items():
        CATALOGUE.add(
            Case(
                f"content-with-{_status}{_way}",
                Kind.LENGTHS,
                of_length(_status, 4, *_parts),
                answers(b"", _status) + FAILED,
                NO_CONTENT,
                may_log=True,
            )
        )
for _name, _app in {
    "content-with-head": of_length(200, 4, b"okay"),
    "content-with-head-in-parts": of_length(200, 4, b"ok", b"ay"),
    "content-with-head-without-length": sends(START, PART, LAST),
    "less-with-head-than-announced": of_length(200, 9, b""),
}.items():
    CATALOGUE.add(Case(_name, Kind.LENGTHS, _app, answers(b""), NO_BODY, HEAD))


# The request's content.


async def _read_all(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


@case("reads-nothing", Kind.BODY, answers(), RECEIVE, request=SMALL_POST)
@case("reads-nothing-chunked", Kind.BODY, answers(), RECEIVE, request=CHUNKED_POST)
@case("reads-nothing-of-much", Kind.BODY, answers(), RECEIVE, request=LARGE_POST)
async def reads_nothing(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)


@case("reads-nothing-and-waits", Kind.BODY, answers(), RECEIVE, request=LARGE_POST)
async def reads_nothing_and_waits(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.001)
    await _sent(send, START, BODY)


@case("reads-a-part-of-much", Kind.BODY, answers(), RECEIVE, request=LARGE_POST)
async def reads_a_part_of_much(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await _sent(send, START, BODY)


@case("answers-then-reads", Kind.BODY, answers(), RECEIVE, request=LARGE_POST)
async def answers_then_reads(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)
    while (await receive())["type"] != "http.disconnect":
        pass


@case("starts-then-reads", Kind.BODY, answers(), RECEIVE, request=LARGE_POST)
async def starts_then_reads(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await _read_all(receive)
    await send(BODY)


@case("raises-before-reading", Kind.BODY, FAILED, ENDS, request=LARGE_POST)
async def raises_before_reading(scope: Any, receive: Any, send: Any) -> None:
    raise SystemExit


@case("returns-before-reading", Kind.BODY, FAILED, ENDS, request=LARGE_POST)
async def returns_before_reading(scope: Any, receive: Any, send: Any) -> None:
    return


@case("breaks-off-unread", Kind.BODY, BROKEN, ENDS, request=LARGE_POST)
async def breaks_off_unread(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, PART)
    raise SystemExit


@case("reads-behind-the-end", Kind.BODY, answers(), RECEIVE, request=SMALL_POST)
async def reads_behind_the_end(scope: Any, receive: Any, send: Any) -> None:
    await _read_all(receive)
    waiting = asyncio.ensure_future(receive())
    await _sent(send, START, BODY)
    if (await waiting)["type"] != "http.disconnect":
        raise ValueError("the response is out")


@case("reads-in-two-tasks", Kind.BODY, EXACT, RECEIVE, request=SMALL_POST)
async def reads_in_two_tasks(scope: Any, receive: Any, send: Any) -> None:
    reading = [asyncio.ensure_future(receive()) for _ in range(2)]
    await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    await _sent(send, START, BODY)
    await asyncio.wait(reading)


@case("reads-on-after-disconnect", Kind.BODY, answers(), RECEIVE)
async def reads_on_after_disconnect(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)
    for _ in range(100):
        await receive()


@case("gives-up-reading", Kind.BODY, answers(), RECEIVE)
async def gives_up_reading(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    try:
        async with asyncio.timeout(0):
            await receive()
    except TimeoutError:
        await _sent(send, START, BODY)


@case("changes-the-message", Kind.BODY, answers(), RECEIVE, request=SMALL_POST)
async def changes_the_message(scope: Any, receive: Any, send: Any) -> None:
    (await receive()).clear()
    await _sent(send, START, BODY)


# Objects that an app changes and keeps.

KEPT: dict[str, Any] = {}
"""Objects that an app keeps for its next call."""


@case("clears-the-scope", Kind.KEEPS, answers(), AGAIN)
async def clears_the_scope(scope: Any, receive: Any, send: Any) -> None:
    scope.clear()
    await _sent(send, START, BODY)


@case("clears-the-scope-and-raises", Kind.KEEPS, FAILED, AGAIN)
async def clears_the_scope_and_raises(scope: Any, receive: Any, send: Any) -> None:
    scope.clear()
    raise SystemExit


@case("fills-the-scope-with-none", Kind.KEEPS, EXACT, AGAIN)
async def fills_the_scope_with_none(scope: Any, receive: Any, send: Any) -> None:
    for key in [*scope, "route", "endpoint", "path_params", "router"]:
        scope[key] = None
    await _sent(send, START, BODY)


@case("odd-things-in-the-scope", Kind.KEEPS, EXACT, AGAIN)
async def odd_things_in_the_scope(scope: Any, receive: Any, send: Any) -> None:
    class Odd:
        def __str__(self) -> str:
            raise SystemExit

        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

        def __bool__(self) -> bool:
            raise GeneratorExit

    for key in ("servescope.route", "route", "endpoint", "path_params", "path", "root_path"):
        scope[key] = Odd()
    await _sent(send, START, BODY)


@case("changes-the-headers-of-the-scope", Kind.KEEPS, answers(), AGAIN)
async def changes_the_headers_of_the_scope(scope: Any, receive: Any, send: Any) -> None:
    if any(name == b"x-mark" for name, _ in scope["headers"]) or scope["asgi"].get("mark"):
        raise ValueError("the scope is one for all")
    if isinstance(scope["headers"], list):  # any iterable will do
        scope["headers"].append((b"x-mark", b"yes"))
    scope["asgi"]["mark"] = True
    await _sent(send, START, BODY)


MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="ok")


@case("changes-the-context", Kind.KEEPS, answers(), TASKS)
async def changes_the_context(scope: Any, receive: Any, send: Any) -> None:
    found = MARK.get()
    MARK.set("of another request")
    await _sent(send, START, {**BODY, "body": found.encode()})


@case("changes-the-context-and-waits", Kind.KEEPS, answers(), TASKS)
async def changes_the_context_and_waits(scope: Any, receive: Any, send: Any) -> None:
    found = MARK.get()
    MARK.set("of another request")
    await asyncio.sleep(0)
    await _sent(send, START, {**BODY, "body": found.encode()})


@case("sends-to-the-last-response", Kind.KEEPS, answers(), AGAIN)
async def sends_to_the_last_response(scope: Any, receive: Any, send: Any) -> None:
    last = KEPT.get("send")
    KEPT["send"] = send
    if last is not None:
        with suppress(Exception):  # to refuse is right
            await _sent(last, START, {**BODY, "body": b"late"})
    await _sent(send, START, BODY)


@case("sends-to-the-broken-response", Kind.KEEPS, BROKEN, AGAIN)
async def sends_to_the_broken_response(scope: Any, receive: Any, send: Any) -> None:
    last = KEPT.get("broken")
    KEPT["broken"] = send
    if last is not None:
        with suppress(Exception):  # to refuse is right
            await _sent(last, PART, LAST)
    await _sent(send, START, PART)


async def _quietly(*coroutines: Any) -> None:
    """A task left behind: nobody hears how it ends."""
    for coroutine in coroutines:
        with suppress(BaseException):
            await coroutine


def leave(*coroutines: Any) -> None:
    task = asyncio.ensure_future(_quietly(*coroutines))
    LEFT.add(task)
    task.add_done_callback(LEFT.discard)


LEFT: set[Any] = set()
"""Tasks left behind, which the loop would forget."""


@case("sends-when-it-has-returned", Kind.KEEPS, answers(), AGAIN)
async def sends_when_it_has_returned(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)
    leave(asyncio.sleep(0), _sent(send, START, {**BODY, "body": b"late"}))


@case("leaves-the-response-to-a-task", Kind.KEEPS, EXACT, AGAIN)
async def leaves_the_response_to_a_task(scope: Any, receive: Any, send: Any) -> None:
    leave(asyncio.sleep(0), _sent(send, START, BODY))


@case("receives-when-it-has-returned", Kind.KEEPS, answers(), AGAIN, request=SMALL_POST)
async def receives_when_it_has_returned(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)
    leave(asyncio.sleep(0), receive(), receive())


@case("awaits-no-send", Kind.KEEPS, EXACT, "ASGI: a server may do its work in the await")
async def awaits_no_send(scope: Any, receive: Any, send: Any) -> None:
    for message in (START, BODY):
        close = getattr(send(message), "close", None)  # else Python warns of it
        if close is not None:
            close()


# Calls that give no coroutine, or a foreign one.


class Awaitable:
    """Awaited by its own `__await__`."""

    def __init__(self, steps: Any) -> None:
        self._steps = steps

    def __await__(self) -> Any:
        return self._steps()


def gives(made: Any, _scope: Any, _receive: Any, _send: Any) -> Any:
    return made


class Yielding:
    """Yields something no event loop knows."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Any:
        yield self._value


for _name, _made in {
    "none": None,
    "int": 5,
    "bytes": b"ok",
    "class": Awaitable,
}.items():
    CATALOGUE.add(
        Case(
            f"call-gives-{_name}",
            Kind.CALLABLE,
            partial(gives, _made),
            FAILED,
            COROUTINE,
        )
    )


@case("async-generator", Kind.CALLABLE, FAILED, COROUTINE)
async def async_generator(scope: Any, receive: Any, send: Any) -> Any:
    await _sent(send, START, BODY)
    yield


@case("plain-generator", Kind.CALLABLE, FAILED, COROUTINE)
def plain_generator(scope: Any, receive: Any, send: Any) -> Any:
    yield


@case("await-gives-none", Kind.CALLABLE, FAILED, COROUTINE)
def await_gives_none(scope: Any, receive: Any, send: Any) -> Any:
    return Awaitable(lambda: None)


@case("await-exits", Kind.CALLABLE, FAILED, COROUTINE)
def await_exits(scope: Any, receive: Any, send: Any) -> Any:
    return Awaitable(partial(raises_in_call, SystemExit, None, None, None))


@case("call-gives-a-task", Kind.CALLABLE, EXACT, COROUTINE)
def call_gives_a_task(scope: Any, receive: Any, send: Any) -> Any:
    return asyncio.ensure_future(_sent(send, START, BODY))


@case("call-gives-a-failed-future", Kind.CALLABLE, FAILED, COROUTINE)
def call_gives_a_failed_future(scope: Any, receive: Any, send: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(ValueError("on purpose"))
    return future


@case("call-gives-a-used-coroutine", Kind.CALLABLE, FAILED, COROUTINE)
def call_gives_a_used_coroutine(scope: Any, receive: Any, send: Any) -> Any:
    coroutine = _sent(send)
    coroutine.close()
    return coroutine


@case("call-answers-and-gives-none", Kind.CALLABLE, EXACT, COROUTINE, may_log=True)
def call_answers_and_gives_none(scope: Any, receive: Any, send: Any) -> Any:
    for message in (START, BODY):
        close = getattr(send(message), "close", None)
        if close is not None:
            close()


for _name, _value in {
    "int": 5,
    "str": "text",
    "dict-like": UserDict(),
}.items():
    for _state, _messages, _right in (
        ("at-once", [], FAILED),
        ("after-part", [START, PART], BROKEN),
    ):

        def _foreign(value: Any, messages: list[Any]) -> Any:
            async def foreign(scope: Any, receive: Any, send: Any) -> None:
                await _sent(send, *messages)
                await Yielding(value)

            return foreign

        CATALOGUE.add(
            Case(
                f"yields-{_name}-{_state}",
                Kind.CALLABLE,
                _foreign(_value, _messages),
                _right,
                "asyncio: a task raises RuntimeError at what is no future",
            )
        )


@case("awaits-future-of-another-loop", Kind.CALLABLE, FAILED, TASKS)
async def awaits_future_of_another_loop(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.new_event_loop()
    try:
        await loop.create_future()
    finally:
        loop.close()


@case("runs-a-loop-of-its-own", Kind.CALLABLE, FAILED, TASKS)
async def runs_a_loop_of_its_own(scope: Any, receive: Any, send: Any) -> None:
    coroutine = _sent(send, START, BODY)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


@case("awaits-itself", Kind.CALLABLE, FAILED, TASKS)
async def awaits_itself(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    await asyncio.current_task()  # type: ignore[misc]


# Tasks and the loop.


@case("cancels-itself", Kind.LOOP, FAILED, TASKS)
async def cancels_itself(scope: Any, receive: Any, send: Any) -> None:
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await asyncio.sleep(0)


@case("cancels-itself-and-answers", Kind.LOOP, answers(), TASKS)
async def cancels_itself_and_answers(scope: Any, receive: Any, send: Any) -> None:
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await _sent(send, START, BODY)


@case("swallows-its-cancellation", Kind.LOOP, answers(), TASKS)
async def swallows_its_cancellation(scope: Any, receive: Any, send: Any) -> None:
    for _ in range(3):
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(NEVER_S)
    await _sent(send, START, BODY)


@case("is-cancelled-by-another", Kind.LOOP, BROKEN, TASKS)
async def is_cancelled_by_another(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, PART)
    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]
    await asyncio.sleep(NEVER_S)


async def _cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


@case("cancels-all-tasks", Kind.LOOP, answers(), TASKS)
async def cancels_all_tasks(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, START, BODY)
    await _cancel_all()


@case("cancels-all-tasks-after-a-wait", Kind.LOOP, FAILED, TASKS)
async def cancels_all_tasks_after_a_wait(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    await _cancel_all()
    await asyncio.sleep(NEVER_S)


@case("waits-beside-all-that-cancel", Kind.LOOP, answers(), TASKS)
async def waits_beside_all_that_cancel(scope: Any, receive: Any, send: Any) -> None:
    asyncio.get_running_loop().call_soon(asyncio.ensure_future, _cancel_all_but_itself())
    for _ in range(3):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    await _sent(send, START, BODY)


async def _cancel_all_but_itself() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@case("stops-the-loop", Kind.LOOP, answers(), TASKS, may_log=True)
async def stops_the_loop(scope: Any, receive: Any, send: Any) -> None:
    asyncio.get_running_loop().stop()
    await _sent(send, START, BODY)


@case("stops-the-loop-and-waits", Kind.LOOP, answers(), TASKS, may_log=True)
async def stops_the_loop_and_waits(scope: Any, receive: Any, send: Any) -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    await _sent(send, START, BODY)


@case("closes-the-loop", Kind.LOOP, FAILED, TASKS)
async def closes_the_loop(scope: Any, receive: Any, send: Any) -> None:
    asyncio.get_running_loop().close()


for _error in ("value-error", "system-exit", "keyboard-interrupt", "base-exception"):

    def _in_callback(make: Any) -> Any:
        async def in_callback(scope: Any, receive: Any, send: Any) -> None:
            def fail() -> None:
                raise make()

            asyncio.get_running_loop().call_soon(fail)
            await asyncio.sleep(0.001)
            await _sent(send, START, BODY)

        return in_callback

    def _in_task(make: Any) -> Any:
        async def in_task(scope: Any, receive: Any, send: Any) -> None:
            async def fail() -> None:
                raise make()

            task = asyncio.ensure_future(fail())
            await asyncio.wait([task])
            task.exception()  # else the loop tells of it when it forgets the task
            await _sent(send, START, BODY)

        return in_task

    CATALOGUE.add(
        Case(
            f"{_error}-in-a-callback",
            Kind.LOOP,
            _in_callback(ERRORS[_error]),
            answers(),
            TASKS,
            may_log=True,
        )
    )
    CATALOGUE.add(
        Case(
            f"{_error}-in-a-task",
            Kind.LOOP,
            _in_task(ERRORS[_error]),
            answers(),
            TASKS,
            may_log=True,
        )
    )


@case("exit-on-a-thread", Kind.LOOP, FAILED, TASKS)
async def exit_on_a_thread(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.get_running_loop().run_in_executor(
        None, partial(raises_in_call, ERRORS["value-error"], None, None, None)
    )


# WebSocket.

ACCEPT = {"type": "websocket.accept"}
TEXT = {"type": "websocket.send", "text": "ok"}
CLOSE = {"type": "websocket.close"}
DENIAL = {"type": "websocket.http.response.start", "status": 401, "headers": []}
DENIED = {"type": "websocket.http.response.body", "body": b"ok"}
REFUSED = answers(None, 403)
FAILED_OR_DENIED = (*FAILED, Ending(401, is_whole=False))


def socket_case(
    name: str, messages: list[Any], right: tuple[Ending, ...], reason: str = SOCKET, **more: Any
) -> None:
    CATALOGUE.add(
        Case(f"socket-{name}", Kind.WEBSOCKET, sends(*messages), right, reason, WEBSOCKET, **more)
    )


BROKEN_SOCKET = closes(1011)
for _error, _make in ERRORS.items():
    for _state, _messages, _right, _logged in (
        ("at-once", [], FAILED + REFUSED, True),  # the specification leaves it open
        ("when-open", [ACCEPT, TEXT], BROKEN_SOCKET, True),
        ("when-closed", [ACCEPT, CLOSE], closes(1000), True),
        ("when-refused", [CLOSE], REFUSED, True),
    ):
        for _waits in (False, True):
            if _waits and _error not in EVERYWHERE:
                continue
            CATALOGUE.add(
                Case(
                    f"socket-{_error}-{_state}{'-and-a-wait' if _waits else ''}",
                    Kind.WEBSOCKET,
                    raises_before(_messages, _waits, _make),
                    _right,
                    ENDS,
                    WEBSOCKET,
                    is_logged=_logged,
                )
            )
UNFIT = {"is_logged": True}
for _name, _messages in {
    "accept-twice": [ACCEPT, ACCEPT],
    "unknown-type": [ACCEPT, {"type": "websocket.unknown"}],
    "type-none": [ACCEPT, {"type": None}],
    "type-list": [ACCEPT, {"type": []}],
    "no-type": [ACCEPT, {}],
    "message-none": [ACCEPT, None],
    "message-str": [ACCEPT, "websocket.close"],
    "message-of-another-protocol": [ACCEPT, START],
    "send-nothing": [ACCEPT, {"type": "websocket.send"}],
    "send-none-twice": [ACCEPT, {"type": "websocket.send", "text": None, "bytes": None}],
    "send-int": [ACCEPT, {"type": "websocket.send", "text": 5}],
    "send-list": [ACCEPT, {"type": "websocket.send", "bytes": [b"ok"]}],
    "send-str-as-bytes": [ACCEPT, {"type": "websocket.send", "bytes": "ok"}],
    "send-bytes-as-text": [ACCEPT, {"type": "websocket.send", "text": b"ok"}],
    "send-surrogate": [ACCEPT, {"type": "websocket.send", "text": "\udc80"}],
    "denial-when-open": [ACCEPT, DENIAL],
}.items():
    socket_case(_name, _messages, BROKEN_SOCKET, MESSAGE, **UNFIT)
socket_case(
    "send-both",
    [ACCEPT, {"type": "websocket.send", "text": "ok", "bytes": b"ok"}, CLOSE],
    BROKEN_SOCKET + closes(1000),
    MESSAGE,
    may_log=True,
)
for _name, _code in {
    "999": 999,
    "0": 0,
    "negative": -1,
    "1004": 1004,
    "1005": 1005,
    "1006": 1006,
    "1015": 1015,
    "2000": 2000,
    "5000": 5000,
    "70000": 70_000,
    "str": "1000",
    "float": 1000.5,
    "list": [1000],
}.items():
    socket_case(f"code-{_name}", [ACCEPT, {**CLOSE, "code": _code}], BROKEN_SOCKET, CODES, **UNFIT)
for _name, _reason_given in {
    "surrogate": "\udc80",
    "int": 5,
    "bytes": b"bye",
}.items():
    socket_case(
        f"reason-{_name}",
        [ACCEPT, {**CLOSE, "reason": _reason_given}],
        BROKEN_SOCKET,
        CODES,
        **UNFIT,
    )
for _name, _reason_given in {"long": "x" * 124, "long-in-utf-8": "é" * 62}.items():
    socket_case(
        f"reason-{_name}",
        [ACCEPT, {**CLOSE, "reason": _reason_given}],
        BROKEN_SOCKET + closes(1000),  # it may be cut
        CODES,
    )
for _name, _messages, _right, _logged in (
    ("code-none", [ACCEPT, {**CLOSE, "code": None}], closes(1000, 1005) + BROKEN_SOCKET, None),
    ("code-4999", [ACCEPT, {**CLOSE, "code": 4999}], closes(4999), False),
    ("reason-none", [ACCEPT, {**CLOSE, "reason": None}], closes(1000), False),
    ("returns-at-once", [], FAILED + REFUSED, None),
    ("returns-when-open", [ACCEPT], closes(1000, 1006, 1011), False),
    ("closes-at-once", [CLOSE], REFUSED, False),
    ("sends-at-once", [TEXT], FAILED + REFUSED, True),
    ("denies", [DENIAL, DENIED], answers(b"ok", 401), False),
    ("starts-a-denial", [DENIAL], FAILED_OR_DENIED, True),
    ("denies-half", [DENIAL, {**DENIED, "more_body": True}], (Ending(401, is_whole=False),), True),
    ("denies-without-start", [DENIED], FAILED, True),
    ("denies-with-str", [DENIAL, {**DENIED, "body": "text"}],
     FAILED_OR_DENIED, True),
    ("denies-with-101", [{**DENIAL, "status": 101}, DENIED], FAILED, True),
    ("denies-with-none", [{**DENIAL, "status": None}, DENIED], FAILED, True),
    ("denies-with-unfit-header", [{**DENIAL, "headers": [(b"x-a", b"b\r\nX-Split: yes")]}, DENIED],
     FAILED, True),
    ("accepts-within-denial", [DENIAL, ACCEPT], FAILED_OR_DENIED, True),
    ("unfit-subprotocol", [{**ACCEPT, "subprotocol": "a\r\nX-Split: yes"}], FAILED, True),
    ("subprotocol-nobody-offered", [{**ACCEPT, "subprotocol": "chat"}, CLOSE],
     FAILED + closes(1000), None),
    ("int-subprotocol", [{**ACCEPT, "subprotocol": 5}], FAILED, True),
    ("unfit-header", [{**ACCEPT, "headers": [(b"x-a", b"b\r\nX-Split: yes")]}], FAILED, True),
    ("str-header", [{**ACCEPT, "headers": [("x-a", "b")]}, CLOSE], FAILED + closes(1000), None),
    ("none-header", [{**ACCEPT, "headers": [None]}], FAILED, True),
    ("own-accept-key", [{**ACCEPT, "headers": [(b"sec-websocket-accept", b"x")]}, CLOSE],
     FAILED + closes(1000), None),
    ("own-content-length", [{**ACCEPT, "headers": [(b"content-length", b"5")]}, CLOSE],
     FAILED + closes(1000), None),
    ("accept-with-404", [{**ACCEPT, "status": 404}, CLOSE], closes(1000), False),
):  # fmt: skip
    socket_case(_name, _messages, _right, is_logged=_logged)
for _name, _messages, _right in (
    ("send-after-close", [ACCEPT, CLOSE, TEXT], closes(1000)),
    ("close-twice", [ACCEPT, CLOSE, CLOSE], closes(1000)),
    ("accept-after-close", [ACCEPT, CLOSE, ACCEPT], closes(1000)),
    ("accept-after-refusal", [CLOSE, ACCEPT], REFUSED),
    ("send-after-refusal", [CLOSE, TEXT], REFUSED),
    ("send-after-denial", [DENIAL, DENIED, TEXT], answers(b"ok", 401)),
):
    # Whether that is a fault, or the usual race with a client that closes, is the server's view.
    socket_case(_name, _messages, _right, may_log=True)


@case(
    "socket-sends-when-it-has-returned", Kind.WEBSOCKET, closes(1000, 1006, 1011), AGAIN,
    request=WEBSOCKET,
)  # fmt: skip
async def socket_sends_when_it_has_returned(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, ACCEPT)
    leave(asyncio.sleep(0), _sent(send, TEXT))


@case("socket-cancels-itself", Kind.WEBSOCKET, BROKEN_SOCKET, TASKS, request=WEBSOCKET, **UNFIT)
async def socket_cancels_itself(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, ACCEPT)
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await receive()
    await receive()


@case("socket-never-receives", Kind.WEBSOCKET, closes(1000), SOCKET, request=WEBSOCKET)
async def socket_never_receives(scope: Any, receive: Any, send: Any) -> None:
    await _sent(send, ACCEPT, TEXT, CLOSE)


@LEAKING.case("leaves-tasks", Kind.KEEPS, answers(), AGAIN)
async def leaves_tasks(scope: Any, receive: Any, send: Any) -> None:
    leave(asyncio.sleep(NEVER_S))
    await _sent(send, START, BODY)
