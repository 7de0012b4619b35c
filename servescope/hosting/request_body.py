"""A request's content while it arrives: in memory while small, in a temporary file beyond."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Final

MEMORY_LIMIT: Final = 262_144
"""Bytes kept in memory: 4,096 connections then hold 1 GiB at most."""


class RequestBody:
    """Grows by `append`; `rewound` gives it as a seekable file."""

    __slots__ = ("_file", "_in_memory", "size")

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._in_memory = True
        self.size = 0

    def append(self, data: bytes) -> None:
        """Add bytes. Raises OSError when the disk is full."""
        self.size += len(data)
        if self._in_memory and self.size > MEMORY_LIMIT:
            spilled: IO[bytes] = TemporaryFile()  # noqa: SIM115 - lives until `close`
            self._file.seek(0)
            spilled.write(self._file.read())
            self._file = spilled
            self._in_memory = False
        self._file.write(data)

    def rewound(self) -> IO[bytes]:
        """The content as a file at its start."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Give memory or disk space back. Raises nothing."""
        # The app may still hold a view of it (BufferError) or have detached the file (ValueError),
        # and the last bytes of an upload may meet a full disk.
        with suppress(BufferError, ValueError, OSError):
            self._file.close()
