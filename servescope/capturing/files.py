"""The files of captured requests: one each, written once, deleted by one owner.

The process that served a request writes its file; from then on it is the leader's, who bounds
their number, their bytes and their age. The processes that answer pages read them.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from servescope.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

CAPTURES: Final = "captures"
"""The folder, within the data folder, that holds the files."""

SUFFIX: Final = ".capture"
DRAFT_SUFFIX: Final = ".new"
DRAFT_S: Final = 60.0
"""Age from which on a draft is that of a process that was killed."""

LARGEST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a document that is read."""

_HEAD: Final = struct.Struct("<8sI")
_MAGIC: Final = b"SVSCCAP1"


class CaptureBounds(NamedTuple):
    """The bounds on the files of the folder."""

    most: int  # files
    size_bytes: int  # all together
    age_s: float


class CaptureFile(NamedTuple):
    """A file of the folder."""

    path: Path
    order_id: int
    capture_id: int
    size_bytes: int
    written_s: float  # epoch


class CaptureFolder:
    """The captured requests of a data folder."""

    def __init__(self, data_folder: Path) -> None:
        self._folder = data_folder / CAPTURES

    def write(self, order_id: int, capture_id: int, document: dict[str, Any]) -> None:
        """Write a captured request, whole or not at all. Raises OSError."""
        body = zlib.compress(json.dumps(document).encode(), 6)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{order_id:08d}-{capture_id:016x}{SUFFIX}"
        draft = path.with_suffix(DRAFT_SUFFIX)
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_HEAD.pack(_MAGIC, zlib.crc32(body)) + body)
            draft.rename(path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise

    def read(self, capture_id: int) -> dict[str, Any] | None:
        """A captured request; None when it is not kept. Raises CaptureError for a damaged file."""
        try:
            path = next(self._folder.glob(f"*-{capture_id:016x}{SUFFIX}"), None)
            data = None if path is None else path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CaptureError(f"the captured request cannot be read: {error.strerror}") from error
        return None if data is None else _document(data)

    def files(self) -> list[CaptureFile]:
        """All files, the oldest first. Raises CaptureError when they cannot be listed."""
        found = []
        try:
            for path in self._folder.glob(f"*{SUFFIX}"):
                order, _, capture = path.stem.partition("-")
                with suppress(FileNotFoundError, ValueError):
                    told = path.stat()
                    found.append(
                        CaptureFile(path, int(order), int(capture, 16), told.st_size, told.st_mtime)
                    )
        except OSError as error:
            raise CaptureError(f"captures cannot be listed: {error.strerror}") from error
        return sorted(found, key=lambda one: (one.written_s, one.path.name))

    def prune(self, bounds: CaptureBounds) -> None:
        """Delete what is beyond the bounds, the oldest first, and drafts of killed processes.

        For the owner alone. Raises CaptureError.
        """
        files = self.files()
        now, size = time.time(), sum(one.size_bytes for one in files)
        for number, one in enumerate(files):
            left = len(files) - number
            is_old = now - one.written_s > bounds.age_s
            if not (is_old or left > bounds.most or size > bounds.size_bytes):
                break
            size -= one.size_bytes
            self.delete(one)
        with suppress(OSError):
            for draft in self._folder.glob(f"*{DRAFT_SUFFIX}"):
                if now - draft.stat().st_mtime > DRAFT_S:
                    draft.unlink(missing_ok=True)

    def delete(self, file: CaptureFile) -> None:
        """Delete a file, for the owner alone. Raises CaptureError."""
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            raise CaptureError(f"a capture cannot be deleted: {error.strerror}") from error


def _document(data: bytes) -> dict[str, Any]:
    try:
        magic, checksum = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        if magic != _MAGIC or zlib.crc32(body) != checksum:
            raise CaptureError("the file of what was captured is damaged")
        unpacked = zlib.decompressobj()
        text = unpacked.decompress(body, LARGEST_BYTES)
        if unpacked.unconsumed_tail:
            raise CaptureError("the file of what was captured is too large")
        document = json.loads(text)
    except (struct.error, zlib.error, ValueError) as error:
        raise CaptureError("the file of what was captured is damaged") from error
    if not isinstance(document, dict):
        raise CaptureError("the file of what was captured is damaged")
    return document
