"""`kill -9` of whole processes, at any moment: what was recorded is counted once, all of it."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from servescope import catalog
from servescope.catalog import REQUEST_DURATION
from servescope.collecting.collector import Collector
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_reader import RingReader
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store

ROOT = Path(__file__).parents[2]
EVER = (0, 4_000_000_000)
WRITERS = 4  # of 20,000 requests each

COLLECT = """
    import sys, time
    from pathlib import Path
    from servescope.collecting.collector import Collector
    from servescope.store.sqlite.store import open_store

    folder = Path(sys.argv[1])
    store = open_store(folder)
    collector = Collector(store, folder / "rings")
    second = (store.bounds() or (0, 1_700_000_000))[1] + 1
    while True:  # a second takes as long as its tick: minutes close several times a second
        second += 1
        collector.tick(second * 10**9, time.monotonic())
        print(flush=True)
"""

RECORD = """
    import os, signal, sys, time
    from pathlib import Path
    from servescope.recording.recorder import Recorder

    recorder = Recorder(Path(sys.argv[1]) / "rings")
    listener = recorder.listener_id("files")
    for number in range(int(sys.argv[2])):
        route = recorder.route_id(listener, f"/{number % 7}")
        recorder.record(1_700_000_000 * 10**9 + number, listener, route,
                        1, 2, 200, 0, 1, 1, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3)
        if number % 500 == 0:
            time.sleep(0.004)
    os.kill(os.getpid(), signal.SIGKILL)
"""

WRITE = """
    import sys
    from pathlib import Path
    from servescope.store.base import Batch, Frame, SeriesKey
    from servescope.store.query import Aggregation, Query
    from servescope.store.sqlite.store import open_store

    store = open_store(Path(sys.argv[1]))
    key = SeriesKey("servescope.http.server.sent")
    done = store.cursors().get("r", 1_700_000_000)
    while True:
        done += 1
        store.write(Batch([Frame(done, counts={key: 1.0})], {"r": done}))
        print(done, flush=True)
"""


@pytest.fixture
def start():
    """Start Python programs; they end with the test."""
    children = []

    def start_one(program, *arguments, **options):
        command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
        children.append(subprocess.Popen(command, cwd=ROOT, **options))
        return children[-1]

    yield start_one
    for child in children:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def kill(child):
    child.send_signal(signal.SIGKILL)
    child.wait()


@pytest.mark.process
def test_collectors_killed_at_any_moment_lose_and_double_nothing(tmp_path, start):
    each, seed = 20_000, int.from_bytes(os.urandom(2))
    rng = random.Random(seed)  # noqa: S311 - not a secret
    writers = [start(RECORD, tmp_path, each) for _ in range(WRITERS)]
    for _ in range(9):
        child = start(COLLECT, tmp_path, stdout=subprocess.PIPE)
        for _ in range(rng.randrange(1, 150)):  # ticks until the kill
            child.stdout.readline()
        time.sleep(rng.uniform(0, 0.002))
        kill(child)
    for writer in writers:
        writer.wait()
    store = open_store(tmp_path)
    collector = Collector(store, tmp_path / "rings")
    second = store.bounds()[1] + 2
    for later in range(4):
        collector.tick((second + later) * 10**9, time.monotonic())
    found = store.total(Query(REQUEST_DURATION, *EVER))
    assert found.count.tolist() == [WRITERS * float(each)], f"seed {seed}"
    assert found.buckets.sum() == WRITERS * each
    assert store.total(Query(catalog.RING_LOST, *EVER)).count.tolist() == [0.0]
    assert store.cursors() == {}
    assert list((tmp_path / "rings").iterdir()) == []
    steps = store.aggregate(Query(REQUEST_DURATION, EVER[0], second + 9, 60), Aggregation.SUM)
    assert steps.values[steps.values == steps.values].sum() == WRITERS * each
    collector.close()
    store.close()


@pytest.mark.process
def test_what_a_write_acknowledged_outlives_the_kill(tmp_path, start):
    rng = random.Random(1)  # noqa: S311 - not a secret
    for _ in range(5):
        child = start(WRITE, tmp_path, stdout=subprocess.PIPE, text=True)
        acknowledged = int(child.stdout.readline())
        deadline = time.monotonic() + rng.uniform(0.05, 0.3)
        while time.monotonic() < deadline:
            acknowledged = int(child.stdout.readline())
        kill(child)
        for line in child.stdout:  # what it had said before it died
            acknowledged = int(line) if line.endswith("\n") else acknowledged
        store = open_store(tmp_path)
        cursor = store.cursors()["r"]
        assert acknowledged <= cursor <= acknowledged + 1
        sent = store.total(Query("servescope.http.server.sent", *EVER))
        assert sent.count.tolist() == [cursor - 1_700_000_000]
        store.close()


@pytest.mark.process
def test_the_last_records_of_a_killed_server_are_collected(tmp_path, start, store):
    start(RECORD, tmp_path, 4_321).wait()
    (path,) = (tmp_path / "rings").glob("*.ring")
    reader = RingReader(path)
    assert reader.writer_is_gone()
    assert reader.header.kind == RingKind.SERVER
    reader.close()
    collector = Collector(store, tmp_path / "rings")
    store.write(Batch([Frame(1_700_000_000, {SeriesKey(catalog.LOAD_AVERAGE): 1.0})]))
    collector.tick(1_700_000_005 * 10**9, 5.0)
    assert store.total(Query(REQUEST_DURATION, *EVER)).count.tolist() == [4_321.0]
    collector.close()
