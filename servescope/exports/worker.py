"""The process of one export: `python -m servescope.exports.worker`.

Standard input: one line with the order; its end means that the parent is gone, however it
died, and the process ends at once. Standard output: the bytes of the export. Exit status REFUSED:
standard error has one sentence for a person; any other but 0 is a fault of ours.

`alarm(2)` bounds the time: SIGALRM ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from servescope.errors import ServescopeError
from servescope.exports.order import IDLE_S, LONGEST_S, REFUSED, RunExportOrder, read_order
from servescope.exports.writing import export_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.exports.order import ExportOrder

STDIN: Final = 0
STDOUT: Final = 1
BLOCK_BYTES: Final = 65_536


def main() -> int:
    """Carry out one order; return the exit status."""
    # Ctrl-C goes to the whole process group, but the parent decides: it kills us or dies.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deadline = time.monotonic() + LONGEST_S
    signal.alarm(IDLE_S)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    order = read_order(line)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        for part in _parts(order):
            _write(part, deadline)
    except BrokenPipeError:  # nobody reads it any more
        return 0
    except ServescopeError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


def _parts(order: ExportOrder | RunExportOrder) -> Iterator[bytes]:
    if isinstance(order, RunExportOrder):
        from servescope.exports.run_writing import run_export_parts  # findings and figures with it

        yield from run_export_parts(order)
        return
    with closing(order.source.open()) as store:
        yield from export_parts(store, order.wanted(), order.format)


def _end_with_parent() -> None:
    while os.read(STDIN, 1):
        pass
    os._exit(0)


def _write(part: bytes, deadline: float) -> None:
    """Write to standard output; each block that is taken gives time for the next one."""
    left = memoryview(part)
    while left:
        signal.alarm(max(min(IDLE_S, int(deadline - time.monotonic())), 1))
        left = left[os.write(STDOUT, left[:BLOCK_BYTES]) :]


if __name__ == "__main__":
    sys.exit(main())
