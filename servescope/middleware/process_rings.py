"""The rings of this process: opened at its first request, once for each data folder.

A server such as gunicorn imports the app, then forks its workers, so nothing may be opened at
import; and a forked child must neither write into its parent's ring nor keep the parent's lock.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, Protocol

from servescope.errors import DataFolderError, ServescopeError
from servescope.recording.recorder import RING_SUFFIX, RINGS, Recorder
from servescope.recording.ring_file import RingKind

if TYPE_CHECKING:
    from pathlib import Path


UNRECORDED: Final = "requests are not recorded: %s"

RETRY_S: Final = 10.0
"""How long after a ring could not be opened the next attempt is made; requests go unrecorded."""

MOST_RINGS: Final = 128
"""Rings (12 MiB each with their details) there may be in the folder before no more is added: while
no dashboard collects, each restart of a worker leaves one behind."""


class RecorderUser(Protocol):
    """An object that holds a recorder of this process."""

    def begin_anew(self) -> None:
        """Forget it, in a forked child."""


class ProcessRings:
    """Recorders of this process by data folder. Any thread may ask."""

    def __init__(self) -> None:
        self.users: weakref.WeakSet[RecorderUser] = weakref.WeakSet()
        """Holders of a recorder: each is told of a fork, so that no request has to ask for one."""
        self._lock = threading.Lock()
        self._recorders: dict[Path, Recorder] = {}
        self._retry_at: dict[Path, float] = {}
        self._told: dict[Path, str] = {}

    def recorder(self, data_dir: Path) -> Recorder | None:
        """The recorder for a data folder; None while its rings cannot be opened.

        An app goes on being served when its recording cannot be: that is tried again, and logged
        once for as long as the reason is the same.
        """
        with self._lock:
            recorder = self._recorders.get(data_dir)
            if recorder is not None or time.monotonic() < self._retry_at.get(data_dir, 0.0):
                return recorder
            try:
                recorder = self._recorders[data_dir] = _open(data_dir)
            except Exception as error:  # noqa: BLE001 - the boundary to the app, served in any case
                self._retry_at[data_dir] = time.monotonic() + RETRY_S
                is_ours = isinstance(error, ServescopeError)
                self._tell(data_dir, str(error) if is_ours else repr(error))
            else:
                if self._told.pop(data_dir, ""):
                    log_warning("requests are recorded from now on, into %s", data_dir)
            return recorder

    def _tell(self, data_dir: Path, reason: str) -> None:
        if self._told.get(data_dir) != reason:
            self._told[data_dir] = reason
            log_warning(UNRECORDED, reason)

    def begin_anew(self) -> None:
        """Forget, in a forked child, what the parent has open (and each recorder disowns)."""
        for user in self.users:
            user.begin_anew()
        self._lock = threading.Lock()  # a thread that is no more may have held it
        self._recorders = {}
        self._retry_at = {}
        self._told = {}


def log_warning(message: str, *values: object, error: Exception | None = None) -> None:
    """Log that recording is not as it should be; with the traceback of `error`."""
    import logging  # here alone: it would cost each app 10 ms at its start

    logging.getLogger("servescope.middleware").warning(message, *values, exc_info=error)


def _open(data_dir: Path) -> Recorder:
    folder = data_dir / RINGS
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        rings = sum(name.endswith(RING_SUFFIX) for name in os.listdir(folder))  # noqa: PTH208 - names alone
    except OSError as error:
        raise DataFolderError(f"cannot use the folder {folder}: {error.strerror}") from error
    if rings >= MOST_RINGS:
        raise DataFolderError(
            f"{folder} holds {rings} rings that nobody has collected: start a dashboard on "
            f"{data_dir}, or delete them"
        )
    return Recorder(folder, RingKind.APP)


PROCESS_RINGS: Final = ProcessRings()
os.register_at_fork(after_in_child=PROCESS_RINGS.begin_anew)
