"""Children of this process that are forked from an interpreter with all that they import.

Theory of operation. A worker of the model `prefork` takes 0.1 s of CPU to import what it serves
with, a load generator twice as much, and the contracts and searches start hundreds of them. Within
`forked_children`, `servescope.child_process.start_child` has an interpreter that has executed their
import statements, and nothing else of them, fork each twice: the child in the middle ends at once,
and this process is the one to which the kernel gives its orphan (prctl(2),
PR_SET_CHILD_SUBREAPER). So the process is a child of this one, as after a start, with the
descriptors, environment, working folder and session that it would have; it carries out its module
as `__main__`. Programs that start and end workers are tested with processes of their
own (tests/serving/models/test_prefork.py, tests/load/test_supervisor.py).
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from servescope import child_process
from tests.prepared_interpreter import (
    ENVIRONMENT,
    MOST_BYTES,
    ROOT,
    Command,
    carry_out,
    execute_imports,
    read_at_start,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("servescope/serving/worker.py", "servescope/load/generator.py")
MOST_DESCRIPTORS = 16
OWN_DESCRIPTORS = 100
"""The interpreter itself has none of a higher number."""

_SET_CHILD_SUBREAPER = 36


class Order(NamedTuple):
    """The child to be forked; with it come its standard streams, and then `descriptors`."""

    module: str
    folder: str
    environment: dict[str, str]
    descriptors: list[int]
    leads_session: bool


class PreparedParent:
    """The running interpreter, as the process of tests has it."""

    def __init__(self, imported_late: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
        self._libc = ctypes.CDLL(None, use_errno=True)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *imported_late],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self, order: Order, streams: list[int]) -> int:
        """The pid of a new child of this process."""
        with self._lock:
            self._adopt(is_on=True)
            try:
                given = [*streams, *order.descriptors]
                socket.send_fds(self._orders, [json.dumps(order).encode()], given)
                return int(self._orders.recv(64))
            finally:
                self._adopt(is_on=False)

    def _adopt(self, *, is_on: bool) -> None:
        if self._libc.prctl(_SET_CHILD_SUBREAPER, int(is_on), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(2) failed")

    def end(self) -> None:
        self._orders.close()
        self._process.wait()


@functools.cache
def prepared_parent(*imported_late: str) -> PreparedParent:
    """The one of this process, which has imported these modules, too."""
    parent = PreparedParent(imported_late)
    atexit.register(parent.end)
    return parent


class ForkedChild(subprocess.Popen):
    """A child that is forked, where nothing but its start makes a difference."""

    def __init__(self, parent: PreparedParent, arguments: list[str], **options: Any) -> None:
        self._parent = parent
        super().__init__(arguments, **options)

    def _execute_child(self, args: list[str], *given: Any) -> None:
        (_, _, _, descriptors, _, environment, _, _, _), pipes = given[:9], given[9:15]
        leads_session = given[-2]
        child_in, _, _, child_out, _, child_errors = pipes
        order = Order(args[2], str(Path.cwd()), environment, list(descriptors), leads_session)
        errors = child_errors if child_errors != -1 else 2
        self.pid = self._parent.fork(order, [child_in, child_out, errors])
        self._child_created = True
        self._close_pipe_fds(*pipes)


def start(
    imported_late: tuple[str, ...], arguments: list[str], **options: Any
) -> subprocess.Popen[bytes]:
    """Fork the process of `python -m module`, or start it, if its start reads something else."""
    asked = options["env"] | {"PYTHONPATH": ENVIRONMENT.get("PYTHONPATH", "")}
    prepared = ENVIRONMENT | {"PYTHONPATH": ENVIRONMENT.get("PYTHONPATH", "")}
    if read_at_start(asked) != read_at_start(prepared):
        return subprocess.Popen(arguments, **options)
    return ForkedChild(prepared_parent(*imported_late), arguments, **options)


@contextmanager
def forked_children(*imported_late: str) -> Iterator[None]:
    """Have our own modules' children forked, meanwhile, from what has imported these modules, too.

    They are those that children other than `PROGRAMS` import, some of them once they are at work.
    """
    with pytest.MonkeyPatch.context() as patch:
        replaced = SimpleNamespace(
            Popen=functools.partial(start, imported_late), PIPE=subprocess.PIPE
        )
        patch.setattr(child_process, "subprocess", replaced)
        yield


def next_order(orders: socket.socket) -> Order | None:
    """In each process that is forked its order; in this process None, once tests are over."""
    while True:
        line, given, _, _ = socket.recv_fds(orders, MOST_BYTES, MOST_DESCRIPTORS)
        if not line:
            return None
        reading, writing = os.pipe()
        waiting, going_on = os.pipe()
        middle = os.fork()
        if middle == 0:
            pid = os.fork()
            if pid == 0:
                os.read(waiting, 1)
                order = Order(*json.loads(line))
                place([0, 1, 2, *order.descriptors], given)
                if order.leads_session:
                    os.setsid()
                return order
            os.write(writing, b"%d" % pid)
            os._exit(0)
        os.waitpid(middle, 0)  # its child has its parent for good now, and may remember which
        os.write(going_on, b"1")
        orders.send(os.read(reading, 64))
        for descriptor in (reading, writing, waiting, going_on, *given):
            os.close(descriptor)


def place(numbers: list[int], given: list[int]) -> None:
    """Have the descriptors given at these numbers, and no others."""
    lowest = max(OWN_DESCRIPTORS, *numbers) + 1
    above = [fcntl.fcntl(one, fcntl.F_DUPFD, lowest) for one in given]
    os.closerange(3, lowest)
    for number, one in zip(numbers, above, strict=True):
        os.dup2(one, number)
        os.close(one)


def main() -> None:
    for program in PROGRAMS:
        execute_imports(ROOT / program)
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    orders = socket.socket(fileno=int(sys.argv[1]))
    order = next_order(orders)
    orders.detach()  # a child has closed it
    if order is not None:
        carry_out(Command(("-m", order.module), order.folder, order.environment))


if __name__ == "__main__":
    main()
