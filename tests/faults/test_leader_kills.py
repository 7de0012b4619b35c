"""`kill -9` of one leading worker after another, while an app of its own process records."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing

import pytest

from servescope import catalog
from servescope.recording.recorder import RINGS
from servescope.store.query import Query
from servescope.store.sqlite.store import open_store
from tests.processes import ROOT, children, eventually, gunicorn

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

KILLS, PER_LEADER, PER_SECOND = 9, 8_000, 6_000
RECORDS = (KILLS + 1) * PER_LEADER
EVER = (0, 4_000_000_000)
LISTENER = (("listener", "shop"),)

RECORD = """
    import os, signal, sys, time
    from pathlib import Path
    from servescope.recording.recorder import Recorder

    folder, records, per_second = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    recorder = Recorder(folder / "rings")
    print(recorder.ring.path.name, flush=True)
    listener = recorder.listener_id("shop")
    for _line in sys.stdin:  # each asks for a share
        began = time.monotonic()
        for number in range(records):
            route = recorder.route_id(listener, f"/{number % 7}")
            recorder.record(time.time_ns(), listener, route,
                            1, 2, 200, 0, 1, 1, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3)
            if number % 60 == 0:
                time.sleep(max(began + number / per_second - time.monotonic(), 0))
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Recording:
    """A process that records with the public recorder, a share of the requests when asked."""

    def __init__(self, folder):
        numbers = str(PER_LEADER), str(PER_SECOND)
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RECORD), str(folder), *numbers],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ring = folder / RINGS / self.process.stdout.readline().strip()

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """It writes what it was asked for, then kills itself."""
        self.process.stdin.close()
        return self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start_recording():
    started = []

    def start(folder):
        started.append(Recording(folder))
        return started[-1]

    yield start
    for recording in started:
        recording.kill()


def test_nine_kills_of_the_leader_lose_and_double_nothing(start_dashboard, start_recording):
    seed = int.from_bytes(os.urandom(2))
    rng = random.Random(seed)  # noqa: S311 - not a secret
    running = start_dashboard(*gunicorn(workers=3))
    recording = start_recording(running.folder)
    killed = []
    for _ in range(KILLS):
        leader = eventually(lambda: leads(running, killed))
        recording.go_on()
        time.sleep(rng.uniform(0, PER_LEADER / PER_SECOND))  # at any moment while it is written
        os.kill(leader, signal.SIGKILL)
        killed.append(leader)
    eventually(lambda: leads(running, killed))
    recording.go_on()
    assert recording.end() == -signal.SIGKILL
    with closing(open_store(running.folder)) as store:
        eventually(lambda: not recording.ring.exists())  # drained, and its writer is dead
        found = store.total(Query(catalog.REQUEST_DURATION, *EVER, where=LISTENER))
        assert found.count.tolist() == [RECORDS], f"seed {seed}"
        assert found.buckets.sum() == RECORDS
        lost = store.total(Query(catalog.RING_LOST, *EVER))
        assert lost.count.sum() == 0
        eventually(lambda: recording.ring.name not in store.cursors())
    assert len(set(killed)) == KILLS


def leads(running, killed):
    """Pid of the leading worker, one of this gunicorn that was not killed; else None."""
    leader = running.leader
    if leader is None or leader in killed or leader not in children(running.process.pid):
        return None
    return leader
