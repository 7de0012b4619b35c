"""A command that an experiment runs, as a person would type it; it ends with the experiment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.child_process import let_go, say, start_child
from servescope.errors import LoadRefusedError

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MODULE: Final = "servescope.experiments.command_process"
ENDED_S: Final = 5.0
_NS_PER_MS: Final = 1e6


class Line(NamedTuple):
    """A line that the command wrote; `at_ns` as time.perf_counter_ns has it."""

    at_ns: int
    text: str


class ChildCommand:
    """A command under way: see `running`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.pid = 0  # of the command, once it was started
        self.lines: list[Line] = []
        self._child = child
        self._failure = ""
        self._is_over = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._follow, name="child-command", daemon=True)
        self._reader.start()

    def await_line(self, pattern: str, within_s: float) -> re.Match[str]:
        """Wait for a line in which the pattern is found. Raises LoadRefusedError."""
        give_up = time.monotonic() + within_s
        seen = 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    seen += 1
                    if found := re.search(pattern, line.text):
                        return found
                left_s = give_up - time.monotonic()
                if self._is_over or left_s <= 0:
                    last = self.lines[-1].text if self.lines else "it wrote nothing"
                    raise LoadRefusedError(self._failure or f"the command did not start: {last}")
                self._news.wait(left_s)

    def signal(self, number: signal.Signals) -> None:
        """Send the command a signal; nothing happens when it has ended: it is not reaped yet."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """Kill the command with all that it started; then nothing of it is left."""
        let_go(self._child)
        try:
            self._child.wait(ENDED_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join(1)

    def _follow(self) -> None:
        if self._child.stdout is not None:
            with self._child.stdout as reports:
                for report in map(json.loads, reports):
                    with self._news:
                        self.pid = report.get("pid", self.pid)
                        self._failure = report.get("failure", self._failure)
                        if "line" in report:
                            self.lines.append(Line(report["at_ns"], report["line"]))
                        self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()


@contextmanager
def running(command: Sequence[str], folder: Path | None = None) -> Iterator[ChildCommand]:
    """Run a command in a folder; it and all processes of its group end with the context.

    Raises LoadRefusedError when it cannot be started.
    """
    try:
        child = start_child(MODULE, runs_others=True)
    except OSError as error:
        raise LoadRefusedError(f"no process could be started: {error.strerror}") from error
    started = ChildCommand(child)
    try:
        order = {"command": list(command), "folder": None if folder is None else str(folder)}
        say(child, json.dumps(order).encode() + b"\n")
        yield started
    finally:
        started.stop()
