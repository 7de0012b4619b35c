"""The signals that ask a program to stop: to real processes, and to whichever of their threads."""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from servescope.stop_request import STOP_SIGNALS
from tests.processes import ROOT

pytestmark = pytest.mark.process

PROGRAM = """
import sys, threading
from servescope.stop_request import StopRequest

status = int(sys.argv[1])
stop = StopRequest(second_interrupt_status=status or None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(stop.comes_within(0), flush=True)
stop.wait()
print(stop.comes_within(0), flush=True)
sys.stdin.read()
"""
FORKS = """
import os, sys, time
from servescope.stop_request import StopRequest

StopRequest()
parent = os.getpid()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, b"1")
    while os.getppid() == parent:
        time.sleep(0.01)  # pause(2) would miss a signal that came before it, and the parent's end
    os._exit(9)
os.read(reading, 1)
os.kill(child, int(sys.argv[1]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def start():
    with ExitStack() as ends:

        def start_it(program, argument):
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(argument)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            ends.enter_context(process)
            ends.callback(process.kill)
            return process

        yield start_it


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("to", ["process", "another thread"])
def test_the_first_one_ends_the_wait(start, number, to):
    process = start(PROGRAM, 0)
    assert process.stdout.readline() == "False\n"
    pid = process.pid
    if to == "process":
        os.kill(pid, number)
    else:
        (other,) = {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()} - {pid}
        assert ctypes.CDLL(None).tgkill(pid, other, number) == 0
    assert process.stdout.readline() == "True\n"
    process.stdin.close()
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("first", "second", "status", "ends_with"),
    [
        (signal.SIGINT, signal.SIGINT, 7, 7),
        (signal.SIGINT, signal.SIGTERM, 7, 0),
        (signal.SIGTERM, signal.SIGINT, 7, 0),
        (signal.SIGINT, signal.SIGINT, 0, 0),
    ],
    ids=["second interrupt", "then SIGTERM", "first interrupt", "without a status"],
)
def test_a_second_interrupt_ends_the_process_where_that_has_a_status(
    start, first, second, status, ends_with
):
    process = start(PROGRAM, status)
    process.stdout.readline()
    process.send_signal(first)
    assert process.stdout.readline() == "True\n"
    process.send_signal(second)
    if ends_with:
        assert process.wait(10) == ends_with  # with its standard input open
    else:
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_forked_child_is_ended_by_its_own_default(start, number, status):
    process = start(FORKS, int(number))
    assert process.stdout.readline() == f"{int(status)}\n"
