"""The open descriptors of this process, for tests that none is left."""

from __future__ import annotations

from pathlib import Path


def open_descriptors() -> set[tuple[str, str]]:
    """Number and target of each open descriptor (proc(5): /proc/pid/fd).

    Assert `open_descriptors() <= before`, not equality: garbage of an earlier test may close
    descriptors of its own at any time. Sockets and pipes are told apart by their inode.
    """
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add((path.name, str(path.readlink())))
        except FileNotFoundError:  # the one that lists the folder, or one closed meanwhile
            continue
    return found


def open_sockets() -> set[tuple[str, str]]:
    """Those of them that are sockets."""
    return {one for one in open_descriptors() if one[1].startswith("socket:")}
