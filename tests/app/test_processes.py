"""Starts and ends: each way to run Servescope leaves no process and no bound port behind."""

import ctypes
import os
import signal
import socket
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from servescope.records.listeners import ConcurrencyModel
from servescope.sampling.inet_diag import listening_sockets
from tests.faults.test_handover import total_requests
from tests.processes import alive, children, eventually, gunicorn, is_bound
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.process

# Each program's own handlers take both signals; how many workers gunicorn has, and when they were
# forked, is nothing to its arbiter when one of them comes.
STARTS = {
    "python app.py, SIGTERM": ((), {}, signal.SIGTERM),
    "debug, SIGINT": ((), {"DEBUG": "true"}, signal.SIGINT),
    "gunicorn, SIGTERM": (gunicorn(), {}, signal.SIGTERM),
    "gunicorn --preload, SIGTERM": (gunicorn("--preload"), {}, signal.SIGTERM),
}
ENDS = {
    "python app.py, SIGINT": ((), {}, signal.SIGINT),
    "debug, SIGTERM": ((), {"DEBUG": "true"}, signal.SIGTERM),
    "gunicorn, SIGINT": (gunicorn(), {}, signal.SIGINT),
    "gunicorn with one worker, SIGINT": (gunicorn(workers=1), {}, signal.SIGINT),
}
"""Other ends of what is started in one of these ways."""


@pytest.mark.parametrize(
    ("command", "settings", "number"),
    [pytest.param(*one, id=name, marks=pytest.mark.own_interpreter) for name, one in STARTS.items()]
    + [pytest.param(*one, id=name) for name, one in ENDS.items()],
)
def test_a_start_and_an_end_are_clean(start_dashboard, command, settings, number):
    running = start_dashboard(*command, **settings)
    ports = [running.port("files"), running.port("wsgi")]
    assert all(is_bound(port) for port in ports)
    bound = [socket.port for socket in listening_sockets()]
    assert [bound.count(port) for port in ports] == [1, 1]
    code = running.end(number)
    assert code in {0, -number}, running.log
    eventually(lambda: not any(alive(pid) for pid in running.known))
    assert not any(is_bound(port) for port in ports)
    assert "Traceback" not in running.log


def test_a_signal_that_the_kernel_gives_to_another_thread_ends_it_too(start_dashboard):
    running = start_dashboard()
    pid = running.process.pid
    threads = {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()} - {pid}
    assert ctypes.CDLL(None).tgkill(pid, max(threads), signal.SIGTERM) == 0
    assert running.process.wait(DEADLINE_S) == 0
    assert "Traceback" not in running.log


def test_a_second_instance_follows_and_says_so(start_dashboard):
    first = start_dashboard()
    second = start_dashboard(folder=first.folder)
    eventually(lambda: f"process {second.process.pid} follows" in second.log)
    assert f"process {first.process.pid} leads" in second.log
    assert second.leader == first.process.pid
    assert first.end() == 0
    eventually(lambda: second.leader == second.process.pid)
    eventually(lambda: second.listener("wsgi"))


def runs_and_says(start_dashboard, program, text):
    """Run a program to its end; it succeeds and writes the text."""
    running = start_dashboard("-c", program, ready=False)
    assert running.process.wait(DEADLINE_S) == 0, running.log
    eventually(lambda: text in running.log)


@pytest.mark.own_interpreter
def test_an_importing_process_starts_nothing(start_dashboard):
    program = (
        "import threading, app; from servescope.runtime.election import LeaderLock;"
        "print('threads', threading.active_count(), 'leader', app.runtime.folder.exists(),"
        " (app.runtime.folder / 'leader.lock').exists())"
    )
    runs_and_says(start_dashboard, program, "threads 1 leader True False")


def test_no_collection_of_garbage_walks_over_what_it_is_made_of(start_dashboard):
    program = (
        "import gc, app; app.runtime.start();"
        "print('walked over', any(one is app.__dict__ for one in gc.get_objects()), flush=True);"
        "app.runtime.stop()"
    )
    runs_and_says(start_dashboard, program, "walked over False")


def _held(port):
    """A listening socket on the port, or nothing when somebody else has it already."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
        held.listen()
    except OSError:
        assert is_bound(port)
    return held


def test_a_default_port_that_is_taken_gives_way_to_the_next(start_dashboard):
    with closing(_held(8000)) as held, closing(_held(5555)):
        running = start_dashboard(FILES_PORT=None, WSGI_PORT=None)
        for name, wanted in (("files", 8000), ("wsgi", 5555)):
            status = running.listener(name)
            assert status.port > wanted
            assert status.wanted_port == wanted
            assert f"port {wanted} is held by" in status.message
            assert is_bound(status.port)
        if held.getsockname()[1] == 8000:  # else somebody else has it
            assert f"(pid {os.getpid()})" in running.listener("files").message


def test_a_port_that_was_asked_for_and_is_taken_fails_with_its_holder(start_dashboard):
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        running = start_dashboard(FILES_PORT=port, ready=False)
        eventually(lambda: running.url and running.listener("wsgi"))
        with closing(running.control) as control:
            status = next(one for one in control.listeners.statuses() if one.name == "files")
        assert status.state == "failed"
        assert f"pid {os.getpid()}" in status.message
        assert not running.listener("files")
    assert eventually(lambda: running.listener("files")).port == port


@pytest.mark.parametrize("model", list(ConcurrencyModel))
def test_a_listener_runs_on_the_model_that_was_asked_for(start_dashboard, model):
    running = start_dashboard(WSGI_MODEL=model, FILES_MODEL=model)
    for name in ("wsgi", "files"):
        status = running.listener(name)
        assert status.model == model
        for _ in range(5):
            url = f"http://127.0.0.1:{status.port}/"
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:  # workers have to start
                assert answer.status == 200
    eventually(
        lambda: (
            total_requests(running.folder, "wsgi") == total_requests(running.folder, "files") == 5
        )
    )
    running.known |= set(children(running.process.pid))
    assert running.end() == 0
    eventually(lambda: not any(alive(pid) for pid in running.known))
