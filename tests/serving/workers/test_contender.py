"""A listener in a process of its own: it serves, tells its queue, costs what it costs, and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from servescope.errors import ListenerError
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.sampling.process_tree import tree_of, usage_of
from servescope.serving.models import REGISTRY
from servescope.serving.workers.contender import ContenderProcess
from tests.processes import alive, eventually, is_bound

pytestmark = pytest.mark.process
APP = "tests.contracts.app_for_models:app"


def spec(model=ConcurrencyModel.THREAD_POOL, app=APP, kind=AppKind.WSGI):
    options = ListenerOptions(threads=2, workers=2)
    return ListenerSpec("compared", "127.0.0.1", 0, ConcurrencyModel(model), kind, app,
                        options=options)  # fmt: skip


@pytest.mark.parametrize("model", list(REGISTRY))
def test_every_model_serves_in_a_process_of_its_own_and_leaves_nothing(model, tmp_path):
    contender = ContenderProcess(spec(model), tmp_path / "rings")
    try:
        eventually(lambda: contender.is_up(0.1))
        host, port = contender.address
        before = usage_of(contender.pid)
        for _ in range(20):
            with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as answer:
                assert answer.status == 200
        after = usage_of(contender.pid)
        assert after.cpu_ns > before.cpu_ns > 0
        assert after.memory_bytes is None or after.memory_bytes > 2**20
        assert after.processes == (3 if model == "prefork" else 1)
        assert after.threads >= after.processes
        assert contender.accept_queue() == 0
        pids = tree_of(contender.pid)
    finally:
        contender.stop(1)
    assert not is_bound(port)
    eventually(lambda: not any(map(alive, pids)))


def test_the_accept_queue_is_seen_from_outside(tmp_path):
    contender = ContenderProcess(spec(ConcurrencyModel.SEQUENTIAL), tmp_path / "rings")
    clients = []
    try:
        eventually(lambda: contender.is_up(0.1))
        # The first is served, though it says nothing; the others wait.
        clients += [socket.create_connection(contender.address, 5) for _ in range(5)]
        eventually(lambda: contender.accept_queue() == 4)
    finally:
        for client in clients:
            client.close()
        contender.stop(0)


def test_what_keeps_it_from_serving_is_told(tmp_path):
    contender = ContenderProcess(spec(app="no_such_module:app"), tmp_path / "rings")
    try:
        with pytest.raises(ListenerError, match="cannot import no_such_module"):
            eventually(lambda: contender.is_up(0.1))
    finally:
        contender.stop(0)


STARTER = f"""
import sys
from pathlib import Path
from servescope.records.listeners import *
from servescope.serving.workers.contender import ContenderProcess
spec = ListenerSpec("it", "127.0.0.1", 0, ConcurrencyModel.PREFORK, AppKind.WSGI, {APP!r})
contender = ContenderProcess(spec, Path(sys.argv[1]))
while not contender.is_up(1): pass
print(contender.pid, contender.address[1], flush=True)
sys.stdin.read()
"""


def test_it_ends_with_whoever_started_it_kill_9_included(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "rings")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with starter:
        pid, port = map(int, starter.stdout.readline().split())
        pids = tree_of(pid)
        assert len(pids) == 3
        os.kill(starter.pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)))
    assert not is_bound(port)


OF_FOLDER = """\
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("left", "w").write(str(left.pid))
def app(environ, start_response):
    start_response("200 OK", [])
    return []
"""
STARTER_OF_FOLDER = """
import sys
from pathlib import Path
from servescope.records.listeners import *
from servescope.serving.workers.contender import ContenderProcess
model = ConcurrencyModel.SEQUENTIAL
spec = ListenerSpec("it", "127.0.0.1", 0, model, AppKind.WSGI, "of_folder:app")
contender = ContenderProcess(spec, Path(sys.argv[1]), Path(sys.argv[2]))
while not contender.is_up(1): pass
print(contender.pid, flush=True)
sys.stdin.read()
"""


def test_what_an_app_of_a_folder_has_started_ends_with_it_kill_9_of_the_parent_included(tmp_path):
    (tmp_path / "of_folder.py").write_text(OF_FOLDER)
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER_OF_FOLDER, str(tmp_path / "rings"), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with starter:
        pids = [int(starter.stdout.readline()), int((tmp_path / "left").read_text())]
        assert all(map(alive, pids))
        os.kill(starter.pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)))


def test_a_process_that_is_gone_costs_nothing():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    usage = usage_of(gone.pid)
    assert (usage.cpu_ns, usage.processes, usage.threads) == (0, 0, 0)
    own_ns = time.process_time_ns()
    assert usage_of(os.getpid()).cpu_ns >= own_ns
