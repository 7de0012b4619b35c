"""Whole dashboards for tests: real processes, a data folder of their own, free ports.

The modules of a dashboard are imported late: programs of tests that import this have no use for it,
and would take half a second over it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from servescope.records.listeners import ListenerState
from tests.ports import KeptPort, borrow_port, give_back
from tests.prepared_interpreter import Command, Process, started
from tests.waiting import DEADLINE_S, eventually

if TYPE_CHECKING:
    from servescope.control import Control

ROOT = Path(__file__).parents[1]
READY_S = 60
"""How long a dashboard may take to answer, without the time in which it waited for a core."""
STEP_S = 0.02
ADDRESS = re.compile(r"(?:Servescope|Listening at): (http://[\w.:\[\]]+)")


def is_bound(port):
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(pid):
    """Whether a process exists and is no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid):
    """Pids of all descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def waited_for_a_core_s(pid):
    """Seconds that a process and its descendants were ready to run and had no core.

    Of each the most of any of its threads: they wait beside each other (proc(5), schedstat).
    """
    of_processes = []
    for one in (pid, *children(pid)):
        waits_ns = [0]
        for file in Path(f"/proc/{one}/task").glob("*/schedstat"):
            with suppress(OSError):
                waits_ns.append(int(file.read_text().split()[1]))
        of_processes.append(max(waits_ns))
    return sum(of_processes) / 1e9


@dataclass
class RunningDashboard:
    """A dashboard in processes of its own."""

    process: Process
    folder: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""
    known: set[int] = field(default_factory=set)

    def follow(self):
        """Keep what the process writes; the address is in it."""
        for line in self.process.stdout:
            self.lines.append(line)
            found = ADDRESS.search(line)
            if found and not self.url:
                self.url = found[1]

    @property
    def log(self):
        return "".join(self.lines)

    @property
    def control(self) -> Control:
        from servescope.control import Control

        return Control(self.folder)

    @property
    def leader(self):
        """Pid of the leader."""
        from servescope.runtime.election import LeaderLock

        return LeaderLock(self.folder).holder()

    def listener(self, name):
        """The status of a running listener, None while there is none."""
        with closing(self.control) as control:
            return next(
                (
                    status
                    for status in control.listeners.statuses()
                    if status.name == name and status.state is ListenerState.RUNNING
                ),
                None,
            )

    def port(self, name):
        return eventually(lambda: self.listener(name)).port

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read()

    def is_healthy(self):
        """Whether it answers, and with nothing amiss."""
        try:
            return bool(self.get("/health"))
        except urllib.error.HTTPError as refused:
            refused.close()  # Python 3.14 warns of one that nobody closes
        except OSError:
            pass
        return False

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, self.log
            if not self.url:
                return False
            names = ("files", "wsgi", "asgi")
            return self.is_healthy() and all(map(self.listener, names))

        began = time.monotonic()
        while not ready():
            took_s = time.monotonic() - began
            if took_s > READY_S:
                waited_s = waited_for_a_core_s(self.process.pid)
                assert took_s - waited_s < READY_S, f"not ready after {took_s:.0f} s: {self.log}"
            time.sleep(STEP_S)  # no event says that a dashboard is ready
        self.known = {self.process.pid, *children(self.process.pid)}
        return self

    def end(self, number=signal.SIGTERM, seconds=DEADLINE_S):
        """Ask the process to end; return its exit code."""
        self.known |= set(children(self.process.pid))
        self.process.send_signal(number)
        return self.process.wait(seconds)


@dataclass
class Dashboards:
    """Starts dashboards below one folder, and ends by pid whatever of them is left.

    They are forked from a prepared interpreter, unless each is to have one of its own. Each has a
    port that no other of them had, which those have that are started when these have ended: to a
    browser they are the same origin, and it keeps what it has of that.
    """

    base: Path
    has_own_interpreter: bool = False
    started: list[tuple[RunningDashboard, threading.Thread]] = field(default_factory=list)
    ports: list[KeptPort] = field(default_factory=list)

    def __call__(self, *command, folder=None, ready=True, cwd=ROOT, **settings):
        """Start `python app.py`, or `python *command`, with SERVESCOPE_* settings."""
        folder = folder or self.base / "data"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SERVESCOPE_") and name not in {"PORT", "WEB_CONCURRENCY"}
        }
        environment |= {"SERVESCOPE_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
        if "PORT" not in settings:
            self.ports.append(borrow_port())
            settings["PORT"] = self.ports[-1].number
        defaults = {"FILES_PORT": "0", "WSGI_PORT": "0", "ASGI_PORT": "0"}
        for name, value in (defaults | settings).items():
            if value is not None:
                environment["SERVESCOPE_" + name] = str(value)
        process = started(
            Command(command or ("app.py",), str(cwd), environment),
            has_own_interpreter=self.has_own_interpreter,
        )
        running = RunningDashboard(process, folder)
        reader = threading.Thread(target=running.follow, daemon=True)
        reader.start()
        self.started.append((running, reader))
        return running.wait_ready() if ready else running

    def end(self):
        """End whatever is left of them."""
        for running, reader in self.started:
            left = {running.process.pid, *running.known, *children(running.process.pid)}
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            running.process.wait(10)
            reader.join(10)
            running.process.stdout.close()
        give_back(self.ports)
        self.ports = []


def gunicorn(*options, workers=2):
    """The command line of gunicorn with this project's configuration on a free port."""
    return (
        "-m", "gunicorn", "app:server",
        "--bind", "127.0.0.1:0", "--workers", str(workers), *options,
    )  # fmt: skip
