"""The generator process: `python -m servescope.load.generator`.

Standard input: one line with the `Order`, then at any time a line `stop`. Its end means that the
parent is gone, however it died: the process ends at once. Standard output: a `Progress` object a
line, at the start and once a second, and at last `{"result": …}` with the `Result`. A failure is
one line on standard error and exit code 1.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError, ServescopeError
from servescope.load.order import Order
from servescope.load.scenario_run import ScenarioRun
from servescope.load.targets import host_of
from servescope.load.tls_connections import TrustedServer
from servescope.recording.recorder import Recorder
from servescope.recording.ring_file import RingKind

if TYPE_CHECKING:
    from servescope.load.report import Progress

STDIN: Final = 0
STDOUT: Final = 1
_COLLECT_FROM: Final = 100_000  # objects more than before
STOP: Final = b"stop"
_TIMER_SLACK: Final = Path("/proc/self/timerslack_ns")
_SLACK_NS: Final = "1000"  # the default, 50 µs, is longer than a request takes (proc(5))


class ParentGoneError(Exception):
    """Nobody is there any more to load for."""


class Control:
    """The lines that come in on standard input."""

    def __init__(self) -> None:
        self._pending = b""
        self._parent = os.getppid()

    def read_order(self) -> Order:
        """Wait for the first line. Raises ParentGoneError when input ends before it."""
        while b"\n" not in self._pending:
            self.read()
        line, self._pending = self._pending.split(b"\n", 1)
        return Order.from_line(line)

    def stop_asked(self) -> bool:
        """Whether a line that was read says so."""
        *lines, self._pending = self._pending.split(b"\n")
        return STOP in lines

    def check_parent(self) -> None:
        """Raise ParentGoneError when we were handed to another parent.

        A second guard, once a second: input does not end while some process forked from the
        parent still holds the pipe.
        """
        if os.getppid() != self._parent:
            raise ParentGoneError

    def read(self) -> None:
        """Take what has come. Raises ParentGoneError at the end of input."""
        data = os.read(STDIN, 4096)
        if not data:
            raise ParentGoneError
        self._pending += data


def say(values: dict[str, Any]) -> None:
    """Write one line of JSON to standard output. Raises ParentGoneError when nobody reads it."""
    line = json.dumps(values).encode() + b"\n"
    try:
        while line:
            line = line[os.write(STDOUT, line) :]
    except BrokenPipeError:
        raise ParentGoneError from None


def run(order: Order, control: Control) -> dict[str, Any]:
    """Carry out the order; return the result's JSON object."""
    plan, target = order.plan, order.target
    if order.pin_core is not None:
        try:
            os.sched_setaffinity(0, {order.pin_core})
        except OSError as error:
            raise LoadRefusedError(
                f"the load generator cannot run on core {order.pin_core}: {error.strerror}"
            ) from None
    with suppress(OSError):
        _TIMER_SLACK.write_text(_SLACK_NS)
    recorder = Recorder(Path(order.rings_folder), RingKind.LOAD)
    scenario_run = ScenarioRun(
        plan.scenario,
        recorder,
        plan.destination,
        destination=(target.address, target.port),
        host=target.host or host_of(target.address, target.port),
        agent=f"servescope-load (run {order.run_id})",
        server=TrustedServer(target.trust) if target.trust else None,
    )

    def on_control() -> None:
        control.read()
        if control.stop_asked():
            scenario_run.stop()

    def on_tick(progress: Progress) -> None:
        control.check_parent()
        if control.stop_asked():  # it came together with the order
            scenario_run.stop()
        say(progress.to_json())

    # All present objects stay alive: keep the collector from walking them in the middle of a run.
    gc.collect()
    gc.freeze()
    # Requests that wait are many, and hold no cycles: there is little to find among them.
    gc.set_threshold(_COLLECT_FROM)
    scenario_run.run(STDIN, on_control, on_tick)
    result = scenario_run.result()
    recorder.close()
    return result.to_json()


def main() -> int:
    """Run one order; return the exit code."""
    # Ctrl-C goes to the whole process group, but the parent decides: it stops us or dies.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = Control()
    try:
        say({"result": run(control.read_order(), control)})
    except ParentGoneError:
        return 0
    except (ServescopeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
