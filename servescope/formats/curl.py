"""A request as a command line of curl that a shell reads back to the byte.

`$'…'` is of POSIX.1-2024; bash and zsh have known it for long.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from servescope.capturing.document import CONNECTION_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_PRINTABLE: Final = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]*")


def curl(
    method: str,
    url: str,
    fields: Iterable[tuple[str, str]],
    content: bytes = b"",
    *,
    unix_socket: str = "",
) -> str:
    """The command; `fields` are names and values as latin-1, in their order."""
    pairs = list(fields)
    words = ["curl", "--include", "--path-as-is"]
    if method == "HEAD":
        words.append("--head")
    elif method != ("POST" if content else "GET"):
        words += ["--request", quoted(method.encode("latin-1"))]
    if unix_socket:
        words += ["--unix-socket", quoted(unix_socket.encode())]
    for name, value in pairs:
        if name.lower() not in CONNECTION_FIELDS:
            # curl(1): a field without a value ends in a semicolon.
            line = f"{name}: {value}" if value else f"{name};"
            words += ["--header", quoted(line.encode("latin-1", "replace"))]
    if content:
        if all(name.lower() != "content-type" for name, _ in pairs):
            words += ["--header", "Content-Type:"]  # else curl would name one
        words += ["--data-raw", quoted(content)]
    words.append(quoted(url.encode("latin-1", "replace")))
    return " ".join(words)


def quoted(word: bytes) -> str:
    """A word as a shell reads it back: in single quotes, or as `$'…'` where bytes need it."""
    try:
        text = word.decode()
    except UnicodeDecodeError:
        text = ""
    if (text or not word) and _PRINTABLE.fullmatch(text) and "\r" not in text:
        return shlex.quote(text)
    return "$'" + "".join(_escaped(byte) for byte in word) + "'"


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in "\\'":
        return "\\" + character
    return character if character.isascii() and character.isprintable() else f"\\x{byte:02x}"
