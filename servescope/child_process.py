"""A Python process of our own modules below this one, which ends when this one does.

Its standard input is a pipe that only we hold, and it ends when that closes: so at the latest with
this process, however this one ends (`kill -9` included). It is a new program (execve(2)): what a
fork of a process with threads inherits, their locks above all, it does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import servescope
from servescope.forked_child import in_children, no_fork

if TYPE_CHECKING:
    from collections.abc import Collection

_PACKAGE_ROOT: Final = Path(servescope.__file__).resolve().parent.parent
_ONE_BLAS_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""For modules of ours, whose products of matrices are small.

numpy's linear algebra starts a thread for each further processor, which looks for work at once: of
the 0.18 s of CPU that the start of a load generator takes on two of them, 0.05 s.
"""


def start_child(
    module: str,
    stderr: IO[bytes] | None = None,
    descriptors: Collection[int] = (),
    *,
    leads_session: bool = False,
    runs_others: bool = False,
) -> subprocess.Popen[bytes]:
    """Start `python -m module`, this very package first on its path, with pipes to and from it.

    It inherits these descriptors and no others. Its children are of its process group, which is
    one of its own with `leads_session`. With `runs_others`, apps or programs that are not ours, it
    has our environment as it is. Raises OSError when no process can be started.
    """
    own = {} if runs_others else _ONE_BLAS_THREAD
    paths = [str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with no_fork():
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=tuple(descriptors),
            start_new_session=leads_session,
            env={**own, **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        in_children(child, _drop_pipes)
    return child


def _drop_pipes(child: subprocess.Popen[bytes]) -> None:
    """Close a forked child's copies of the pipes; buffered bytes are its parent's to write."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.raw.close()  # type: ignore[attr-defined]  # IO[bytes] hides that it is buffered


def say(child: subprocess.Popen[bytes], line: bytes) -> None:
    """Write a line to its standard input; nothing happens when it has ended.

    The reader of its output sees its end.
    """
    if child.stdin is not None:
        with suppress(OSError, ValueError):  # the pipe is broken, or closed by us already
            child.stdin.write(line)
            child.stdin.flush()


def let_go(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe to it: it ends, if it has not yet."""
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
