"""The process that opens one run file: `python -m servescope.run_files.worker`.

Standard input: one JSON line, `{"file": path, "folder": path}`; its end means that the parent is
gone, and the process ends at once. Standard output: the run's document as JSON, once the series are
written into the folder. Exit status REFUSED: standard error has one sentence for a person.

Time and memory are bounded: a file may have been made to use up both.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from servescope.errors import ServescopeError
from servescope.run_files.imported import unpack

REFUSED: Final = 3
LONGEST_S: Final = 120
_MOST_MEMORY_BYTES: Final = 4 * 1024**3
"""Of addresses: pyarrow reserves many that it never touches."""


def main() -> int:
    """Open one file; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides: it kills us or dies
    signal.alarm(LONGEST_S)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    order = json.loads(line)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        document = unpack(Path(order["file"]), Path(order["folder"]))
    except ServescopeError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except MemoryError:
        sys.stderr.write("the file unpacks to more than fits into memory\n")
        return REFUSED
    histogram = document.run.result.get("histogram")
    sys.stdout.write(json.dumps({"run": document.to_json(), "histogram": histogram}))
    sys.stdout.flush()
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
