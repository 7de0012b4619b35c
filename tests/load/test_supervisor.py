"""Real generator processes: how they run, stop, fail, and die with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from servescope.load.order import Order
from servescope.load.supervisor import MODULE, GeneratorProcess
from servescope.load.targets import Target
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_reader import RingReader
from servescope.records.load import LoadPlan, RunState
from tests.waiting import eventually

from .conftest import TinyServer, never_answers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.real_time]
PLAN = LoadPlan.constant("files", "/", rate=200, seconds=0.5)
ENDLESS = LoadPlan.constant("files", "/", rate=200, seconds=60.0)
Serve = Callable[..., TinyServer]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_run_to_its_end(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    process = GeneratorProcess(3, PLAN, Target("127.0.0.1", server.port), tmp_path / "rings")
    assert process.wait(20)
    assert (process.state, process.message) == (RunState.DONE, "")
    result = process.result
    assert result is not None
    assert result.sent == result.answered == server.requests == 100
    assert result.seconds >= 0.5
    assert result.rate_achieved <= 200
    assert result.cpu_seconds > 0
    assert process.progress is not None
    assert process.progress.sent == 0  # the one that tells it is ready
    assert b"User-Agent: servescope-load (run 3)" in server.last_request
    assert f"Host: 127.0.0.1:{server.port}".encode() in server.last_request
    (ring,) = (tmp_path / "rings").glob("*.ring")
    reader = RingReader(ring)
    assert reader.header.kind == RingKind.LOAD
    assert reader.header.pid == process.pid
    assert len(reader.drain(0, 2**62, 0.0).records) == 100
    assert reader.writer_is_gone()
    reader.close()


def test_stop_ends_the_run_within_a_second_and_keeps_its_result(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve(never_answers)
    process = GeneratorProcess(1, ENDLESS, Target("127.0.0.1", server.port), tmp_path)
    assert eventually(lambda: server.requests >= 5)
    process.stop()
    process.stop()
    assert process.state in {RunState.STOPPING, RunState.STOPPED}
    assert process.wait(3)
    assert process.state is RunState.STOPPED
    result = process.result
    assert result is not None
    assert result.stopped
    assert result.sent == result.answered + sum(result.failed.values()) + result.cancelled
    assert 5 <= result.cancelled < 12_000
    assert result.seconds < 60


def test_kill_ends_at_once_without_a_result(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    process = GeneratorProcess(1, ENDLESS, Target("127.0.0.1", server.port), tmp_path)
    assert eventually(lambda: server.requests >= 5)
    process.kill()
    assert process.wait(3)
    assert (process.state, process.result) == (RunState.STOPPED, None)
    process.stop()
    assert process.state is RunState.STOPPED


def test_generator_killed_by_others_is_a_failed_run(serve: Serve, tmp_path: Path) -> None:
    process = GeneratorProcess(1, ENDLESS, Target("127.0.0.1", serve().port), tmp_path)
    assert eventually(lambda: process.progress is not None)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(3)
    assert (process.state, process.result) == (RunState.FAILED, None)
    assert process.message == "the generator ended with code -9"


def test_failure_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    process = GeneratorProcess(1, PLAN, Target("127.0.0.1", 9), folder)
    assert process.wait(20)
    assert process.state is RunState.FAILED
    assert process.message == f"cannot make the folder {folder}: File exists"


def test_core_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = GeneratorProcess(1, PLAN, Target("127.0.0.1", 9), tmp_path, pin_core=1_000)
    assert process.wait(20)
    assert process.state is RunState.FAILED
    assert "cannot run on core 1000" in process.message


@pytest.mark.parametrize("order_first", [True, False])
def test_end_of_input_ends_the_process(serve: Serve, tmp_path: Path, order_first: bool) -> None:
    server = serve()
    with subprocess.Popen(
        [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if order_first:
            order = Order(1, ENDLESS, Target("127.0.0.1", server.port), str(tmp_path))
            process.stdin.write(order.to_line())
            process.stdin.flush()
            assert eventually(lambda: server.requests >= 5)
        process.stdin.close()
        assert process.wait(5) == 0
        assert b"result" not in process.stdout.read()


def test_stop_that_comes_with_the_order_sends_nothing(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    order = Order(1, ENDLESS, Target("127.0.0.1", server.port), str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(order.to_line() + b"stop\n")
        process.stdin.flush()
        assert b'"stopped": true' in process.stdout.read()
        assert process.wait(5) == 0
    assert server.requests == 0


PARENT = """
import os, signal, sys
from pathlib import Path
from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target
from servescope.records.load import LoadPlan
port, folder, forks = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
plan = LoadPlan.constant("files", "/", 200, 60.0)
process = GeneratorProcess(1, plan, Target("127.0.0.1", port), folder)
heir = os.fork() if forks else 0
if not forks or heir:
    print(process.pid, heir, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("pipe_is_inherited", [False, True])
def test_generator_ends_when_its_parent_is_killed(
    serve: Serve, tmp_path: Path, pipe_is_inherited: bool
) -> None:
    server = serve()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(server.port), str(tmp_path), str(pipe_is_inherited)],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    generator, heir = map(int, parent.stdout.readline().split())
    try:
        assert eventually(lambda: server.requests >= 5)
        assert not is_gone(generator)
        parent.kill()
        parent.wait()
        assert eventually(lambda: is_gone(generator))
    finally:
        parent.kill()
        for pid in filter(None, (generator, heir)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        parent.stdout.close()
        parent.wait()
