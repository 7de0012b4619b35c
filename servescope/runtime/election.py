"""The leader's lock: one file, one `flock`, given back by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servescope.errors import DataFolderError
from servescope.forked_child import disown_in_children, no_fork

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME: Final = "leader.lock"
_PID_BYTES: Final = 16


class LeaderLock:
    """The lock of one data folder, as this process sees it.

    flock(2) locks belong to the open file description: the descriptor is close-on-exec, so that no
    child process keeps a dead leader's lock.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._descriptor: int | None = None
        self.ended_holder: int | None = None
        """Pid of who held the lock before us and ended without giving it back, as when killed."""
        disown_in_children(self)

    @property
    def held(self) -> bool:
        """Whether this process leads."""
        return self._descriptor is not None

    def try_take(self) -> bool:
        """Take the lock if it is free; return whether it is ours now.

        Raises DataFolderError when the lock file cannot be opened or written.
        """
        if self._descriptor is not None:
            return True
        with no_fork():
            return self._try_take()

    def _try_take(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError(f"cannot open {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.ended_holder = self.holder()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:  # with the descriptor the lock is given back
            os.close(descriptor)
            raise DataFolderError(f"cannot write {self._path}: {error.strerror}") from error
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let another process lead."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def disown(self) -> None:
        """Close a forked child's copy; the lock stays its parent's, and ends with that."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """Pid of the process that leads, None when none has written itself in yet."""
        with suppress(OSError, ValueError):
            return int(self._path.read_text()[:_PID_BYTES])
        return None
