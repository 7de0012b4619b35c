"""Child processes: real ones, of a module in a folder of its own."""

import os
import select
import signal
import subprocess
import sys

import pytest

import servescope
from servescope.child_process import let_go, say, start_child
from tests.processes import ROOT

ECHO = """
import os, sys, servescope
opened = [number for number in range(3, 256) if os.path.exists(f"/proc/self/fd/{number}")]
print(os.path.realpath(servescope.__file__), opened, flush=True)
for line in sys.stdin:
    print(line.upper(), end="", flush=True)
"""
PARENT = """
import sys
from servescope.child_process import start_child
child = start_child("echo_child")
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """The name of a module that says where our package is, then each line in capitals."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "echo_child.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.chdir(tmp_path)
    return "echo_child"


SAYS_ITS_THREADS = """
import os
print(os.environ.get("OPENBLAS_NUM_THREADS"))
"""


def ended(child):
    child.stdout.close()
    return child.wait(10)


def test_a_child_finds_this_very_package_and_what_its_parent_finds(echo):
    child = start_child(echo)
    assert os.path.realpath(servescope.__file__) in child.stdout.readline().decode()
    let_go(child)
    assert ended(child) == 0


@pytest.mark.parametrize(
    ("ours", "runs_others", "threads"),
    [(None, False, b"1\n"), (None, True, b"None\n"), ("3", False, b"3\n"), ("3", True, b"3\n")],
)
def test_only_a_child_without_apps_is_kept_to_one_thread_of_linear_algebra(
    tmp_path, monkeypatch, ours, runs_others, threads
):
    (tmp_path / "threads_child.py").write_text(SAYS_ITS_THREADS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if ours is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", ours)
    child = start_child("threads_child", runs_others=runs_others)
    assert child.stdout.readline() == threads
    let_go(child)
    assert ended(child) == 0


def test_lines_go_in_and_come_out_until_the_pipe_is_closed(echo):
    child = start_child(echo)
    child.stdout.readline()
    for line in (b"one\n", b"two\n"):
        say(child, line)
        assert child.stdout.readline() == line.upper()
    let_go(child)
    let_go(child)
    say(child, b"three\n")
    assert child.stdout.read() == b""
    assert ended(child) == 0


def test_a_child_that_has_ended_is_spoken_to_in_vain(echo):
    child = start_child(echo)
    child.kill()
    assert ended(child) == -signal.SIGKILL
    say(child, b"one\n")
    let_go(child)


def test_only_the_descriptors_told_are_inherited(echo):
    first, second = os.pipe()
    os.set_inheritable(second, True)
    child = start_child(echo, descriptors=(first,))
    assert child.stdout.readline().decode().endswith(f" [{first}]\n")
    let_go(child)
    assert ended(child) == 0
    os.close(first)
    os.close(second)


def test_what_it_complains_of_goes_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "words").open("w+b") as words:
        child = start_child("no_such_module", words)
        assert ended(child) == 1
        let_go(child)
        assert b"No module named no_such_module" in (tmp_path / "words").read_bytes()


def test_a_child_ends_with_its_parent_however_that_ends(echo):
    del echo
    command = [sys.executable, "-c", PARENT]
    path = os.pathsep.join((str(ROOT), os.environ["PYTHONPATH"]))
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as parent:
        pid = int(parent.stdout.readline())
        watched = os.pidfd_open(pid)
        parent.kill()
    assert select.select([watched], [], [], 10)[0], "the child lives on"
    os.close(watched)
