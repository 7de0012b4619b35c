"""Reads the answers out of a byte stream, and compares them with those of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.corpus.http_cases import INTERIM

if TYPE_CHECKING:
    from tests.corpus.http_cases import Answer, Case

SWITCHING: Final = 101
_BODILESS: Final = (SWITCHING, 204, 304)
_WITH_CONTENT: Final = (200, 206)


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as it came."""

    status: int
    fields: dict[str, str]
    content: bytes


def read_answers(data: bytes, methods: list[str]) -> tuple[list[Seen], bytes]:
    """The complete answers at the beginning of `data` and what is behind them.

    `methods` are those of the requests, in order: an answer to HEAD has no content. Raises
    ValueError for what is no HTTP/1.1 answer.
    """
    found: list[Seen] = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            break
        status_line, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"no status line: {status_line!r}")
        fields = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        number = int(status)
        if number == INTERIM:
            found.append(Seen(number, fields, b""))
            data = rest
            continue
        asked = sum(one.status != INTERIM for one in found)
        method = methods[asked] if asked < len(methods) else "GET"
        content, after = _content(number, method, fields, rest)
        if after is None:
            break
        found.append(Seen(number, fields, content))
        data = after
        if number == SWITCHING:
            break
    return found, data


def _content(
    status: int, method: str, fields: dict[str, str], data: bytes
) -> tuple[bytes, bytes | None]:
    """Content of an answer and what follows; None when it is not complete."""
    if method == "HEAD" or status in _BODILESS:
        return b"", data
    if fields.get("transfer-encoding") == "chunked":
        return _chunks(data)
    if "content-length" not in fields:
        return data, b""  # until the end of the connection
    length = int(fields["content-length"])
    return (data[:length], data[length:]) if len(data) >= length else (b"", None)


def _chunks(data: bytes) -> tuple[bytes, bytes | None]:
    content = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            return b"", None
        size = int(line, 16)
        if len(data) < size + 2:
            return b"", None
        content += data[:size]
        data = data[size + 2 :]
        if not size:
            return content, data


def methods_of(case: Case) -> list[str]:
    """The methods of the requests of a case, as far as they were read."""
    return [answer.method or "GET" for answer in case.answers if answer.status != INTERIM]


def differences(case: Case, seen: list[Seen]) -> str:
    """The deviations of the answers from the case; empty when there are none.

    A 100 the case does not ask for is no fault: it depends on how the bytes were cut.
    """
    wanted = [one for one in case.answers if one.status != INTERIM]
    if len(wanted) == len(case.answers):
        seen = [one for one in seen if one.status != INTERIM]
    else:
        wanted = case.answers
    got = [one.status for one in seen]
    if got != [one.status for one in wanted]:
        return f"answered {got}, not {[one.status for one in wanted]}"
    found = (_difference(case, one, other) for one, other in zip(wanted, seen, strict=True))
    return "; ".join(one for one in found if one)


def _difference(case: Case, wanted: Answer, seen: Seen) -> str:
    for name, value in wanted.fields:
        if seen.fields.get(name) != value:
            return f"{name}: {seen.fields.get(name)!r}, not {value!r}"
    if wanted.status not in _WITH_CONTENT:
        return ""
    told = {"x-method": wanted.method, "x-target": wanted.target} if case.app == "echo" else {}
    for name, value in told.items():
        if seen.fields.get(name) != value:
            return f"{name}: {seen.fields.get(name)!r}, not {value!r}"
    content = b"" if wanted.method == "HEAD" else wanted.body
    return "" if seen.content == content else f"content {seen.content!r}, not {content!r}"
