"""Examples of failures: the start of an answer, an error's text, why nothing could be sent."""

from __future__ import annotations

from typing import Final

KEPT_BYTES: Final = 512
"""Of an answer that comes in pieces, for an example."""


def why_not_written(error: Exception) -> str:
    """The sentence of an UnfitValueError, or of the KeyError of a value that nothing has given."""
    if isinstance(error, KeyError):
        return f"nothing has given {{{error.args[0]}}} a value"
    return str(error)


def words_of(error: OSError) -> str:
    """The text of the errno, or what TLS says."""
    return str(error.strerror or error) or type(error).__name__


def start_of(data: bytes) -> str:
    """The status line of an answer and the first bytes of its content."""
    head, _, content = data.partition(b"\r\n\r\n")
    line = head.partition(b"\r\n")[0]
    if content:
        line += b" \xe2\x80\xa6 " + content[:KEPT_BYTES]
    text = line.decode("utf-8", "replace")
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
