"""The source files of an app, and whether one has changed.

The process that imports the app tells which they are; the one that started it watches them. Files
are looked at (stat(2)), not subscribed to: inotify does not see what another host writes to a
network folder, nor, in many a container, what is mounted from outside. A look at 300 files takes
half a millisecond.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType, TracebackType

_INSTALLED: Final = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
"""The standard library and what is installed beside it: nobody edits these."""

_CLOCK_STEP_NS: Final = 20_000_000
"""The kernel's clock for files lags behind by a tick, of 10 ms at most."""

_UNKNOWN: Final = (-1, -1, -1)
"""The stamp of a file that may have changed while it was read."""

_MISSING: Final = (0, 0, 0)
_Stamp = tuple[int, int, int]


def imported_sources() -> set[str]:
    """Source files of the modules this process has imported, but for installed ones."""
    return {path for module in list(sys.modules.values()) if (path := _source_of(module))}


def sources_of_failure(error: BaseException | None) -> set[str]:
    """Files that an import which failed with this, or with what caused it, has to do with.

    A module that is missing may appear in any folder of the path.
    """
    files: set[str] = set()
    while error is not None:
        files.update(_files_of(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename:
            files.add(error.filename)
        if isinstance(error, ModuleNotFoundError) and error.name:
            files.update(_places_of(error.name))
        error = error.__cause__ or error.__context__
    return {path for path in files if _is_watched(path)}


def _source_of(module: ModuleType) -> str:
    try:
        path = vars(module).get("__file__")
    except TypeError:  # an app may put anything there
        return ""
    return path if isinstance(path, str) and _is_watched(path) else ""


def _is_watched(path: str) -> bool:
    return path.endswith(".py") and path.startswith("/") and not path.startswith(_INSTALLED)


def _files_of(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next


def _places_of(module: str) -> Iterator[str]:
    relative = Path(*module.split("."))
    for entry in sys.path:
        yield str(Path(entry).absolute() / relative.with_suffix(".py"))
        yield str(Path(entry).absolute() / relative / "__init__.py")


class SourceWatch:
    """Files to watch: any thread may add some, one asks which have changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamps: dict[str, _Stamp] = {}
        self._moving: dict[str, _Stamp] = {}

    def add(self, files: Iterable[str], read_after_ns: int) -> None:
        """Watch files that a process has read, which was started at `read_after_ns` (epoch).

        One that was written since may have been read before: it counts as changed.
        """
        with self._lock:
            for path in files:
                if path not in self._stamps:
                    stamp = _stamp(path)
                    written_ns = stamp[0]
                    since_ns = read_after_ns - _CLOCK_STEP_NS
                    is_known = not since_ns <= written_ns <= time.time_ns()
                    self._stamps[path] = stamp if is_known else _UNKNOWN

    def changed(self) -> list[str]:
        """Files that changed since the last report, once all of them lie still.

        That is from one look to the next: editors and checkouts write in several steps.
        """
        with self._lock:
            found = {path: _stamp(path) for path in self._stamps}
            moved = {path: stamp for path, stamp in found.items() if stamp != self._stamps[path]}
            is_still, self._moving = moved == self._moving, moved
            if not moved or not is_still:
                return []
            self._stamps.update(moved)
            return sorted(moved)


def _stamp(path: str) -> _Stamp:
    """When a file was written, its size and its inode; all 0 while it is missing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path costs as much again, hundreds of times a second
    except OSError:
        return _MISSING
    return found.st_mtime_ns, found.st_size, found.st_ino
