"""The events of an experiment in their order, each with its moment and its bytes."""

from __future__ import annotations

import time
from typing import Any, Final

from servescope.sentences import counted

_MS: Final = 1e3
_MOST_SHOWN: Final = 6_000
"""Bytes of one step that are kept: more is not read by anybody."""


class Transcript:
    """Steps as `servescope.chapters.chapter.Step` has them, in `steps`. Not for several threads.

    It begins now, or began at this moment of time.perf_counter, as another one did.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = time.perf_counter() if began is None else began
        self.steps: list[dict[str, Any]] = []

    def elapsed_ms(self) -> float:
        """Milliseconds since the transcript began."""
        return (time.perf_counter() - self.began) * _MS

    def add(self, side: str, text: str, data: bytes = b"", at_ms: float | None = None) -> None:
        """Something happened now, or at another moment since the transcript began."""
        moment = self.elapsed_ms() if at_ms is None else at_ms
        step = {"at_ms": moment, "side": side, "text": text, "data": as_text(data)}
        self.steps.append(step)


def with_line_ends(text: str) -> str:
    """The text with each CR LF written as programmers do, before the line that it ends.

    A CR alone, as of a request that is cut off within the end of a line, is written so too.
    """
    return text.replace("\r\n", "\\r\\n\n").replace("\r", "\\r")


def as_text(data: bytes) -> str:
    """Bytes for people: CR LF is visible, what is no text is escaped, a long rest is counted."""
    shown = data[:_MOST_SHOWN]
    try:
        text = shown.decode("utf-8")
    except UnicodeDecodeError:
        text = shown.decode("ascii", "backslashreplace")
    text = with_line_ends(text)
    left = len(data) - len(shown)
    return f"{text}… and {counted(left, 'byte')} more" if left else text
