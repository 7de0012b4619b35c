"""The process that serves at an inherited socket (`worker`), seen from the one that starts it."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Final

from servescope.child_process import say, start_child
from servescope.serving.workers.report import WorkerReport

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from servescope.serving.workers.order import WorkerOrder

WORKER_MODULE: Final = "servescope.serving.worker"


def start_worker(
    order: WorkerOrder, stderr: IO[bytes] | None = None, *, leads_session: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process and give it its order. Raises OSError when none can be started.

    It ends when the pipe to its standard input closes, so at the latest with this process. One that
    `leads_session` then ends its process group, too.
    """
    process = start_child(
        WORKER_MODULE, stderr, (order.descriptor,), leads_session=leads_session, runs_others=True
    )
    say(process, order.to_line())
    return process


def tell(process: subprocess.Popen[bytes], told: Mapping[str, object]) -> None:
    """Tell it something while it serves (see `worker`); nothing happens when it has ended."""
    say(process, json.dumps(told).encode() + b"\n")


def reports(process: subprocess.Popen[bytes]) -> Iterator[WorkerReport]:
    """Its reports until it ends."""
    if process.stdout is not None:
        with process.stdout as lines:
            yield from map(WorkerReport.from_line, lines)
