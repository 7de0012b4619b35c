"""The parent's side of a generator process: start it, follow it, stop it."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Final

from servescope.child_process import let_go, say, start_child
from servescope.errors import LoadRefusedError
from servescope.load.order import Order
from servescope.load.report import Progress, Result
from servescope.records.load import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.load.targets import Target
    from servescope.records.load import LoadPlan

MODULE: Final = "servescope.load.generator"
MESSAGE_LIMIT: Final = 500
"""How many characters of the process's last words are kept."""


class GeneratorProcess:
    """One run in a process of its own, started at once; any thread may call it.

    The plan was checked (`plan.check`, which gave the target). The process ends with this one,
    however this one ends: its standard input is a pipe that only we hold. Raises LoadRefusedError
    when no process can be started.
    """

    def __init__(
        self,
        run_id: int,
        plan: LoadPlan,
        target: Target,
        rings_folder: Path,
        pin_core: int | None = None,
    ) -> None:
        self.run_id = run_id
        order = Order(run_id, plan, target, str(rings_folder.absolute()), pin_core)
        self._lock = threading.Lock()
        self._state = RunState.RUNNING
        self._progress: Progress | None = None
        self._result: Result | None = None
        self._message = ""
        self._ended = threading.Event()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = start_child(MODULE, self._stderr)
        except OSError as error:
            self._stderr.close()
            raise LoadRefusedError(f"the load generator cannot be started: {error}") from error
        self._write(order.to_line())
        self._reader = threading.Thread(target=self._follow, name=f"load-run-{run_id}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def state(self) -> RunState:
        """RUNNING, STOPPING, or how the run ended: DONE, STOPPED, FAILED."""
        with self._lock:
            return self._state

    @property
    def progress(self) -> Progress | None:
        """The last progress; None until the generator is ready."""
        with self._lock:
            return self._progress

    @property
    def result(self) -> Result | None:
        """The result; None while the run is on, and when it failed or was killed."""
        with self._lock:
            return self._result

    @property
    def message(self) -> str:
        """Why the run failed; empty otherwise."""
        with self._lock:
            return self._message

    def stop(self) -> None:
        """Ask for an end: nothing more is sent, the result follows within a second."""
        with self._lock:
            if self._state is not RunState.RUNNING:
                return
            self._state = RunState.STOPPING
        self._write(b"stop\n")

    def kill(self) -> None:
        """End the process at once, without a result (the run counts as stopped)."""
        with self._lock:
            if self._state is RunState.RUNNING:
                self._state = RunState.STOPPING
        self._process.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over; False when it still is not after `timeout` seconds."""
        return self._ended.wait(timeout)

    def _write(self, line: bytes) -> None:
        with self._lock:
            say(self._process, line)

    def _follow(self) -> None:
        """Read lines until the process ends, then tell how it did; the reader thread's whole life.

        A line that is no JSON object of ours fails the run: the rest is still read, so that the
        process never blocks on a full pipe.
        """
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        fault = ""
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._take(json.loads(line))
                except (ValueError, TypeError, KeyError) as error:
                    fault = fault or f"the generator said {line[:80]!r}: {error}"
        code = self._process.wait()
        self._finish(code, fault)

    def _take(self, values: dict[str, Any]) -> None:
        if "result" in values:
            result = Result.from_json(values["result"])
            with self._lock:
                self._result = result
            return
        progress = Progress.from_json(values)
        with self._lock:
            self._progress = progress

    def _finish(self, code: int, fault: str) -> None:
        with self._stderr as words:
            size = words.seek(0, os.SEEK_END)
            words.seek(max(size - MESSAGE_LIMIT, 0))
            tail = words.read().decode("utf-8", "replace").strip()
        with self._lock:
            if self._result is not None and code == 0 and not fault:
                self._state = RunState.STOPPED if self._result.stopped else RunState.DONE
            elif self._state is RunState.STOPPING and code <= 0 and not fault:
                self._state = RunState.STOPPED
            else:
                self._state = RunState.FAILED
                self._message = tail or fault or f"the generator ended with code {code}"
            let_go(self._process)
        self._ended.set()
