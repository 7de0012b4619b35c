"""An interpreter with all that a dashboard imports, which forks one for each that starts.

Theory of operation. Most CPU time of a start, 1.4 s of 1.5 s, goes into imports, the same for
each of some hundred dashboards. The first that a process of tests asks for starts this interpreter:
it executes the import statements of `app.py` and of the pages, and nothing else of them. For each
start it forks, and the child becomes what its command line says, with the environment, working
folder, session and descriptors that it would have after an execve(2). It carries the program out in
a `__main__` of its own. Tests of starts themselves carry the mark `own_interpreter`.

Programs that run as another user are forked from an interpreter that this user has started.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import functools
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import types
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = 1 << 20
READ_AT_START = ("PYTHON", "LD_", "MALLOC_", "OPENBLAS_", "GLIBC_")
"""Of variables that an interpreter, its loader and its libraries read only when they start."""

ENVIRONMENT = os.environ | {"PYTHONUNBUFFERED": "1"}
"""Of the prepared interpreter: tests change that of their own process."""


@dataclass(frozen=True)
class Command:
    """A command line of Python, without the interpreter.

    `launcher` is the command that runs it, as one that makes its process another user's.
    """

    arguments: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    launcher: tuple[str, ...] = ()

    def can_be_forked(self):
        """Whether nothing is to be read at its start but what the prepared interpreter has read."""
        return read_at_start(self.environment) == read_at_start(ENVIRONMENT)


def read_at_start(environment):
    unread = {"PYTHONUNBUFFERED"}  # what is forked writes at once in any case
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name not in unread
    }


class ForkedProcess:
    """A process with the part of subprocess.Popen's interface that tests of dashboards use."""

    def __init__(self, command: Command) -> None:
        self.returncode: int | None = None
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, encoding="utf-8")
        self._reports, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                prepared_interpreter(command.launcher).fork(command, writing, theirs.fileno())
            finally:
                os.close(writing)
        self.pid = int(self._reports.recv(64))

    def poll(self) -> int | None:
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return status

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._reports], [], [], timeout)[0]:
            self.returncode = int(self._reports.recv(64))
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class PreparedInterpreter:
    """The running interpreter, as the process of tests has it."""

    def __init__(self, launcher: tuple[str, ...] = ()) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
        with theirs:
            self._process = subprocess.Popen(
                [*launcher, sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self, command: Command, output: int, reports: int) -> None:
        """Have a process whose output goes to a descriptor; its pid and its end are reported."""
        line = json.dumps(asdict(command)).encode()
        socket.send_fds(self._orders, [line], [output, reports])

    def end(self) -> None:
        self._orders.close()
        self._process.wait()


Process = subprocess.Popen | ForkedProcess


def started(command: Command, *, has_own_interpreter: bool = False) -> Process:
    """The process of a command, with its output, errors among it, in `stdout`."""
    if not has_own_interpreter and command.can_be_forked():
        return ForkedProcess(command)
    return subprocess.Popen(
        [*command.launcher, sys.executable, *command.arguments],
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@functools.cache
def prepared_interpreter(launcher: tuple[str, ...] = ()) -> PreparedInterpreter:
    """The one of this process that was started by this command."""
    interpreter = PreparedInterpreter(launcher)
    atexit.register(interpreter.end)
    return interpreter


def execute_imports(path: Path) -> None:
    """Execute the import statements of a module, and nothing else of it."""
    found = ast.parse(path.read_text())
    found.body = [
        node
        for node in found.body
        if isinstance(node, ast.Import)
        or (isinstance(node, ast.ImportFrom) and node.module != "__future__")
    ]
    exec(compile(found, path, "exec"), {"__name__": "imports"})  # noqa: S102 - a file of ours


def prepare() -> None:
    for path in (ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))):
        execute_imports(path)
    for name in ("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "gunicorn.workers.sync"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each fork's collector writes into, and so copies, all that was imported


class Forks:
    """The processes that were forked and have not ended, as the prepared interpreter has them."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)
        self._running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd_open(2)

    def next_command(self) -> Command | None:
        """In each child that is forked its command; in this process None, once tests are over."""
        while True:
            for key, _ in self._selector.select():
                if key.fd in self._running:
                    self._report_end(key.fd)
                    continue
                line, descriptors, _, _ = socket.recv_fds(self._orders, MOST_BYTES, 2)
                if not line or self._is_child(*descriptors):
                    return Command(**json.loads(line)) if line else None

    def _is_child(self, output: int, reports: int) -> bool:
        pid = os.fork()
        if pid == 0:
            os.close(reports)
            self._disown()
            separate(output)
            return True
        os.close(output)
        report = socket.socket(fileno=reports)
        report.send(b"%d" % pid)
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = pid, report
        self._selector.register(pidfd, selectors.EVENT_READ)
        return False

    def _report_end(self, pidfd: int) -> None:
        pid, report = self._running.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        with report, suppress(BrokenPipeError):  # where nobody waits for its end
            report.send(b"%d" % os.waitstatus_to_exitcode(status))

    def _disown(self) -> None:
        self._selector.close()
        self._orders.close()
        for pidfd, (_, report) in self._running.items():
            os.close(pidfd)
            report.close()


def separate(output: int) -> None:
    """Have a session and standard streams of its own."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def carry_out(command: Command) -> None:
    """Run the command as the interpreter runs its command line."""
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    sys.orig_argv = [sys.executable, *command.arguments]  # Werkzeug's reloader starts that again
    first, *rest = command.arguments
    if first == "-m":
        sys.path[0] = command.folder
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    if first == "-c":
        sys.path[0], sys.argv, source, name = "", ["-c", *rest[1:]], rest[0], "<string>"
    else:
        path = Path(first).resolve()
        sys.path[0], sys.argv = str(path.parent), [first, *rest]
        source, name = path.read_text(), str(path)
        main.__file__ = name
    sys.modules["__main__"] = main
    exec(compile(source, name, "exec"), main.__dict__)  # noqa: S102 - as the interpreter does


if __name__ == "__main__":
    prepare()
    if (given := Forks(socket.socket(fileno=int(sys.argv[1]))).next_command()) is not None:
        carry_out(given)
