"""Small files in memory, never older than the file system: each use compares their stat(2).

Guarantee: a change of content, a replaced or a removed file shows at the next request. Device,
inode, size, modification and change time together tell a version, but for changes within one tick
of the kernel's clock (at most 10 ms): so a file is kept only from a reading that came `SETTLED_NS`
after the same version was first seen. And a file that still looks the same while a folder above it
was moved is opened and located anew every `TRUSTED_NS`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servescope.hosting.static.conditional import Validators

SETTLED_NS: Final = 50_000_000
TRUSTED_NS: Final = 1_000_000_000
MOST_FILES: Final = 1_024
MOST_BYTES: Final = 16 * 1024 * 1024

Version = tuple[int, int, int, int, int]


def version_of(status: os.stat_result) -> Version:
    """A mark of one version of a file."""
    return (
        status.st_ino,
        status.st_mtime_ns,
        status.st_size,
        status.st_ctime_ns,
        status.st_dev,
    )


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file's content, and all that a response needs beside it."""

    path: str
    version: Version
    first_seen_ns: int
    read_ns: int
    content: bytes | None  # None: seen, and not settled yet
    block: bytes  # header lines, from `render_block`
    validators: Validators
    route: str


class FileCache:
    """By request target. Any thread may use it: to forget, or to read twice, costs time only."""

    def __init__(self) -> None:
        self._files: dict[str, CachedFile] = {}
        self._bytes = 0

    def find(self, target: str, now_ns: int) -> CachedFile | None:
        """The file as it is on the disk now; None when it must be opened."""
        known = self._files.get(target)
        if known is None or known.content is None or now_ns - known.read_ns > TRUSTED_NS:
            return None
        try:
            is_same = version_of(os.stat(known.path)) == known.version  # noqa: PTH116 - Path doubles the cost
        except OSError:
            return None
        return known if is_same else None

    def keep(
        self,
        target: str,
        path: str,
        version: Version,
        now_ns: int,
        content: bytes,
        block: bytes,
        validators: Validators,
        route: str,
    ) -> None:
        """Note a file read just now, whose version was taken before the reading."""
        known = self._files.get(target)
        is_known = known is not None and (known.path, known.version) == (path, version)
        first_seen_ns = known.first_seen_ns if known is not None and is_known else now_ns
        is_settled = now_ns - first_seen_ns > SETTLED_NS
        if known is None or not is_known:
            self._bytes += len(content)
            if len(self._files) >= MOST_FILES or self._bytes > MOST_BYTES:
                self._files.clear()
                self._bytes = len(content)
        self._files[target] = CachedFile(
            path,
            version,
            first_seen_ns,
            now_ns,
            content if is_settled else None,
            block,
            validators,
            route,
        )
