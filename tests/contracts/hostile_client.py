"""Asks a server for the hostile apps, and tells what is wrong with what comes and what is left.

Any server that hosts one of the catalogues can be asked: all it is known by is a `Target`.
"""

from __future__ import annotations

import json
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, Self

from tests.contracts.hostile_cases import WEBSOCKET, Ending, Request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.contracts.hostile_cases import Case

SETTLED_S: Final = 20.0
"""How long what a request took may take to be given back."""

CLOSED: Final = Ending(0, is_whole=False)
"""The connection ended without a response."""

WAITING: Final = Ending(-1, is_whole=False)
"""Neither the rest of a response nor an end in time."""

REPLACED: Final = "another process serves"
NEXT: Final = Request()
SPARED: Final = ("descriptors", "threads", "tasks", "objects")
"""Resources that requests must give back, but for a few that a process takes once."""

SPARE_OBJECTS: Final = 18
"""The count of the collector's objects is not exact; a request that is kept keeps a dozen."""

ABNORMAL: Final = 1006
"""The code that stands for a WebSocket's end without a Close (RFC 6455 section 7.4.1)."""

_NO_CONTENT: Final = (204, 304)
_SWITCHING: Final = 101
_TEXT: Final = {0: "closed without a response", -1: "no end in time"}


class Harm(StrEnum):
    """The effect of a fault on the client or on others, the least first."""

    ENDED = "an end, where a response, the rest of one or a Close is due, or an unannounced one"
    WRONG = "another whole response than the right one"
    MIXED = "a response that can be read in two ways, or bytes of it behind its end"
    WAITING = "no end in time"
    LEFT = "descriptors, threads, tasks or memory left behind"
    OTHERS = "another connection is not served, or the process was replaced"


@dataclass(frozen=True, slots=True)
class Fault:
    harm: Harm
    text: str

    def __str__(self) -> str:
        return self.text


class Target(Protocol):
    """A server that hosts a catalogue."""

    def connect(self) -> socket.socket:
        """A connection; its timeout says how long an answer may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and whether the connection is said to stay for the next one."""

    ending: Ending
    is_kept: bool = False

    @property
    def harm(self) -> Harm:
        """The harm of this answer where it is not right."""
        if self.ending.status == WAITING.status:
            return Harm.WAITING
        is_cut = not self.ending.is_whole or self.ending.close_code is not None
        return Harm.ENDED if is_cut else Harm.WRONG

    def __str__(self) -> str:
        ending = self.ending
        if ending.status in _TEXT:
            return _TEXT[ending.status]
        if ending.close_code is not None:
            return f"{ending.status} and a close with {ending.close_code}"
        whole = "" if ending.is_whole else ", broken off after"
        return f"{ending.status}{whole} {(ending.content or b'')[:60]!r}"


class Client:
    """One connection; used in a `with`."""

    def __init__(self, target: Target) -> None:
        self._sock = target.connect()
        self._file = self._sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def send(self, data: bytes) -> None:
        """Send it; a server that has answered may be gone already."""
        with suppress(OSError):
            self._sock.sendall(data)

    def read(self, request: Request) -> Answer:
        """The response to a request, as far as it comes. Raises ValueError when it is none."""
        try:
            line = self._file.readline()
            if not line.endswith(b"\n"):
                if line:
                    raise ValueError(f"no status line: {line!r}")
                return Answer(CLOSED)
            version, number, *_ = [*line.split(None, 2), b""]
            if version != b"HTTP/1.1" or not number.isdigit():
                raise ValueError(f"no status line: {line!r}")
            fields = self._fields()
            if int(number) == _SWITCHING:
                return Answer(Ending(_SWITCHING, close_code=self._close_code()))
            return self._whole(int(number), fields, request)
        except TimeoutError:
            return Answer(WAITING)
        except OSError:
            return Answer(CLOSED)

    def _fields(self) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, colon, value = line.partition(b":")
            if not colon or name != name.strip():
                raise ValueError(f"no field line: {line!r}")
            lower = name.lower()
            if lower in (b"content-length", b"transfer-encoding", b"x-split") and lower in fields:
                raise ValueError(f"{name!r} is repeated")
            fields[lower] = value.strip()
        if b"x-split" in fields:
            raise ValueError("a field value became a field")
        return fields

    def _whole(self, status: int, fields: dict[bytes, bytes], request: Request) -> Answer:
        keeps = fields.get(b"connection", b"").lower() != b"close"
        if request.method == "HEAD" or status in _NO_CONTENT:
            return Answer(Ending(status, b""), keeps)
        coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
        if coding is not None:
            if coding != b"chunked" or length is not None:
                raise ValueError(f"framed by {coding!r} and {length!r}")
            content, is_whole = self._chunks()
        elif length is not None:
            if not length.isdigit():
                raise ValueError(f"Content-Length {length!r}")
            content = self._at_most(int(length))
            is_whole = len(content) == int(length)
        else:
            content, is_whole, keeps = self._at_most(2**30), True, False
        return Answer(Ending(status, content, is_whole), keeps and is_whole)

    def _at_most(self, count: int) -> bytes:
        """So many bytes, or those that come before the connection ends."""
        content = b""
        with suppress(ConnectionError):
            while left := count - len(content):
                part = self._file.read1(min(left, 65_536))
                if not part:
                    break
                content += part
        return content

    def _chunks(self) -> tuple[bytes, bool]:
        content = b""
        with suppress(ConnectionError):
            while line := self._file.readline():
                size = int(line, 16)
                part = self._file.read(size + 2)
                if len(part) < size + 2:
                    break
                if not part.endswith(b"\r\n"):
                    raise ValueError("a chunk does not end where its size says")
                content += part[:-2]
                if not size:
                    return content, True
        return content, False

    def _close_code(self) -> int:
        """The code of the server's Close, which is answered; 1006 without one."""
        with suppress(ConnectionError):
            while len(head := self._file.read(2)) == 2:
                size = head[1]
                if size == 126:
                    (size,) = struct.unpack(">H", self._file.read(2))
                payload = self._file.read(size)
                if head[0] & 0x0F == 8:
                    code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    self.send(b"\x88\x80\0\0\0\0")
                    if self._file.read(1):
                        raise ValueError("bytes behind the Close")
                    return int(code)
        return ABNORMAL

    def has_ended(self) -> str:
        """The error in the end of the connection that was announced; mostly none."""
        try:
            rest = self._file.read(64)
        except TimeoutError:
            return "the connection that was to close stays"
        except OSError:
            return ""
        return f"bytes behind the last response: {rest!r}" if rest else ""


def census(target: Target, query: str = "") -> dict[str, int]:
    """The resources of the server's process. Raises ConnectionError when it does not tell."""
    with Client(target) as client:
        client.send(NEXT.to_bytes(f"/census?{query}"))
        answer = client.read(NEXT)
    if answer.ending.status != 200:
        raise ConnectionError(f"another connection is not served: {answer}")
    found: dict[str, int] = json.loads(answer.ending.content or b"")
    return found


class Trial:
    """A case and a server: `faults` tells what is wrong."""

    def __init__(
        self,
        case: Case,
        target: Target,
        spare_objects: int = SPARE_OBJECTS,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._settled_s = settled_s
        self._case = case
        self._target = target
        self._spare_objects = spare_objects
        self._data = case.request.to_bytes(f"/{case.name}")
        self.name = case.name
        self.seen: list[Answer] = []
        self.faults: list[Fault] = []

    def run(self, repeats: int) -> None:
        """All there is to ask, as long as the server does it right."""
        self._guarded(self._ask_then_next)
        self._guarded(self._ask_both_at_once)
        if self.faults:
            return
        try:
            before = census(self._target)  # by now the server has cached what it will
            for _ in range(repeats):
                self._guarded(self.ask_once)
            if repeats and not self.faults:
                self._compare(before, repeats)
        except OSError as error:
            self._note(Harm.OTHERS, str(error))

    def _guarded(self, ask: Callable[[], None]) -> None:
        if self.faults:
            return
        try:
            ask()
        except ValueError as error:
            self._note(Harm.MIXED, str(error))
        except OSError as error:
            self._note(Harm.OTHERS, f"no connection: {error}")

    def _note(self, harm: Harm, text: str) -> None:
        self.faults.append(Fault(harm, text))

    def _judge(self, answer: Answer) -> bool:
        self.seen.append(answer)
        is_right = any(right.admits(answer.ending) for right in self._case.right)
        if not is_right:
            self._note(answer.harm, str(answer))
        return is_right

    def ask_once(self) -> None:
        """On a connection of its own."""
        with Client(self._target) as client:
            client.send(self._data)
            self._judge(client.read(self._case.request))

    def _ask_then_next(self) -> None:
        """On one connection: the response, and where it is kept the next one."""
        with Client(self._target) as client:
            client.send(self._data)
            answer = client.read(self._case.request)
            if self._judge(answer):
                if answer.is_kept:
                    client.send(NEXT.to_bytes("/echo?next"))
                self._judge_next(client, answer, b"next")

    def _ask_both_at_once(self) -> None:
        """The next request in the same write: its answer is its own, or none."""
        if self._case.request is WEBSOCKET:
            return
        with Client(self._target) as client:
            client.send(self._data + NEXT.to_bytes("/echo?at-once"))
            answer = client.read(self._case.request)
            if self._judge(answer):
                self._judge_next(client, answer, b"at-once")

    def _judge_next(self, client: Client, answer: Answer, content: bytes) -> None:
        if answer.is_kept:
            following = client.read(NEXT)
            if not Ending(200, content).admits(following.ending):
                harm = Harm.MIXED if following.harm is Harm.WRONG else following.harm
                self._note(harm, f"the next request on the connection: {following}")
        elif answer.ending.close_code is None and (wrong := client.has_ended()):
            self._note(Harm.MIXED if "behind" in wrong else Harm.WAITING, wrong)

    def _compare(self, before: dict[str, int], repeats: int) -> None:
        """Check that resources were given back, but for those that are taken once."""
        left = left_behind(self._target, before, repeats // 2, self._spare_objects, self._settled_s)
        if left:
            harm = Harm.OTHERS if left.startswith(REPLACED) else Harm.LEFT
            self._note(harm, f"after {repeats} requests {left}")


def left_behind(
    target: Target, before: dict[str, int], spare: int, spare_objects: int, settled_s: float
) -> str:
    """The resources held now and not before, beyond what may be; empty when there are none."""
    allowed = dict.fromkeys(SPARED, spare) | {"objects": spare_objects}
    deadline = time.monotonic() + settled_s
    while True:
        after = census(target)
        if after["pid"] != before["pid"]:
            return REPLACED
        more = {name: after[name] - before[name] for name in SPARED if name in after}
        left = [f"{count} {name}" for name, count in more.items() if count > allowed[name]]
        if not left or time.monotonic() > deadline:
            return "are left: " + ", ".join(left) if left else ""
        time.sleep(0.02)
