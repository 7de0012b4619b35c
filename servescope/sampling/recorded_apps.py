"""The apps of this machine that record their requests, and where they listen.

Theory of operation. Each serving process has written a ring with its pid and the name of its app,
and holds the ring's descriptor as long as it lives. So a process of that pid which has that very
file open is the writer, in our namespace of processes: not another one that was given its pid, and
none of a container that shares the data folder. Of its descriptors those that are listening sockets
say where it is reached.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from servescope.errors import RingError
from servescope.recording import ring_file
from servescope.recording.record_layout import SLOT
from servescope.recording.recorder import RING_SUFFIX
from servescope.records.recorded_apps import RecordedApp
from servescope.sampling.inet_diag import listening_sockets
from servescope.sampling.owners import descriptors_of

if TYPE_CHECKING:
    from pathlib import Path


def recorded_apps(rings: Path) -> list[RecordedApp]:
    """The apps whose processes live, by name, from the folder of all rings.

    An app is known from its first request on. Never raises: apps that cannot be read are left out.
    """
    inodes: dict[str, set[str]] = {}
    pids: dict[str, list[int]] = {}
    with suppress(OSError):
        for path in sorted(rings.resolve().glob(f"*{RING_SUFFIX}")):
            pid, names = _written_by(path)
            descriptors = descriptors_of(pid) if names else set()
            if str(path) not in descriptors:
                continue
            for name in names:
                pids.setdefault(name, []).append(pid)
                inodes.setdefault(name, set()).update(descriptors)
    if not pids:
        return []
    try:
        listening = listening_sockets()
    except OSError:
        listening = []
    return [
        RecordedApp(
            name,
            tuple(pids[name]),
            tuple(
                sorted(
                    {
                        (one.address, one.port)
                        for one in listening
                        if f"socket:[{one.inode}]" in inodes[name]
                    }
                )
            ),
        )
        for name in sorted(pids)
    ]


def _written_by(path: Path) -> tuple[int, list[str]]:
    """The writer's pid and the names of its apps; no name where the ring is no app's."""
    try:
        mapping, header, descriptor = ring_file.attach(path, SLOT.size)
    except RingError:
        return 0, []
    try:
        is_app = header.kind == ring_file.RingKind.APP
        if not is_app or ring_file.writer_is_gone(descriptor):
            return header.pid, []
        found = ring_file.names_from(mapping, 0)
        names = [name for kind, _, name, _ in found if kind == ring_file.NameKind.LISTENER]
        return header.pid, names
    finally:
        mapping.close()
        ring_file.release(descriptor)
