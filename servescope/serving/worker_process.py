"""The process that serves at an inherited socket (`worker`), seen from the one that starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import servescope
from servescope.serving.model import Load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servescope.serving.worker_order import WorkerOrder

WORKER_MODULE: Final = "servescope.serving.worker"
_PACKAGE_ROOT: Final = Path(servescope.__file__).resolve().parent.parent


def start_worker(order: WorkerOrder, stderr: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start a process and give it its order. Raises OSError when none can be started.

    It ends when the pipe to its standard input closes, so at the latest with this process.
    """
    path = os.pathsep.join((str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")))
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER_MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        pass_fds=(order.descriptor,),
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
    )
    _write(process, order.to_line())
    return process


def tell(process: subprocess.Popen[bytes], told: Mapping[str, object]) -> None:
    """Tell it something while it serves (see `worker`); nothing happens when it has ended."""
    _write(process, json.dumps(told).encode() + b"\n")


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # who follows its reports sees that it has ended
            process.stdin.write(line)
            process.stdin.flush()


def reports(process: subprocess.Popen[bytes]) -> Iterator[Load]:
    """How busy it says it is, until it ends."""
    if process.stdout is not None:
        with process.stdout as lines:
            for line in lines:
                opened, busy, queued, is_serving = json.loads(line)
                yield Load(opened, busy, queued, busy + queued, is_serving=is_serving)


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe to a process that has ended."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
