"""A file that grows by whole lines up to a bound, then makes room; several processes may write it.

Each process appends with O_APPEND (open(2): the offset and the write are one step). A process that
finds the file full takes its `flock`, looks again, and moves `name` to `name.1`, `name.1` to
`name.2` and so on; the others see at their next write that the name leads to another file, and
follow. Lines that they wrote in between are in `name.1`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NEW_LINE: Final = b"\n"
_OPEN: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE: Final = 0o640  # addresses of clients are nobody else's business


class RotatingFile:
    """The file `path`, its folder made when missing; used by one thread of a process.

    At most `files` files are kept, the present one included. A file is longer than `max_bytes` by
    at most what each process writes at a time.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._files = files
        self._descriptor = -1
        self._is_torn = False  # the last write ended within a line

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OSError; some of them may be written then."""
        self._follow()
        size = os.fstat(self._descriptor).st_size
        if size and size + len(lines) > self._max_bytes:
            self._rotate(len(lines))
        if self._is_torn:
            lines = _NEW_LINE + lines
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        finally:
            written = len(lines) - len(rest)
            if written:
                self._is_torn = lines[written - 1 : written] != _NEW_LINE

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _follow(self) -> None:
        """Have the file open that the name leads to."""
        if self._descriptor >= 0 and not self._is_present():
            self.close()
        if self._descriptor < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, _OPEN, _MODE)

    def _is_present(self) -> bool:
        ours = os.fstat(self._descriptor)
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)

    def _rotate(self, more: int) -> None:
        # The lock is the file's own: a process that rotated it before us left us another one.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            if self._is_present() and os.fstat(self._descriptor).st_size + more > self._max_bytes:
                self._shift()
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._follow()

    def _shift(self) -> None:
        for number in range(self._files - 1, 1, -1):
            with suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if self._files > 1:
            self.path.replace(self._numbered(1))
        else:
            self.path.unlink()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
