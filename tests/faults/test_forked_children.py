"""Children that a hosted app starts: they work, and hold nothing of the server's."""

import ast
import http.client
import os
import signal
import time
from contextlib import closing, suppress

import pytest

from servescope.recording.recorder import RING_SUFFIX, RINGS
from servescope.recording.ring_reader import RingReader
from servescope.runtime.election import LeaderLock
from tests.commands.served import Served
from tests.processes import alive, children, eventually, gunicorn, is_bound

pytestmark = pytest.mark.process

WSGI = "tests.faults.app_that_forks:app"
ASGI = "tests.faults.app_that_forks:asgi_app"
HOSTINGS = {
    "thread_pool": (WSGI, "--model", "thread_pool"),
    "prefork": (WSGI, "--model", "prefork", "--workers", "1"),
    "sequential": (WSGI, "--model", "sequential"),
    "asyncio": (WSGI, "--model", "asyncio"),
    "asyncio-asgi": (ASGI, "--model", "asyncio"),
}
ANSWERS = {
    "/pool": [0, 1, 4, 9],
    "/pool-spawn": [0, 1, 4, 9],
    "/pool-forkserver": [0, 1, 4, 9],
    "/child-exits": 7,
    "/child-returns": 0,
    "/child-raises": 1,
    "/child-calls-exit": 3,
    "/child-runs-program": 0,
    "/system": 5,
    "/stdin": b"",
}
LASTING = (
    "/sleeping-child",
    "/multiprocessing",
    "/multiprocessing-daemon",
    "/program",
    "/program-inherits",
)


class Host:
    """A served app, and the children it was asked to leave behind."""

    def __init__(self, served):
        self.served = served
        self.left = []

    def connect(self):
        return closing(http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60))

    def ask(self, path):
        with self.connect() as connection:
            return ask(connection, path)

    def leave(self, *paths):
        self.left += map(self.ask, paths)

    def close(self):
        self.served.close()
        for pid in self.left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ask(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    return ast.literal_eval(body)


@pytest.fixture
def host(tmp_path):
    hosts = []

    def start(*given):
        hosts.append(Host(Served(tmp_path / "data", *given, "--port", "0", "--name", "mine")))
        return hosts[-1]

    yield start
    for one in hosts:
        one.close()


def assert_unburdened(found, *ports):
    """The child that tells of itself holds nothing of its parent's."""
    assert not {*ports} & {*found["ports"]}
    assert found["watched"] == []
    assert found["locks"] == []
    # A signal that whoever started the tests ignores stays so (execve(2)): SIGHUP below nohup, say.
    ignored = {one.name for one in signal.Signals if signal.getsignal(one) is signal.SIG_IGN}
    handlers = {told for name, told in found["handlers"].items() if name not in ignored}
    assert handlers == {"SIG_DFL", "default_int_handler"}
    assert found["wakeup"] == -1
    assert found["blocked"] == []


@pytest.mark.parametrize("hosting", HOSTINGS)
def test_children_do_their_work_and_leave_the_server_alone(host, hosting):
    hosted = host(*HOSTINGS[hosting])
    served = hosted.served
    is_alone = hosting == "sequential"  # it serves one connection at a time
    with hosted.connect() as kept, hosted.connect() as busy:
        if not is_alone:
            assert ask(kept, "/") == "here"
        for path, expected in ANSWERS.items():
            assert ask(busy, path) == expected, path
        assert_unburdened(ask(busy, "/inherited"), served.port)
        hosted.left = [ask(busy, path) for path in LASTING]
        ask(busy, "/thread")
        if not is_alone:
            assert ask(kept, "/") == "here"
    began = time.monotonic()
    assert served.end() == 0
    assert time.monotonic() - began < 12.0  # it waits for none of them; the rest is the machine's
    assert not is_bound(served.port)
    daemon = hosted.left[LASTING.index("/multiprocessing-daemon")]
    assert all(alive(pid) for pid in hosted.left if pid != daemon)
    for pid in hosted.left:  # what they were given of the server's output ends with them
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    told = served.process.stdout.read()
    assert told.count("Traceback") == 1, told  # that of /child-raises
    assert "ValueError: in the child, on purpose" in told


@pytest.mark.parametrize("hosting", ["thread_pool", "prefork"])
def test_children_that_outlive_a_killed_server_hold_nothing_of_it(host, hosting):
    hosted = host(*HOSTINGS[hosting])
    hosted.leave(*(path for path in LASTING if not path.endswith("daemon")))
    served = hosted.served
    workers = set(children(served.process.pid)) - set(hosted.left)
    served.process.kill()
    served.process.wait(20)
    eventually(lambda: not any(map(alive, workers)), what="the workers' end")
    assert all(map(alive, hosted.left))
    assert not is_bound(served.port)
    lock = LeaderLock(served.folder)
    assert lock.try_take()
    lock.release()
    for path in (served.folder / RINGS).glob(f"*{RING_SUFFIX}"):
        with closing(RingReader(path)) as reader:
            assert reader.writer_is_gone()


def test_a_worker_that_dies_is_replaced_while_its_child_lives(host):
    hosted = host(*HOSTINGS["prefork"])
    hosted.leave("/sleeping-child", "/program-inherits")
    worker = hosted.ask("/pid")
    os.kill(worker, signal.SIGKILL)
    assert hosted.ask("/pid") != worker


@pytest.mark.parametrize("command", [(), gunicorn()], ids=["python app.py", "gunicorn"])
def test_children_of_an_app_that_a_dashboard_hosts(start_dashboard, command):
    running = start_dashboard(*command, WSGI_APP=WSGI)
    port, files = running.port("wsgi"), running.port("files")
    leader, left = running.leader, []
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            assert ask(connection, "/pool") == [0, 1, 4, 9]
            assert ask(connection, "/pool-spawn") == [0, 1, 4, 9]
            found = ask(connection, "/inherited")
            left += [ask(connection, path) for path in LASTING]
        own = int(running.url.rpartition(":")[2])
        if command:
            found["watched"] = []  # by gunicorn, for its own clients
        assert_unburdened(found, port, files, own)
        mine = {running.process.pid, *children(running.process.pid)} - set(left)
        assert leader in mine
        for pid in sorted(mine):  # gunicorn's first: it would replace its workers
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(map(alive, mine)))
        # The last thread of a dying process closes its sockets, the first makes it a zombie.
        eventually(lambda: not any(map(is_bound, (port, files, own))))
        lock = LeaderLock(running.folder)
        eventually(lock.try_take)
        lock.release()
    finally:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
