"""The holder of a port, in words: our listeners by name, others by what they run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from servescope.actions.port_holders import describe_holder
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.temporary_listeners import EXPERIMENT

LISTENER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


def listener(port, pid, state=ListenerState.RUNNING, *, is_temporary=False):
    return ListenerStatus(
        "files", state, "127.0.0.1", port, "thread_pool", "/srv", port,
        pid=pid, is_temporary=is_temporary,
    )  # fmt: skip


@pytest.fixture
def held():
    """A port that this process listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def foreign():
    """A process that listens, and its port."""
    command = [sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process.pid, int(process.stdout.readline())
        process.kill()


def test_a_listener_of_this_process_is_told_by_its_name(held):
    assert describe_holder(held, [listener(held, os.getpid())]) == "this dashboard's listener files"


def test_a_listener_of_another_process_of_the_data_folder_too(foreign):
    pid, port = foreign
    assert describe_holder(port, [listener(port, pid)]) == "this dashboard's listener files"
    compared = [listener(port, pid, is_temporary=True)]
    assert describe_holder(port, compared) == "the comparison's listener files"
    of_experiment = [replace(compared[0], name=EXPERIMENT)]
    assert describe_holder(port, of_experiment) == "the experiment's listener learn"


def test_this_process_without_a_listener_there_is_the_dashboard_itself(held):
    elsewhere = [listener(held + 1, os.getpid()), listener(held, os.getpid(), ListenerState.FAILED)]
    assert describe_holder(held, elsewhere) == f"this dashboard itself (pid {os.getpid()})"


def test_a_status_whose_process_has_ended_names_nobody(foreign):
    pid, port = foreign
    assert describe_holder(port, [listener(port, 2**22)]).endswith(f"(pid {pid})")


def test_a_port_that_nobody_holds_any_more():
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    assert describe_holder(port, [listener(port, os.getpid())]) == "another process"
