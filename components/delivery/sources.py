"""The bytes behind a URL: of one file, or of all scripts or style sheets of a folder as one."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

SCRIPTS: Final = "scripts.js"
STYLE_SHEETS: Final = "styles.css"
"""Names of the bundles, beside the files of which they are made."""

COMPILE_ALL: Final = b"//# allFunctionsCalledOnLoad\n"
"""V8's explicit compile hint, https://v8.dev/blog/explicit-compile-hints; from Chromium 136 on."""

_PARTS: Final = {
    SCRIPTS: "// {name}\ntry {{\n{text}\n}} catch (error) {{\n  reportError(error);\n}}\n",
    STYLE_SHEETS: "/* {name} */\n{text}\n",
}
"""How a file stands in a bundle: by its name, for who reads an error's line there, and so that a
script that fails while it is loaded takes none of the others with it."""


class Source(Protocol):
    """Bytes that a URL answers with. Both methods raise FileNotFoundError for what is no file."""

    def state(self) -> Hashable:
        """A value that changes when the bytes do: times of change in nanoseconds, and sizes."""

    def read(self) -> bytes:
        """The bytes."""


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    path: Path

    def state(self) -> tuple[int, int]:
        """Time of change and size."""
        try:
            status = self.path.stat()
        except (OSError, ValueError) as error:  # too long a name, or a zero byte in it
            raise FileNotFoundError(self.path) from error
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(self.path)
        return status.st_mtime_ns, status.st_size

    def read(self) -> bytes:
        """The file's content."""
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class CompiledEarly:
    """A script of a package of which Chromium compiles all functions where it parses them.

    It parses beside the main thread; a function that it passed over there is parsed anew, on the
    main thread, when it is called. Other browsers read a comment.
    """

    file: File

    def state(self) -> tuple[int, int]:
        """That of the file."""
        return self.file.state()

    def read(self) -> bytes:
        """The file's content behind the comment that asks for it."""
        return COMPILE_ALL + self.file.read()


@dataclass(frozen=True, slots=True)
class Bundle:
    """All scripts or style sheets of `folder` but those `left_out`, in the order of their names.

    `name` is SCRIPTS or STYLE_SHEETS; `first` are files below the folder that come before all.
    """

    name: str
    folder: Path
    left_out: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()

    def state(self) -> tuple[tuple[Path, int, int], ...]:
        """Path, time of change and size of each file."""
        return tuple((path, *File(path).state()) for path in self._paths())

    def read(self) -> bytes:
        """The files one after the other, each with its name."""
        part = _PARTS[self.name]
        return "".join(
            part.format(name=path.relative_to(self.folder), text=path.read_text("utf-8"))
            for path in self._paths()
        ).encode()

    def _paths(self) -> list[Path]:
        suffix = self.name[self.name.rindex(".") :]
        found = [path for path in self.folder.glob(f"*{suffix}") if path.name not in self.left_out]
        return [*(self.folder / name for name in self.first), *sorted(found)]
