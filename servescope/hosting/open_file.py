"""A file open for reading, and the one right to close its descriptor."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class OpenFile:
    """Owns a descriptor and closes it once, however often and from whichever thread it is asked to.

    The number of a closed descriptor may be given away at once: a second close(2) would hit another
    client's socket, or any open file of the process. `moved` hands the descriptor on to a new
    owner; the old one is closed from then on, so the `with` of whoever opened a file closes it
    exactly if nobody else took it, whatever was raised in between.
    """

    __slots__ = ("_held",)

    def __init__(self, descriptor: int) -> None:
        self._held = [descriptor]  # list.pop is one step: a single caller gets the number

    def fileno(self) -> int:
        """The descriptor. Raises ValueError when it was closed or handed on."""
        try:
            return self._held[0]
        except IndexError:
            raise ValueError("the file is closed") from None

    def moved(self) -> OpenFile:
        """A new owner of the descriptor. Raises ValueError like `fileno`."""
        try:
            return OpenFile(self._held.pop())
        except IndexError:
            raise ValueError("the file is closed") from None

    def close(self) -> None:
        """Close the descriptor, unless that was done or it was handed on."""
        with suppress(IndexError):
            os.close(self._held.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
