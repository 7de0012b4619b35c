"""The owner of a socket: from its inode to the process that has it open.

The kernel keeps no such table; every descriptor of every process in /proc/PID/fd is looked at
(proc(5)), which costs milliseconds. So this is asked on demand only, never by the sampling loop,
and what was found is kept. Processes of other users are closed to us unless we are root.

The processes are psutil's, below `psutil.PROCFS_PATH`. Its `net_connections` names owners too, but
by address: it does not tell apart those that share one, takes 1.6 to 2 times as long
(`benchmarks/sampling.py`), and has none for a socket that is only bound.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from servescope.sampling.inet_diag import listening_sockets, socket_table
from servescope.sampling.tcp_sockets import TcpState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from servescope.sampling.tcp_sockets import BoundSocket, ListeningSocket

NOT_FOUND_SECONDS: Final = 10.0
"""How long a socket without a visible owner is not searched for again."""

TABLE_SECONDS: Final = 2.0
"""How old the listening table may be: many viewers of a page cost one reading."""

_MAX_KEPT: Final = 1024
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to

_INTERPRETER: Final = re.compile(r"(python|pypy|node|ruby|perl|php)[0-9.]*")
_SHOWN: Final = re.compile(r"[\w.@ -]{1,60}")

ANOTHER_USER: Final = "a process of another user"
ANOTHER_PROCESS: Final = "another process"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. `cmdline` may hold secrets its user typed: not for pages that strangers see."""

    pid: int
    name: str
    cmdline: str


@dataclass(frozen=True, slots=True)
class SocketRow:
    """A listening TCP socket of the host, as the Ports page lists it."""

    address: str
    port: int
    inode: int  # tells sockets apart that share address and port (SO_REUSEPORT)
    process: str  # its name, or in words what is known of it
    pid: int | None  # None when the process cannot be seen
    accept_queue_depth: int
    backlog: int | None  # None when netlink is refused
    own: bool  # one of the ports asked for as our own


class OwnerFinder:
    """Finds owners and keeps them, by inode, while their process lives. Thread-safe."""

    def __init__(self, not_found_seconds: float = NOT_FOUND_SECONDS) -> None:
        self._not_found_seconds = not_found_seconds
        self._lock = threading.Lock()
        self._found: dict[int, tuple[Owner, psutil.Process]] = {}
        self._missing: dict[int, float] = {}  # until when not to search

    def owner_of(self, inodes: Collection[int]) -> dict[int, Owner]:
        """The owners of these sockets, as far as they can be seen.

        Of processes that share a socket it is the one with the lowest pid, as a rule the parent.
        """
        with self._lock:
            known: dict[int, Owner] = {}
            for inode in set(inodes) & self._found.keys():
                owner, process = self._found[inode]
                if process.is_running():  # False, too, when another process has its pid
                    known[inode] = owner
                else:
                    del self._found[inode]
            now_s = time.monotonic()
            sought = {
                inode
                for inode in inodes
                if inode and inode not in known and self._missing.get(inode, now_s) <= now_s
            }
            if sought:
                known |= self._search(sought, now_s)
            return known

    def _search(self, sought: set[int], now_s: float) -> dict[int, Owner]:
        if len(self._found) + len(self._missing) > _MAX_KEPT:
            self._found.clear()
            self._missing.clear()
        left = {f"socket:[{inode}]": inode for inode in sought}
        found: dict[int, Owner] = {}
        for pid in _pids():
            folder = Path(psutil.PROCFS_PATH, str(pid))
            held = left.keys() & _descriptors(folder)
            if not held:
                continue
            try:
                process = psutil.Process(pid)
                owner = Owner(pid, _name(folder), " ".join(process.cmdline()))
            except psutil.Error:  # it ended meanwhile
                continue
            for target in held:
                inode = left.pop(target)
                found[inode] = owner
                self._found[inode] = owner, process
                self._missing.pop(inode, None)
            if not left:
                break
        for inode in sought - found.keys():
            self._missing[inode] = now_s + self._not_found_seconds
        return found


class ListeningTable:
    """Every listening TCP socket with its owner, at most `max_age_seconds` old. Thread-safe."""

    def __init__(
        self,
        owner_of: Callable[[Collection[int]], dict[int, Owner]],
        listening: Callable[[], list[ListeningSocket]] = listening_sockets,
        max_age_seconds: float = TABLE_SECONDS,
    ) -> None:
        self._owner_of = owner_of
        self._listening = listening
        self._max_age_seconds = max_age_seconds
        self._lock = threading.Lock()
        self._rows: list[tuple[ListeningSocket, Owner | None]] = []
        self._read_at_s = float("-inf")

    def rows(self, own_ports: Collection[int] = ()) -> list[SocketRow]:
        """The rows by port and address. Raises OSError when the kernel gives no readings."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._read_at_s > self._max_age_seconds:
                found = sorted(self._listening(), key=lambda row: (row.port, row.address))
                owners = self._owner_of({row.inode for row in found})
                self._rows = [(row, owners.get(row.inode)) for row in found]
                self._read_at_s = now_s
            rows = self._rows
        return [
            SocketRow(
                row.address,
                row.port,
                row.inode,
                owner.name if owner else _unseen(row.uid),
                owner.pid if owner else None,
                row.accept_queue_depth,
                row.backlog,
                row.port in own_ports,
            )
            for row, owner in rows
        ]


_OWNERS: Final = OwnerFinder()
_TABLE: Final = ListeningTable(_OWNERS.owner_of)


def owner_of(inodes: Collection[int]) -> dict[int, Owner]:
    """The processes that hold these sockets, by inode, as far as they can be seen."""
    return _OWNERS.owner_of(inodes)


def listening_table(own_ports: Collection[int] = ()) -> list[SocketRow]:
    """Every listening TCP socket of the host, by port and address, at most TABLE_SECONDS old.

    Raises OSError when the kernel gives no readings.
    """
    return _TABLE.rows(own_ports)


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A socket that holds a port, and whose it is."""

    inode: int
    uid: int
    owner: Owner | None  # None when its process cannot be seen


def find_holder(port: int, address: str | None = None) -> PortHolder | None:
    """The socket that holds a local port; None where none can be found. Never raises.

    With an address only sockets in the way of a bind(2) to it count. A listening socket goes
    before one that is only bound or connected, and one whose owner is seen before the others.
    """
    try:
        held = [
            bound
            for bound in socket_table().sockets_on(port)
            if bound.inode and _in_the_way(bound, address)
        ]
        owners = owner_of({bound.inode for bound in held})
    except OSError:
        return None
    held.sort(key=lambda bound: (bound.inode not in owners, bound.state is not TcpState.LISTEN))
    if not held:
        return None
    return PortHolder(held[0].inode, held[0].uid, owners.get(held[0].inode))


def in_words(holder: PortHolder | None) -> str:
    """The holder of a port, for a sentence: `python3 app.py (pid 123)`, or what is known of it."""
    if holder is None:
        return ANOTHER_PROCESS
    owner = holder.owner
    return f"{program(owner)} (pid {owner.pid})" if owner else _unseen(holder.uid)


def holder_of(port: int, address: str | None = None) -> str:
    """The holder of a local port in words; see `find_holder`. It explains another error."""
    return in_words(find_holder(port, address))


def program(owner: Owner) -> str:
    """The name of a process; of an interpreter also the script or module that it runs.

    No other argument: it may be a secret.
    """
    if not _INTERPRETER.fullmatch(owner.name):
        return owner.name
    arguments = owner.cmdline.split(" ")[1:]
    if arguments[:1] == ["-m"]:
        shown = " ".join(arguments[:2])
    elif arguments and not arguments[0].startswith("-"):
        shown = Path(arguments[0]).name
    else:
        shown = ""
    return f"{owner.name} {shown}" if _SHOWN.fullmatch(shown) else owner.name


def holds(pid: int, inode: int) -> bool:
    """Whether a process has the socket open; False when that cannot be seen."""
    return f"socket:[{inode}]" in _descriptors(Path(psutil.PROCFS_PATH, str(pid)))


def descriptors_of(pid: int) -> set[str]:
    """The targets of a process's descriptors (proc(5)); none where they cannot be seen."""
    return _descriptors(Path(psutil.PROCFS_PATH, str(pid)))


def _in_the_way(bound: BoundSocket, address: str | None) -> bool:
    return (
        address is None
        or address in _WILDCARDS
        or bound.address in _WILDCARDS
        or bound.address == address
    )


def _unseen(uid: int) -> str:
    return ANOTHER_PROCESS if uid == os.geteuid() else ANOTHER_USER


def _pids() -> list[int]:
    """All that can be seen, in ascending order; none where /proc is not mounted."""
    try:
        return psutil.pids()
    except OSError:
        return []


def _descriptors(folder: Path) -> set[str]:
    """The targets of a process's descriptors; none when it ended or is closed to us."""
    targets = set()
    try:
        with os.scandir(folder / "fd") as entries:
            for entry in entries:
                with suppress(OSError):  # closed meanwhile
                    targets.add(os.readlink(entry.path))  # noqa: PTH115 - a Path each doubles it
    except OSError:
        return set()
    return targets


def _name(folder: Path) -> str:
    """The name as the kernel has it; psutil makes long ones longer by the command line."""
    try:
        name = (folder / "comm").read_text("utf-8", "backslashreplace").rstrip("\n")
    except OSError:
        name = ""
    return name or "?"
