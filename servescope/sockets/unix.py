"""Listening at a path (unix(7)) instead of a port."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.errors import ListenerError
from servescope.records.listeners import UNIX

if TYPE_CHECKING:
    from collections.abc import Iterator

MODE: Final = 0o660
"""Owner and group may connect; others may not."""

MAX_PATH_BYTES: Final = 107
"""`sun_path` has 108 bytes, the last is 0 (unix(7))."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a bound socket; its inode distinguishes it from one that took its place."""

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, listening: socket.socket) -> SocketFile | None:
        """That of a listening socket, None for one that has a port."""
        if listening.family != socket.AF_UNIX:
            return None
        path = Path(listening.getsockname())
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def remove(self) -> None:
        """Remove the file, if it is still this one."""
        with suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                self.path.unlink()


def bind_unix(address: str, backlog: int) -> socket.socket:
    """A socket that listens at the path in `address` (`unix:/path`).

    The file of a server that is gone is replaced; one at which somebody listens is not, nor is
    anything that is no socket. Raises ListenerError.
    """
    path = Path(address.removeprefix(UNIX))
    if not path.is_absolute():
        raise ListenerError(f"the path of {address} is not absolute: write unix:/run/name.sock")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ListenerError(f"the path {path} is longer than {MAX_PATH_BYTES} bytes (unix(7))")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _one_at_a_time(path.parent):
            _remove_stale(path)
            listening.bind(str(path))
            path.chmod(MODE)  # before the first client can connect
            listening.listen(backlog)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:  # somebody was faster
            raise _is_held(path) from error
        raise ListenerError(f"cannot listen at {path}: {error.strerror}") from error
    except ListenerError:
        listening.close()
        raise
    return listening


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Have the servers that start in a folder look, bind and listen one after the other.

    Between another's look and its removal of the file one could have bound it anew; until that one
    listens, it looks like the file of a dead server (flock(2)).
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:  # it may be written all the same
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Remove the file that a dead server left; raises ListenerError when it is anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenerError(f"{path} is there already and is no socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:  # not permitted, or a full accept queue: somebody is there
            pass
    raise _is_held(path)


def _is_held(path: Path) -> ListenerError:
    return ListenerError(f"another server listens at {path}; stop it or choose another path")
