"""`wsgi.errors`: where a WSGI app may write, and no more than that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorStream:
    """The process's standard error with the methods that PEP 3333 names.

    Not `close` and not `detach`: the log of the whole process goes there too.
    """

    def write(self, text: str) -> int:
        """Write text; how many characters."""
        return sys.stderr.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        sys.stderr.writelines(lines)

    def flush(self) -> None:
        """Let it be seen."""
        sys.stderr.flush()
