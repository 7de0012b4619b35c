"""A process that runs a command, and ends with all that this started.

It is `python -m servescope.experiments.command_process`, and gets one line on standard input,
{"command": […], "folder": "…"}; without a folder the command runs in that of this process. The
command has a process group of its own.
On standard output are JSON objects, a line each:

    {"pid": 7}                           it was started
    {"at_ns": 123, "line": "…"}          it wrote a line, by the monotonic clock of this machine
    {"failure": "…"}                     it could not be started

When standard input ends, so at the latest with the parent, the whole group is killed. Until then
the command is not reaped, so that its number, which is that of the group, stays its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO


def main() -> int:
    """Run the command until standard input ends; the exit code."""
    order = json.loads(sys.stdin.readline())
    command = order["command"]
    try:
        process = subprocess.Popen(
            command,
            cwd=order["folder"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        _report(failure=f"{command[0]} could not be started: {error.strerror}")
        return 1
    _report(pid=process.pid)
    reader = threading.Thread(target=_pass_on, args=(process.stdout,), daemon=True)
    reader.start()
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return 0


def _pass_on(lines: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            _report(at_ns=time.perf_counter_ns(), line=text)


def _report(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
