"""The file below a ring: a header, a table of names that only grows, and slots."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.errors import DataFolderError, RingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC: Final = b"SVSCRNG2"
HEADER: Final = struct.Struct("<8sBxxxIIIQ")
"""Magic, RingKind, slot size, capacity, pid, created ns."""

HEADER_BYTES: Final = 4096
NAMES_BYTES: Final = 512 * 1024
NAMES_USED: Final = struct.Struct("<I")
NAME: Final = struct.Struct("<BHH")  # NameKind, id, length
SLOTS_OFFSET: Final = HEADER_BYTES + NAMES_BYTES
MAX_NAME_BYTES: Final = 256
DRAFT_SUFFIX: Final = ".new"


class RingKind(IntEnum):
    """The kind of a ring's records."""

    SERVER = 0
    LOAD = 1
    DETAIL = 2
    SAMPLES = 3
    APP = 4  # requests to an app under another server: by the middleware


class NameKind(IntEnum):
    """The kind of a name in the ring's table."""

    LISTENER = 1
    ROUTE = 2


class Header(NamedTuple):
    """The first page of a ring file.

    No data class: `dataclasses` alone would take 10 ms to import in an app that records.
    """

    kind: int
    slot_bytes: int
    capacity: int  # slots, a power of two
    pid: int
    created_ns: int


def create(path: Path, header: Header) -> tuple[mmap.mmap, int]:
    """Make a ring file; return its mapping and the descriptor that holds the writer's lock.

    The file appears under its name only when it is whole. Raises DataFolderError when the folder
    cannot be written or the disk is full.
    """
    if header.capacity & (header.capacity - 1):
        raise ValueError(f"capacity is a power of two, got {header.capacity}")
    size = SLOTS_OFFSET + header.capacity * header.slot_bytes
    draft = path.with_suffix(path.suffix + DRAFT_SUFFIX)
    descriptor = -1
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # Reserve the blocks now: a store into a sparse page on a full disk would be a SIGBUS.
        os.posix_fallocate(descriptor, 0, size)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        mapping = mmap.mmap(descriptor, size)
        HEADER.pack_into(
            mapping,
            0,
            MAGIC,
            header.kind,
            header.slot_bytes,
            header.capacity,
            header.pid,
            header.created_ns,
        )
        draft.rename(path)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
        # Without the file's name, which is another each time: a second try says the same again.
        raise DataFolderError(f"cannot make a ring in {path.parent}: {error.strerror}") from error
    return mapping, descriptor


def attach(path: Path, *slot_sizes: int) -> tuple[mmap.mmap, Header, int]:
    """Map an existing ring for reading; return mapping, header and a descriptor for lock tests.

    Raises RingError when the file is not a ring of this version with slots of one of these sizes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RingError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        mapping = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        magic, kind, found_bytes, capacity, pid, created_ns = HEADER.unpack_from(mapping, 0)
    except (OSError, ValueError, struct.error) as error:
        os.close(descriptor)
        raise RingError(f"{path} is not a ring: {error}") from error
    fits = found_bytes in slot_sizes and len(mapping) == SLOTS_OFFSET + capacity * found_bytes
    if magic != MAGIC or not fits or capacity < 1 or capacity & (capacity - 1):
        mapping.close()
        os.close(descriptor)
        raise RingError(f"{path} is not a ring of this version")
    return mapping, Header(kind, found_bytes, capacity, pid, created_ns), descriptor


def unmap_pages(mapping: mmap.mmap, start: int = 0, length: int | None = None) -> None:
    """Take the pages of a part out of this process's memory; the next access maps them again.

    Nothing is lost: they are the file's, in the page cache (madvise(2), MADV_DONTNEED on a shared
    mapping). Without it a ring of 8 MiB that is written and read here counts 16 MiB towards the
    resident set as soon as it has been round once. `start` is a multiple of the page size; raises
    OSError where pages are larger than that.
    """
    size = len(mapping) - start if length is None else length
    mapping.madvise(mmap.MADV_DONTNEED, start, size)


def release(descriptor: int) -> None:
    """Give up the writer's lock. Closing would not: the mapping keeps a duplicate (flock(2))."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def disown(mapping: mmap.mmap, descriptor: int) -> None:
    """Close a forked child's copies without unlocking: the lock is shared with the parent.

    flock(2): it lasts until every copy is closed, so a child that kept one would make its dead
    parent look alive; an explicit unlock in the child would take it from the living parent.
    """
    os.close(descriptor)
    with suppress(BufferError):  # forked while another thread was writing: the child's end unmaps
        mapping.close()


def writer_is_gone(descriptor: int) -> bool:
    """Whether nobody holds the writer's lock any more (flock(2): released at death)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def append_name(mapping: mmap.mmap, kind: int, number: int, name: str) -> bool:
    """Append a name to the table; False when it is full. One writer at a time."""
    encoded = name.encode("utf-8", "replace")[:MAX_NAME_BYTES]
    (used,) = NAMES_USED.unpack_from(mapping, HEADER_BYTES)
    start = HEADER_BYTES + NAMES_USED.size + used
    end = start + NAME.size + len(encoded)
    if end > SLOTS_OFFSET:
        return False
    NAME.pack_into(mapping, start, kind, number, len(encoded))
    mapping[start + NAME.size : end] = encoded
    # The length last: a reader never sees half a name.
    NAMES_USED.pack_into(mapping, HEADER_BYTES, end - HEADER_BYTES - NAMES_USED.size)
    return True


def names_from(mapping: mmap.mmap, offset: int) -> Iterator[tuple[int, int, str, int]]:
    """Yield (kind, id, name, next offset) of each name at and after `offset` in the table."""
    (used,) = NAMES_USED.unpack_from(mapping, HEADER_BYTES)
    base = HEADER_BYTES + NAMES_USED.size
    while offset < used:
        kind, number, length = NAME.unpack_from(mapping, base + offset)
        start = base + offset + NAME.size
        offset += NAME.size + length
        yield kind, number, mapping[start : start + length].decode("utf-8", "replace"), offset
