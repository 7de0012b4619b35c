"""Reading files of proc(5) again and again without opening them again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from weakref import finalize

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK: Final = 65_536


class ProcFile:
    """A file of proc(5), opened at the first read and kept; closed when this object goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """The file as it is now, whole. Raises OSError when it cannot be opened or read."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            finalize(self, os.close, self._descriptor)
        text = os.pread(self._descriptor, _CHUNK, 0)
        offset = len(text)
        # The kernel hands a long table over page by page: only an empty read is its end.
        while chunk := os.pread(self._descriptor, _CHUNK, offset):
            text += chunk
            offset += len(chunk)
        return text
