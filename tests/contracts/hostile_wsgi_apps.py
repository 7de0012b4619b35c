"""WSGI apps that break PEP 3333, or the machine below it; `CASES` says how each may end.

`app` is all of them: the path names the case.
"""

# ruff: noqa: ARG001 - the server calls all apps alike

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
from array import array
from contextlib import suppress
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

from tests.contracts.hostile_cases import (
    BROKEN,
    CHUNKED_POST,
    FAILED,
    FAILED_OR_BROKEN,
    HEAD,
    LARGE_POST,
    SMALL_POST,
    Case,
    Catalogue,
    Kind,
    NotAnException,
    OwnBase,
    UnprintableError,
    answers,
    census,
    settle,
)

CATALOGUE = Catalogue()
CASES = CATALOGUE.cases
case = CATALOGUE.case
LEAKING = Catalogue()
LEAKS = LEAKING.cases
"""Apps that themselves leave something behind at each request: the checks have to find it."""

OK = ("200 OK", [("Content-Type", "text/plain")])
HANDLING = "PEP 3333, Error Handling: servers trap exceptions and log them"
BYTES = "PEP 3333, A Note on String Types: blocks are of type bytes"
ITERABLE = "PEP 3333, Specification Overview: the result is an iterable of bytestrings"
START = "PEP 3333, The start_response() Callable"
FIELDS = "PEP 3333, The start_response() Callable: a list of pairs of native strings"
FIELD = "RFC 9110 section 5.5: no CR, LF or NUL in a field value"
HOP_BY_HOP = "PEP 3333, Other HTTP Features: no hop-by-hop header; RFC 9112 section 6"
LENGTH = "RFC 9110 section 8.6; PEP 3333, Handling the Content-Length Header"
WRAPPER = "PEP 3333, Optional Platform-Specific File Handling"
INPUT = "PEP 3333, Input and Error Streams"
ENVIRON = "PEP 3333, environ Variables: the app may change its dict in any way"
AGAIN = "PEP 3333: what belongs to one request cannot touch another"


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """The app the path names; `/echo?TEXT` gives the text back, `/census` tells what is held."""
    name = environ["PATH_INFO"].lstrip("/")
    if name == "census":
        if environ["QUERY_STRING"] == "settle":
            settle()
        body = json.dumps(census()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if name == "echo":
        body = environ["QUERY_STRING"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    return (CASES.get(name) or LEAKS[name]).app(environ, start_response)


# Exceptions, by where they are raised.

ERRORS: dict[str, Any] = {
    "value-error": partial(ValueError, "on purpose"),
    "system-exit": partial(SystemExit, 3),
    "keyboard-interrupt": KeyboardInterrupt,
    "generator-exit": GeneratorExit,
    "cancelled-error": asyncio.CancelledError,
    "base-exception": OwnBase,
}
MORE_ERRORS: dict[str, Any] = {
    "stop-iteration": StopIteration,
    "recursion-error": partial(RecursionError, "on purpose"),
    "memory-error": MemoryError,
    "os-error": partial(OSError, 5, "on purpose"),
    "broken-pipe": BrokenPipeError,
    "connection-reset": ConnectionResetError,
    "blocking-io": BlockingIOError,
    "timeout-error": TimeoutError,
    "exception-group": partial(ExceptionGroup, "on purpose", [ValueError()]),
    "unprintable": UnprintableError,
    "no-exception": NotAnException,
}


class Blocks:
    """An iterable whose `close` is the app's."""

    def __init__(self, blocks: Any, close: Any = None) -> None:
        self._blocks = iter(blocks)
        if close is not None:
            self.close = close

    def __iter__(self) -> Any:
        return self._blocks


def raise_it(make: Any) -> None:
    raise make()


def in_call(make: Any, environ: Any, start_response: Any) -> Any:
    raise make()


def after_start(make: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    raise make()


def in_iter(make: Any, environ: Any, start_response: Any) -> Any:
    class Iterable:
        def __iter__(self) -> Any:
            raise make()

    start_response(*OK)
    return Iterable()


def at_block(number: int, make: Any, environ: Any, start_response: Any) -> Any:
    class Iterator:
        """No generator, which would make RuntimeError of StopIteration."""

        def __init__(self) -> None:
            self.given = 0

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            if self.given == number:
                raise make()
            self.given += 1
            return b"block"

    start_response(*OK)
    return Iterator()


def in_finally(make: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    try:
        yield b"block"
    finally:
        raise make()


def in_close(make: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return Blocks([b"o", b"k"], partial(raise_it, make))


def in_close_of_one(make: Any, environ: Any, start_response: Any) -> Any:
    class Result(list):
        def close(self) -> None:
            raise make()

    start_response(*OK)
    return Result([b"ok"])


def after_write(make: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)(b"block")
    raise make()


def in_last_block_of_length(make: Any, environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "2")])
    yield b"ok"
    raise make()


POSITIONS = {
    "in-call": (in_call, FAILED, None),
    "after-start": (after_start, FAILED, None),
    "in-iter": (in_iter, FAILED, None),
    "at-block-1": (partial(at_block, 0), FAILED, None),
    "at-block-2": (partial(at_block, 1), BROKEN, None),
    "in-finally": (in_finally, BROKEN, None),
    "after-write": (after_write, BROKEN, None),
    "in-close": (in_close, answers(), True),
    "in-close-of-one": (in_close_of_one, answers(), True),
    "behind-length": (in_last_block_of_length, answers(), True),
}
"""Where it is raised, how that ends, and whether a whole response is a line of the log too."""

EVERYWHERE = ("value-error", "system-exit")
"""Raised at all positions; the others where the ways to catch them differ."""

for _position, (_act, _right, _logged) in POSITIONS.items():
    for _error, _make in ERRORS.items():
        if _error not in EVERYWHERE and _position not in ("in-call", "at-block-2", "in-close"):
            continue
        CATALOGUE.add(
            Case(
                f"{_error}-{_position}",
                Kind.RAISES,
                partial(_act, _make),
                _right,
                HANDLING,
                is_logged=_logged,
            )
        )
for _error, _make in MORE_ERRORS.items():
    for _position in ("in-call", "at-block-2", "in-close"):
        if (_error, _position) == ("stop-iteration", "at-block-2"):
            continue  # that is how an iterator ends
        _act, _right, _logged = POSITIONS[_position]
        CATALOGUE.add(
            Case(
                f"{_error}-{_position}",
                Kind.RAISES,
                partial(_act, _make),
                _right,
                HANDLING,
                is_logged=_logged,
            )
        )


@case("endless-recursion", Kind.RAISES, FAILED, HANDLING)
def endless_recursion(environ: Any, start_response: Any) -> Any:
    return endless_recursion(environ, start_response)


@case("memory-that-is-not-there", Kind.RAISES, FAILED, HANDLING)
def memory_that_is_not_there(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return [b"x" * 2**60]


@case("raises-in-block-and-close", Kind.RAISES, BROKEN, HANDLING)
def raises_in_block_and_close(environ: Any, start_response: Any) -> Any:
    def blocks() -> Any:
        yield b"block"
        raise SystemExit

    start_response(*OK)
    return Blocks(blocks(), partial(raise_it, KeyboardInterrupt))


@case("exit-on-a-thread", Kind.RAISES, answers(), HANDLING)
def exit_on_a_thread(environ: Any, start_response: Any) -> Any:
    thread = threading.Thread(target=partial(raise_it, SystemExit))
    thread.start()
    thread.join()
    start_response(*OK)
    return [b"ok"]


@case("raises-what-close-is", Kind.RAISES, answers(), HANDLING, is_logged=True)
def raises_what_close_is(environ: Any, start_response: Any) -> Any:
    class Result(list):
        @property
        def close(self) -> Any:
            raise SystemExit

    start_response(*OK)
    return Result([b"ok"])


@case("close-is-no-callable", Kind.RAISES, answers(), HANDLING, is_logged=True)
def close_is_no_callable(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return Blocks([b"ok"], 5)


# Results and blocks of wrong types.


class LyingBytes(bytes):
    """Bytes that tell a size that is not theirs."""

    def __len__(self) -> int:
        return 1


class LyingList(list):
    """Two blocks that tell they are one."""

    def __len__(self) -> int:
        return 1


class OldSequence:
    """An iterable by the old protocol only."""

    def __getitem__(self, at: int) -> bytes:
        return [b"o", b"k"][at]


EXACT = answers() + FAILED
WRONG_BLOCKS: dict[str, tuple[Any, Any]] = {
    "str": ("text", FAILED),
    "empty-str": ("", answers(b"") + FAILED),
    "none": (None, FAILED),
    "int": (5, FAILED),
    "zero": (0, FAILED),
    "list": ([b"ok"], FAILED),
    "bytearray": (bytearray(b"ok"), EXACT),
    "memoryview": (memoryview(b"ok"), EXACT),
    "array": (array("i", [1, 2]), answers(array("i", [1, 2]).tobytes()) + FAILED),
    "lying-bytes": (LyingBytes(b"ok"), EXACT),
    "file": (BytesIO(b"ok"), FAILED),
    "exception": (ValueError("on purpose"), FAILED),
}
"""A block, and how it ends as the only one."""


def one_block(block: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return [block]


def first_block(block: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    yield block


def second_block(block: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    yield b"block"
    yield block


def written(block: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)(block)
    return []


def written_second(block: Any, environ: Any, start_response: Any) -> Any:
    write = start_response(*OK)
    write(b"block")
    write(block)
    return []


for _name, (_block, _right) in WRONG_BLOCKS.items():
    for _way, _act in {"only": one_block, "first": first_block, "write": written}.items():
        # Nothing is said of what is empty: it is no text, no number and no content either.
        _falsy = answers(b"") if _name in ("none", "zero") and _way != "only" else ()
        CATALOGUE.add(
            Case(f"{_name}-as-{_way}", Kind.BLOCKS, partial(_act, _block), _right + _falsy, BYTES)
        )
for _name in ("str", "int", "list"):
    for _way, _act in {"second": second_block, "second-write": written_second}.items():
        _block = WRONG_BLOCKS[_name][0]
        CATALOGUE.add(Case(f"{_name}-as-{_way}", Kind.BLOCKS, partial(_act, _block), BROKEN, BYTES))


def result_of(result: Any, environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return result


RESULTS: dict[str, tuple[Any, Any]] = {
    "str": ("text", FAILED),
    "bytes": (b"ok", EXACT),
    "none": (None, FAILED),
    "int": (5, FAILED),
    "dict": ({"a": 1}, FAILED),
    "exception": (ValueError, FAILED),
    "old-sequence": (OldSequence(), answers()),
    "lying-list": (LyingList([b"o", b"k"]), answers() + answers(b"o") + FAILED),
    "set": ({b"ok"}, answers()),
    "tuple": ((b"o", b"k"), answers()),
}
for _name, (_result, _right) in RESULTS.items():
    CATALOGUE.add(
        Case(f"{_name}-as-result", Kind.BLOCKS, partial(result_of, _result), _right, ITERABLE)
    )


@case("coroutine-as-result", Kind.BLOCKS, FAILED, ITERABLE)
def coroutine_as_result(environ: Any, start_response: Any) -> Any:
    class Coroutine:
        """The result of an `async def`, without the warning that nobody awaited it."""

        def __await__(self) -> Any:
            yield from ()

    start_response(*OK)
    return Coroutine()


@case("length-raises", Kind.BLOCKS, EXACT, ITERABLE)
def length_raises(environ: Any, start_response: Any) -> Any:
    class Result(list):
        def __len__(self) -> int:
            raise SystemExit

    start_response(*OK)
    return Result([b"ok"])


# start_response.


@case("no-start", Kind.START, FAILED, START)
def no_start(environ: Any, start_response: Any) -> Any:
    return [b"ok"]


@case("no-start-and-nothing", Kind.START, FAILED, START)
def no_start_and_nothing(environ: Any, start_response: Any) -> Any:
    return []


@case("no-start-of-generator", Kind.START, FAILED, START)
def no_start_of_generator(environ: Any, start_response: Any) -> Any:
    yield b"o"
    yield b"k"


@case("start-at-first-block", Kind.START, answers(), START + ": before the first block is enough")
def start_at_first_block(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    yield b"ok"


@case("start-behind-empty-block", Kind.START, EXACT, START)
def start_behind_empty_block(environ: Any, start_response: Any) -> Any:
    yield b""
    start_response(*OK)
    yield b"ok"


@case("start-behind-content", Kind.START, FAILED, START)
def start_behind_content(environ: Any, start_response: Any) -> Any:
    yield b"ok"
    start_response(*OK)


@case("start-twice", Kind.START, FAILED, START + ": a second call needs exc_info")
def start_twice(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    start_response(*OK)
    return [b"ok"]


@case("start-twice-and-catch", Kind.START, answers(), START)
def start_twice_and_catch(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    try:
        start_response("404 Not Found", [])
    except Exception:  # noqa: BLE001 - whichever
        return [b"ok"]
    return [b"no error"]


@case("start-anew-with-exc-info", Kind.START, answers(b"mine", 503), START, is_logged=False)
def start_anew_with_exc_info(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    try:
        raise ValueError("on purpose")  # noqa: TRY301 - as apps do
    except ValueError as error:
        start_response("503 Mine", [], (type(error), error, error.__traceback__))
    return [b"mine"]


@case("start-anew-too-late", Kind.START, BROKEN, START + ": it must raise when the head is out")
def start_anew_too_late(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    yield b"block"
    error = ValueError("on purpose")
    start_response("503 Mine", [], (ValueError, error, None))
    yield b"mine"


@case("start-without-arguments", Kind.START, FAILED, START)
def start_without_arguments(environ: Any, start_response: Any) -> Any:
    start_response()
    return [b"ok"]


@case("exc-info-of-wrong-type", Kind.START, EXACT, START)
def exc_info_of_wrong_type(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    start_response(*OK, "no tuple")
    return [b"ok"]


STATUSES: dict[str, tuple[Any, Any]] = {
    "none": (None, FAILED),
    "int": (200, FAILED),
    "bytes": (b"200 OK", FAILED),
    "empty": ("", FAILED),
    "list": (["200 OK"], FAILED),
    "words": ("OK", FAILED),
    "bare": ("200", EXACT),
    "two-digits": ("99 Low", FAILED),
    "four-digits": ("2000 High", FAILED),
    "zero": ("000 None", FAILED),
    "600": ("600 Beyond", FAILED),
    "interim": ("100 Continue", FAILED),
    "switching": ("101 Switching Protocols", FAILED),
    "other-digits": ("٢٠٠ OK", FAILED),
    "newline": ("200 OK\r\nX-Split: yes", FAILED),
    "line-feed": ("200 OK\nX-Split: yes", FAILED),
    "nul": ("200 O\0K", FAILED),
    "euro": ("200 €", FAILED),
}


def with_status(status: Any, environ: Any, start_response: Any) -> Any:
    start_response(status, [])
    return [b"ok"]


for _name, (_status, _right) in STATUSES.items():
    CATALOGUE.add(
        Case(
            f"status-{_name}",
            Kind.START,
            partial(with_status, _status),
            _right,
            "RFC 9110 section 15, RFC 9112 section 4: three digits of 100 to 599, and a phrase",
        )
    )

HEADERS: dict[str, tuple[Any, Any, str]] = {
    "none": (None, FAILED, FIELDS),
    "int": (5, FAILED, FIELDS),
    "str": ("X: y", FAILED, FIELDS),
    "dict": ({"X-A": "b"}, FAILED, FIELDS),
    "list-of-str": (["X: y"], FAILED, FIELDS),
    "two-letters": (["ab"], EXACT, FIELDS),  # a pair, if one wants to see it so
    "three-of-them": ([("X-A", "b", "c")], FAILED, FIELDS),
    "one-of-them": ([("X-A",)], FAILED, FIELDS),
    "list-of-none": ([None], FAILED, FIELDS),
    "lists": ([["X-A", "b"]], EXACT, FIELDS),
    "generator": ("GENERATOR", EXACT, FIELDS),
    "bytes": ([(b"X-A", b"b")], EXACT, FIELDS),
    "bytes-name": ([(b"X-A", "b")], FAILED, FIELDS),
    "bytes-value": ([("X-A", b"b")], FAILED, FIELDS),
    "none-value": ([("X-A", None)], FAILED, FIELDS),
    "int-value": ([("X-A", 5)], FAILED, FIELDS),
    "int-length": ([("Content-Length", 2)], FAILED, FIELDS),
    "none-name": ([(None, "b")], FAILED, FIELDS),
    "empty-name": ([("", "b")], FAILED, "RFC 9110 section 5.1: a name is a token"),
    "space-in-name": ([("X A", "b")], FAILED, "RFC 9110 section 5.1: a name is a token"),
    "colon-in-name": ([("X:A", "b")], FAILED, "RFC 9110 section 5.1: a name is a token"),
    "newline-in-name": ([("X\r\nA", "b")], FAILED, "RFC 9110 section 5.1: a name is a token"),
    "latin-name": ([("Ä", "b")], FAILED, "RFC 9110 section 5.1: a name is a token"),
    "newline": ([("X-A", "b\r\nX-Split: yes")], FAILED, FIELD),
    "line-feed": ([("X-A", "b\nX-Split: yes")], FAILED, FIELD),
    "carriage-return": ([("X-A", "b\rc")], FAILED, FIELD),
    "nul": ([("X-A", "b\0c")], FAILED, FIELD),
    "escape": ([("X-A", "b\x1bc")], FAILED + answers(), FIELD + "; others SHOULD NOT"),
    "latin-1": ([("X-A", "é")], answers(), "PEP 3333, Unicode Issues: any latin-1 value"),
    "euro": ([("X-A", "€")], FAILED, "PEP 3333, Unicode Issues: nothing beyond latin-1"),
    "surrogate": ([("X-A", "\udc80")], FAILED, "PEP 3333, Unicode Issues: nothing beyond latin-1"),
    "chunked": ([("Transfer-Encoding", "chunked")], EXACT, HOP_BY_HOP),
    "keep-alive": ([("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")], EXACT, HOP_BY_HOP),
    "close": ([("Connection", "close")], EXACT, HOP_BY_HOP),
    "upgrade": ([("Connection", "Upgrade"), ("Upgrade", "h2c")], EXACT, HOP_BY_HOP),
    "two-lengths": ([("Content-Length", "2"), ("Content-Length", "5")], FAILED, LENGTH),
    "same-length-twice": ([("Content-Length", "2")] * 2, EXACT, LENGTH),
    "length-with-chunked": (
        [("Content-Length", "2"), ("Transfer-Encoding", "chunked")], EXACT, HOP_BY_HOP,
    ),
    "negative-length": ([("Content-Length", "-2")], FAILED, LENGTH),
    "length-with-plus": ([("Content-Length", "+2")], FAILED, LENGTH),
    "length-in-hex": ([("Content-Length", "0x2")], FAILED, LENGTH),
    "length-of-words": ([("Content-Length", "two")], FAILED, LENGTH),
    "empty-length": ([("Content-Length", "")], FAILED, LENGTH),
    "length-as-list": ([("Content-Length", "2, 2")], EXACT, LENGTH),
    "length-in-other-digits": ([("Content-Length", "²")], FAILED, LENGTH),
    "length-of-5000-digits": ([("Content-Length", "9" * 5000)], FAILED_OR_BROKEN, LENGTH),
    "huge-length": ([("Content-Length", "9" * 30)], FAILED_OR_BROKEN, LENGTH),
}  # fmt: skip


def with_headers(headers: Any, environ: Any, start_response: Any) -> Any:
    start_response("200 OK", (x for x in [("X-A", "b")]) if headers == "GENERATOR" else headers)
    return [b"ok"]


def with_headers_in_parts(headers: Any, environ: Any, start_response: Any) -> Any:
    start_response("200 OK", headers)
    yield b"o"
    yield b"k"


for _name, (_headers, _right, _reason) in HEADERS.items():
    CATALOGUE.add(
        Case(
            f"headers-{_name}",
            Kind.LENGTHS if "length" in _name else Kind.HEADERS,
            partial(with_headers, _headers),
            _right,
            _reason,
        )
    )
for _name in ("newline", "chunked", "two-lengths", "negative-length", "keep-alive", "bytes-value"):
    _headers, _right, _reason = HEADERS[_name]
    CATALOGUE.add(
        Case(
            f"headers-{_name}-in-parts",
            Kind.LENGTHS if "length" in _name else Kind.HEADERS,
            partial(with_headers_in_parts, _headers),
            _right,
            _reason,
        )
    )


@case("headers-changed-after-start", Kind.HEADERS, EXACT, FIELDS)
def headers_changed_after_start(environ: Any, start_response: Any) -> Any:
    headers = [("X-A", "b")]
    start_response("200 OK", headers)
    headers.append(("X-B", "c\r\nX-Split: yes"))
    return [b"ok"]


# Lengths and content.


def of_length(
    status: str, length: int, blocks: list[bytes], environ: Any, start_response: Any
) -> Any:
    start_response(status, [("Content-Length", str(length))])
    return blocks


CUT = answers() + FAILED
TOO_MUCH = "PEP 3333, Handling the Content-Length Header: no more than it is sent"
TOO_LITTLE = "RFC 9112 section 8: an incomplete message; only the end of the connection tells it"
NO_CONTENT = "RFC 9110 section 6.4.1: 204 and 304 have no content"
NO_BODY = "RFC 9110 section 9.3.2: no content in the response to HEAD"
for _name, _length, _blocks, _right, _reason in (
    ("too-small-length", 2, [b"okay"], CUT, TOO_MUCH),
    ("too-small-length-in-parts", 2, [b"o", b"kay"], CUT, TOO_MUCH),
    ("too-small-length-by-a-part", 2, [b"ok", b"ay"], CUT, TOO_MUCH),
    ("length-0-with-content", 0, [b"okay"], answers(b"") + FAILED, TOO_MUCH),
    ("too-large-length", 9, [b"ok"], FAILED_OR_BROKEN, TOO_LITTLE),
    ("too-large-length-in-parts", 9, [b"o", b"k"], FAILED_OR_BROKEN, TOO_LITTLE),
    ("length-without-content", 9, [], FAILED_OR_BROKEN, TOO_LITTLE),
):
    CATALOGUE.add(
        Case(
            _name,
            Kind.LENGTHS,
            partial(of_length, "200 OK", _length, _blocks),
            _right,
            _reason,
            may_log=True,
        )
    )
for _name, _status, _blocks in (
    ("content-with-204", 204, [b"okay"]),
    ("content-with-304", 304, [b"okay"]),
    ("content-with-204-in-parts", 204, [b"ok", b"ay"]),
    ("content-with-304-in-parts", 304, [b"ok", b"ay"]),
):
    CATALOGUE.add(
        Case(
            _name,
            Kind.LENGTHS,
            partial(of_length, f"{_status} Empty", 4, _blocks),
            answers(b"", _status) + FAILED,
            NO_CONTENT,
            may_log=True,
        )
    )
for _name, _act in {
    "content-with-head": partial(of_length, "200 OK", 4, [b"okay"]),
    "content-with-head-in-parts": partial(of_length, "200 OK", 4, [b"ok", b"ay"]),
    "content-with-head-without-length": partial(result_of, [b"ok", b"ay"]),
    "less-with-head-than-announced": partial(of_length, "200 OK", 9, []),
}.items():
    CATALOGUE.add(Case(_name, Kind.LENGTHS, _act, answers(b""), NO_BODY, HEAD))


@case(
    "write-and-return", Kind.LENGTHS, answers(b"written returned"), "PEP 3333, The write() Callable"
)
def write_and_return(environ: Any, start_response: Any) -> Any:
    start_response(*OK)(b"written ")
    return [b"returned"]


@case("write-beyond-length", Kind.LENGTHS, CUT, TOO_MUCH, may_log=True)
def write_beyond_length(environ: Any, start_response: Any) -> Any:
    write = start_response("200 OK", [("Content-Length", "2")])
    write(b"o")
    write(b"kay")
    return [b"more"]


# Files.


class OddFile:
    """A file whose methods are replaced: `OddFile(read=…, fileno=…)`."""

    def __init__(self, content: bytes = b"ok", **methods: Any) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._file.write(content)
        self._file.seek(0)
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        self._file.close()


def closed_file() -> Any:
    file = OddFile()
    file.close()
    return file


def read_up(content: bytes) -> Any:
    file = OddFile(content)
    file.seek(0, os.SEEK_END)
    return file


def pipe_with(content: bytes) -> Any:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return os.fdopen(reading, "rb")


def write_only() -> Any:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"ok")
        file.flush()
        opened = Path(file.name).open("ab")  # noqa: SIM115 - the server closes it
    opened.seek(0)
    return opened


def text_file() -> Any:
    file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - the server closes it
    file.write("text")
    file.seek(0)
    return file


def wrapper_of(environ: Any) -> Any:
    """The server's, which is optional."""
    return environ.get("wsgi.file_wrapper", FileWrapper)


def always(value: Any) -> Any:
    return lambda *_arguments: value


EMPTY = answers(b"")
NO_LENGTH: list[tuple[str, str]] = []
LENGTH_2 = [("Content-Length", "2")]
LENGTH_4 = [("Content-Length", "4")]
LENGTH_9 = [("Content-Length", "9")]
SPLIT = [("X-A", "b\r\nX-Split: yes")]
ODD_FILES: dict[str, tuple[Any, str, list[tuple[str, str]], Any, str]] = {
    "whole": (OddFile, "200 OK", NO_LENGTH, answers(), WRAPPER),
    "with-204": (OddFile, "204 Empty", NO_LENGTH, answers(b"", 204) + FAILED, NO_CONTENT),
    "with-304": (OddFile, "304 Empty", NO_LENGTH, answers(b"", 304) + FAILED, NO_CONTENT),
    "with-204-and-length": (OddFile, "204 Empty", LENGTH_2, answers(b"", 204) + FAILED, NO_CONTENT),
    "with-304-and-length": (OddFile, "304 Empty", LENGTH_2, answers(b"", 304) + FAILED, NO_CONTENT),
    "shorter-than-length": (OddFile, "200 OK", LENGTH_9, FAILED_OR_BROKEN, TOO_LITTLE),
    "longer-than-length": (partial(OddFile, b"okay"), "200 OK", LENGTH_2, CUT, TOO_MUCH),
    "of-two-lengths": (OddFile, "200 OK", LENGTH_2 + LENGTH_9, FAILED, LENGTH),
    "of-negative-length": (OddFile, "200 OK", [("Content-Length", "-1")], FAILED, LENGTH),
    "of-int-length": (OddFile, "200 OK", [("Content-Length", 2)], FAILED, FIELDS),
    "with-unfit-header": (OddFile, "200 OK", SPLIT, FAILED, FIELD),
    "with-header-of-three": (OddFile, "200 OK", [("X-A", "b", "c")], FAILED, FIELDS),
    "with-chunked": (OddFile, "200 OK", [("Transfer-Encoding", "chunked")], EXACT, HOP_BY_HOP),
    "empty": (partial(OddFile, b""), "200 OK", NO_LENGTH, EMPTY, WRAPPER),
    "closed": (closed_file, "200 OK", NO_LENGTH, FAILED, WRAPPER),
    "read-up": (partial(read_up, b"ok"), "200 OK", NO_LENGTH, EMPTY, WRAPPER),
    "write-only": (write_only, "200 OK", NO_LENGTH, FAILED_OR_BROKEN, WRAPPER),
    "of-text": (text_file, "200 OK", NO_LENGTH, answers(b"text") + FAILED, WRAPPER),
    "pipe": (partial(pipe_with, b"ok"), "200 OK", NO_LENGTH, answers(), WRAPPER),
    "in-memory": (partial(BytesIO, b"ok"), "200 OK", NO_LENGTH, answers(), WRAPPER),
    "in-memory-of-text": (partial(StringIO, "ok"), "200 OK", NO_LENGTH, FAILED, BYTES),
    "that-is-none": (always(None), "200 OK", NO_LENGTH, FAILED, WRAPPER),
    "that-is-bytes": (always(b"ok"), "200 OK", NO_LENGTH, FAILED, WRAPPER),
    "of-descriptor-minus-1": (
        partial(OddFile, fileno=always(-1)), "200 OK", NO_LENGTH, EXACT, WRAPPER,
    ),
    "of-descriptor-unknown": (
        partial(OddFile, fileno=always(9999)), "200 OK", NO_LENGTH, EXACT, WRAPPER,
    ),
    "of-descriptor-str": (
        partial(OddFile, fileno=always("x")), "200 OK", NO_LENGTH, EXACT, WRAPPER,
    ),
    "of-negative-place": (
        partial(OddFile, tell=always(-5)), "200 OK", NO_LENGTH, EXACT, WRAPPER,
    ),
    "of-str-place": (partial(OddFile, tell=always("x")), "200 OK", NO_LENGTH, EXACT, WRAPPER),
    "of-huge-place": (
        partial(OddFile, tell=always(2**70)), "200 OK", NO_LENGTH, EXACT + EMPTY, WRAPPER,
    ),
    "whose-fileno-exits": (
        partial(OddFile, fileno=partial(raise_it, SystemExit)), "200 OK", NO_LENGTH, EXACT, WRAPPER,
    ),
    "whose-close-raises": (
        partial(OddFile, close=partial(raise_it, ValueError)), "200 OK", NO_LENGTH,
        answers(), HANDLING,
    ),
    "whose-close-exits": (
        partial(OddFile, close=partial(raise_it, SystemExit)), "200 OK", NO_LENGTH,
        answers(), HANDLING,
    ),
    "whose-read-raises": (
        partial(OddFile, read=lambda *_: raise_it(ValueError), fileno=None), "200 OK", NO_LENGTH,
        FAILED, HANDLING,
    ),
    "whose-read-gives-str": (
        partial(OddFile, read=always("text"), fileno=None), "200 OK", NO_LENGTH, FAILED, BYTES,
    ),
    "whose-read-gives-int": (
        partial(OddFile, read=always(5), fileno=None), "200 OK", NO_LENGTH, FAILED, BYTES,
    ),
    "of-proc": (
        partial(Path("/proc/self/comm").open, "rb"), "200 OK", NO_LENGTH, answers(None), WRAPPER,
    ),
}  # fmt: skip


def wrapped(make: Any, status: str, headers: Any, environ: Any, start_response: Any) -> Any:
    start_response(status, headers)
    return wrapper_of(environ)(make())


for _name, (_make, _status, _headers, _right, _reason) in ODD_FILES.items():
    CATALOGUE.add(
        Case(
            f"file-{_name}",
            Kind.FILES,
            partial(wrapped, _make, _status, _headers),
            _right,
            _reason,
            is_logged=True if "whose-close" in _name else None,
            may_log=_name == "longer-than-length",
        )
    )
for _name, _headers in {"with-head": NO_LENGTH, "with-head-and-length": LENGTH_2}.items():
    CATALOGUE.add(
        Case(
            f"file-{_name}",
            Kind.FILES,
            partial(wrapped, OddFile, "200 OK", _headers),
            EMPTY,
            NO_BODY,
            HEAD,
        )
    )


@case("file-without-start", Kind.FILES, FAILED, START)
def file_without_start(environ: Any, start_response: Any) -> Any:
    return wrapper_of(environ)(OddFile())


@case("file-in-a-list", Kind.FILES, FAILED, BYTES)
def file_in_a_list(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return [wrapper_of(environ)(BytesIO(b"ok"))]


@case("file-behind-write", Kind.FILES, answers(b"okok"), "PEP 3333, The write() Callable")
def file_behind_write(environ: Any, start_response: Any) -> Any:
    start_response(*OK)(b"ok")
    return wrapper_of(environ)(OddFile())


@case("file-half-read", Kind.FILES, answers(b"ay"), WRAPPER + ": from where it stands")
def file_half_read(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    file = OddFile(b"okay")
    file.read(2)
    return wrapper_of(environ)(file)


@case("file-of-block-size-str", Kind.FILES, EXACT, WRAPPER)
def file_of_block_size_str(environ: Any, start_response: Any) -> Any:
    start_response(*OK)
    return wrapper_of(environ)(BytesIO(b"ok"), "x")


# The request's content.


def reads(read: Any, environ: Any, start_response: Any) -> Any:
    found = read(environ["wsgi.input"])
    start_response(*OK)
    return [found if isinstance(found, bytes) else b"ok"]


def keep_view(stream: Any) -> None:
    view = stream.getbuffer()
    KEPT["view"] = view


def close_twice(stream: Any) -> None:
    stream.close()
    stream.close()


def read_after_close(stream: Any) -> Any:
    stream.close()
    return stream.read()


def overwrite(stream: Any) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(b"GET /echo?smuggled HTTP/1.1\r\nHost: h\r\n\r\n")


def leave_at_place(stream: Any) -> None:
    stream.seek(2**40)


def detach(stream: Any) -> None:
    stream.detach()


KEPT: dict[str, Any] = {}
"""Objects that an app keeps for its next call."""

READS: dict[str, tuple[Any, Any]] = {
    "nothing": (always(None), answers()),
    "too-little": (lambda stream: stream.read(2), answers(b"12")),
    "too-much": (lambda stream: stream.read(10**6), answers(b"12345")),
    "behind-the-end": (lambda stream: stream.read() + stream.read(5), answers(b"12345")),
    "a-negative-size": (lambda stream: stream.read(-1), answers(b"12345")),
    "lines": (b"".join, answers(b"12345")),
    "by-str-size": (lambda stream: stream.read("5"), FAILED),
    "and-closes": (close_twice, EXACT),
    "after-close": (read_after_close, FAILED + answers(b"12345")),
    "and-overwrites": (overwrite, EXACT),
    "and-seeks-away": (leave_at_place, EXACT),
    "and-detaches": (detach, EXACT),
    "and-keeps-a-view": (keep_view, EXACT),
}
for _name, (_read, _right) in READS.items():
    for _way, _request in {"": SMALL_POST, "-chunked": CHUNKED_POST}.items():
        CATALOGUE.add(
            Case(f"reads-{_name}{_way}", Kind.BODY, partial(reads, _read), _right, INPUT, _request)
        )
for _name in ("nothing", "too-little", "and-closes", "and-detaches"):
    _read, _right = READS[_name]
    _right = answers(b"xx") if _name == "too-little" else _right
    CATALOGUE.add(
        Case(f"reads-{_name}-of-much", Kind.BODY, partial(reads, _read), _right, INPUT, LARGE_POST)
    )
for _name, _position in {
    "raises-before-reading": "in-call",
    "breaks-off-unread": "at-block-2",
}.items():
    _act, _right, _ = POSITIONS[_position]
    CATALOGUE.add(
        Case(_name, Kind.BODY, partial(_act, ERRORS["system-exit"]), _right, INPUT, SMALL_POST)
    )


@case("replaces-input", Kind.BODY, answers(), ENVIRON, request=SMALL_POST)
def replaces_input(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"] = None
    start_response(*OK)
    return [b"ok"]


@case("reads-input-of-last-request", Kind.BODY, answers() + FAILED, AGAIN, request=SMALL_POST)
def reads_input_of_last_request(environ: Any, start_response: Any) -> Any:
    last = KEPT.get("input")
    KEPT["input"] = environ["wsgi.input"]
    if last is not None:
        try:
            if last.read():
                return []  # start_response was not called: a case that is not right
        except ValueError:  # it is closed
            pass
    environ["wsgi.input"].read()
    start_response(*OK)
    return [b"ok"]


# Objects that an app changes and keeps.


@case("clears-environ", Kind.KEEPS, answers(), ENVIRON)
def clears_environ(environ: Any, start_response: Any) -> Any:
    environ.clear()
    start_response(*OK)
    return [b"ok"]


@case("fills-environ-with-none", Kind.KEEPS, answers(), ENVIRON)
def fills_environ_with_none(environ: Any, start_response: Any) -> Any:
    for key in list(environ):
        environ[key] = None
    start_response(*OK)
    return [b"ok"]


@case("clears-environ-and-raises", Kind.KEEPS, FAILED, ENVIRON)
def clears_environ_and_raises(environ: Any, start_response: Any) -> Any:
    environ.clear()
    raise SystemExit


@case("odd-things-in-environ", Kind.KEEPS, EXACT, ENVIRON)
def odd_things_in_environ(environ: Any, start_response: Any) -> Any:
    class Odd:
        def __str__(self) -> str:
            raise SystemExit

        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

        def __bool__(self) -> bool:
            raise GeneratorExit

    for key in ("werkzeug.request", "servescope.route", "SCRIPT_NAME", "PATH_INFO"):
        environ[key] = Odd()
    start_response(*OK)
    return [b"ok"]


@case("header-of-one-request-in-the-next", Kind.KEEPS, answers(), AGAIN)
def header_of_one_request_in_the_next(environ: Any, start_response: Any) -> Any:
    if "mark" in environ:
        raise ValueError("the environ is one for all")
    environ["mark"] = True
    start_response(*OK)
    return [b"ok"]


@case("starts-the-last-response-anew", Kind.KEEPS, answers(), AGAIN)
def starts_the_last_response_anew(environ: Any, start_response: Any) -> Any:
    last = KEPT.get("start")
    KEPT["start"] = start_response
    if last is not None:
        with suppress(Exception):  # to refuse is right
            last("404 Not Found", [("X-Late", "yes")])(b"late")
    start_response(*OK)
    return [b"ok"]


@case("writes-to-the-last-response", Kind.KEEPS, answers(), AGAIN)
def writes_to_the_last_response(environ: Any, start_response: Any) -> Any:
    last = KEPT.get("write")
    KEPT["write"] = write = start_response(*OK)
    if last is not None:
        with suppress(Exception):  # to refuse is right
            last(b"late")
    write(b"o")
    return [b"k"]


@case("writes-to-the-broken-response", Kind.KEEPS, BROKEN, AGAIN)
def writes_to_the_broken_response(environ: Any, start_response: Any) -> Any:
    last = KEPT.get("broken")
    KEPT["broken"] = write = start_response(*OK)
    if last is not None:
        with suppress(Exception):  # to refuse is right
            last(b"late")
    write(b"o")
    raise SystemExit


@case("writes-in-close", Kind.KEEPS, answers(), AGAIN, may_log=True)
def writes_in_close(environ: Any, start_response: Any) -> Any:
    write = start_response("200 OK", [("Content-Length", "2")])
    return Blocks([b"ok"], partial(write, b"late"))


@case("writes-on-a-thread", Kind.KEEPS, answers(), AGAIN)
def writes_on_a_thread(environ: Any, start_response: Any) -> Any:
    write = start_response(*OK)
    thread = threading.Thread(target=write, args=(b"o",))
    thread.start()
    thread.join()
    return [b"k"]


@case("closes-the-error-stream", Kind.KEEPS, EXACT, INPUT)
def closes_the_error_stream(environ: Any, start_response: Any) -> Any:
    environ["wsgi.errors"].close()
    start_response(*OK)
    return [b"ok"]


@case("detaches-the-error-stream", Kind.KEEPS, EXACT, INPUT)
def detaches_the_error_stream(environ: Any, start_response: Any) -> Any:
    environ["wsgi.errors"].detach()
    start_response(*OK)
    return [b"ok"]


@case("uses-the-error-stream", Kind.KEEPS, answers(), INPUT)
def uses_the_error_stream(environ: Any, start_response: Any) -> Any:
    errors = environ["wsgi.errors"]
    errors.write("written\n")
    errors.writelines(["one\n", "two\n"])
    errors.flush()
    start_response(*OK)
    return [b"ok"]


@case("writes-bytes-to-the-error-stream", Kind.KEEPS, FAILED, INPUT)
def writes_bytes_to_the_error_stream(environ: Any, start_response: Any) -> Any:
    environ["wsgi.errors"].write(b"bytes")
    start_response(*OK)
    return [b"ok"]


# Leaks that the checks have to find.

HELD: list[Any] = []


def holds(make: Any, environ: Any, start_response: Any) -> Any:
    HELD.append(make())
    start_response(*OK)
    return [b"ok"]


def waiting_thread() -> threading.Thread:
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread


for _name, _make in {
    "descriptors": partial(os.open, "/dev/null", os.O_RDONLY),
    "threads": waiting_thread,
    "objects": lambda: [[] for _ in range(12)],
}.items():
    LEAKING.add(Case(f"leaves-{_name}", Kind.KEEPS, partial(holds, _make), answers(), AGAIN))
