"""The form of a case of the hostile apps, and the endings that can be right.

The apps stand in `hostile_wsgi_apps` and `hostile_asgi_apps`; each is one case of its `CASES`, and
is asked for by its name: `/NAME`. `test_hostile_apps` holds every concurrency model to them,
`benchmarks/hostile_apps.py` asks other servers the same.

An app's fault has one of two right endings. Before a byte of the response is out it is answered
with 500 (RFC 9110 section 15.6.1). Afterwards only an end without completion tells the client
(RFC 9112 section 8): no last chunk, fewer bytes than announced. Where a standard leaves a choice,
a case has several right endings.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """The common trait of the apps of a case: a row of the table in docs/server.md."""

    RAISES = "raises an exception, SystemExit and its like among them"
    BLOCKS = "a result or a block of a wrong type"
    START = "start_response or http.response.start misused"
    HEADERS = "header fields that cannot be sent"
    LENGTHS = "a Content-Length that is wrong, or content where none belongs"
    FILES = "`wsgi.file_wrapper` with files and heads that do not fit"
    BODY = "does not read the request's content as it should"
    KEEPS = "changes or keeps what it was given, or acts when it has returned"
    CALLABLE = "an ASGI app whose call gives no coroutine, or a foreign one"
    LOOP = "does to tasks and the event loop as it likes"
    WEBSOCKET = "a WebSocket app that raises, or sends what it must not"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends for the client.

    `content` None: whatever it is. `is_whole` False: the response is broken off after its head.
    `close_code` is that of a WebSocket's Close; 1006 when it ends without one.
    """

    status: int
    content: bytes | None = None
    is_whole: bool = True
    close_code: int | None = None

    def admits(self, seen: Ending) -> bool:
        """Whether what was seen is this ending."""
        return (self.status, self.is_whole, self.close_code) == (
            seen.status,
            seen.is_whole,
            seen.close_code,
        ) and (self.content is None or self.content == seen.content)


FAILED: Final = (Ending(500),)
BROKEN: Final = (Ending(200, is_whole=False),)
FAILED_OR_BROKEN: Final = FAILED + BROKEN
"""The head may be out or not: a server may wait with it for the first content."""


def answers(content: bytes | None = b"ok", status: int = 200) -> tuple[Ending, ...]:
    """A whole response."""
    return (Ending(status, content),)


def closes(*codes: int) -> tuple[Ending, ...]:
    """A WebSocket that was accepted and closed with one of these codes."""
    return tuple(Ending(101, close_code=code) for code in codes)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, but for its target."""

    method: str = "GET"
    fields: tuple[str, ...] = ()
    body: bytes = b""

    def to_bytes(self, target: str, *more: str) -> bytes:
        """The bytes to send; `more` are further header lines."""
        lines = [f"{self.method} {target} HTTP/1.1", "Host: h", *self.fields, *more]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


GET: Final = Request()
HEAD: Final = Request("HEAD")
SMALL_POST: Final = Request("POST", ("Content-Length: 5",), b"12345")
CHUNKED_POST: Final = Request(
    "POST", ("Transfer-Encoding: chunked",), b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"
)
LARGE_POST: Final = Request("POST", ("Content-Length: 300000",), b"x" * 300_000)
"""More than a server keeps in memory."""

WEBSOCKET: Final = Request(
    "GET",
    (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """An app, a request to it, and how that may end.

    `is_logged` tells whether the fault is one line of the log: None, when the client gets a 500 of
    the server, or a response broken off; `may_log` leaves it to the server.
    """

    name: str
    kind: Kind
    app: Callable[..., Any]
    right: tuple[Ending, ...]
    reason: str
    request: Request = GET
    is_logged: bool | None = None
    may_log: bool = False

    def lines_after(self, seen: Ending) -> int:
        """How many lines of the log belong to a request that ended so."""
        if self.is_logged is not None:
            return int(self.is_logged)
        return int(seen.status == 500 or not seen.is_whole or seen.close_code == 1011)


@dataclass(slots=True)
class Catalogue:
    """Cases by name, filled by its decorator."""

    cases: dict[str, Case] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        """One more; its name is its own."""
        if case.name in self.cases:
            raise ValueError(f"two cases are called {case.name}")
        self.cases[case.name] = case

    def case(
        self, name: str, kind: Kind, right: tuple[Ending, ...], reason: str, **more: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The decorated app is a case; the arguments are those of `Case`."""

        def register(app: Callable[..., Any]) -> Callable[..., Any]:
            self.add(Case(name, kind, app, right, reason, **more))
            return app

        return register


class NotAnException:
    """Raised, it is a TypeError."""


class UnprintableError(Exception):
    """Cannot even be told of."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class OwnBase(BaseException):
    """Passes every `except Exception`."""


def census() -> dict[str, int]:
    """The resources that this process holds; an app that is asked for `/census` tells them as JSON.

    Objects are those the collector of garbage knows, but for those that `settle` left out.
    """
    import gc

    gc.collect()
    return {
        "pid": os.getpid(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "objects": len(gc.get_objects()),
        "resident_kib": _resident_kib(),
    }


def settle() -> None:
    """Leave what is there by now out of every later census, which is quick then."""
    import gc

    gc.collect()
    gc.freeze()


def _resident_kib() -> int:
    """Resident memory that is no mapped file (proc(5): RssAnon)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("proc(5) names RssAnon")
