"""A disk that is really full, or read-only: nothing acknowledged is lost, reading goes on."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.private_disk import CAN_MOUNT, on_private_disk

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
WAYS = ("limit", "tmpfs") if CAN_MOUNT else ("limit",)
"""A file size limit works for anyone; a full tmpfs needs a mount namespace."""

DISK_MIB = 24

SHARED = """
    import json, os, resource, signal, sys, time
    from contextlib import contextmanager
    from pathlib import Path
    from servescope.catalog import CPU_UTILIZATION, REQUEST_DURATION
    from servescope.errors import ServescopeError
    from servescope.recording.recorder import Recorder
    from servescope.records.metrics import Sample
    from servescope.store.base import Batch, Frame, SeriesKey
    from servescope.store.query import Aggregation, Query
    from servescope.collecting.collector import Collector
    from servescope.store.sqlite.store import open_store

    folder, way = Path(sys.argv[1]), sys.argv[2]
    EVER = (0, 4_000_000_000)
    BEGIN = 1_700_000_000

    @contextmanager
    def full():
        "No file may grow, or the disk holds not one page more."
        if way == "limit":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) fails with EFBIG instead
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
            yield
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            return
        ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    os.write(ballast, b"x" * size)
            except OSError:
                continue
        yield
        os.close(ballast)
        (folder / "ballast").unlink()

    def counted(store):
        return store.total(Query(REQUEST_DURATION, *EVER)).count.tolist()
"""

COLLECT = (
    SHARED
    + """
    recorder = Recorder(folder / "rings", capacity=1024)
    listener = recorder.listener_id("files")
    route = recorder.route_id(listener, "/")
    store = open_store(folder)
    collector = Collector(store, folder / "rings", [lambda: noise])
    told = {}

    def serve(second, number):
        for index in range(number):
            recorder.record((BEGIN + second) * 10**9 + index, listener, route,
                            1, 2, 200, 0, 1, 1, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3)

    def tick(second):
        global noise
        noise = [Sample(CPU_UTILIZATION, n * second / 7, (("cpu.logical_number", str(n)),))
                 for n in range(200)]
        collector.tick((BEGIN + second) * 10**9 + 1, float(second))

    tick(0)
    serve(0, 50)
    tick(1)
    told["before"] = counted(store)
    with full():
        for second in range(1, 150):  # minutes want to close meanwhile
            serve(second, 2)
            if second % 3 == 0:  # each tick adds up anew all that is not stored yet
                tick(second + 1)
        told["problem"] = collector.status.store_problem
        told["while full"] = counted(store)
        query = Query(CPU_UTILIZATION, BEGIN, BEGIN + 2)
        told["cpu"] = len(store.aggregate(query, Aggregation.AVG).values)
    for second in range(150, 153):
        serve(second, 1)
        tick(second + 1)
    told["after"] = counted(store)
    told["problem after"] = collector.status.store_problem
    told["lost"] = collector.status.lost
    told["sound"] = store._db.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0])
    print(json.dumps(told))
"""
)

WRITE = (
    SHARED
    + """
    store, acknowledged, refused, second = open_store(folder), 0, 0, BEGIN
    keys = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(300)]
    sent = SeriesKey("servescope.http.server.sent")
    told = {}

    def write(times, apart=1):
        global acknowledged, refused, second
        for _ in range(times):
            second += apart
            values = {key: (n * second % 977) / 7 for n, key in enumerate(keys)}
            try:
                store.write(Batch([Frame(second, values, {sent: 1.0})], {"r": second}))
                acknowledged += 1
            except ServescopeError as error:
                refused += 1
                told["problem"] = str(error)

    write(200)
    with full():
        write(60, apart=5)  # five minutes want to close, each time anew
    told["refused"] = refused
    write(70)
    store.close()
    store = open_store(folder)
    told["acknowledged"] = acknowledged
    told["stored"] = store.total(Query("servescope.http.server.sent", *EVER)).count.tolist()
    told["cursor"] = store.cursors() == {"r": second}
    told["set aside"] = [path.name for path in folder.glob("*corrupt*")]
    print(json.dumps(told))
"""
)

RESTART = (
    SHARED
    + """
    store = open_store(folder)
    sent = SeriesKey("servescope.http.server.sent")
    store.write(Batch([Frame(BEGIN, counts={sent: 1.0})]))
    other = open_store(folder)  # keeps the WAL alive while the store is opened anew
    store.close()
    with full():
        store = open_store(folder)
        total = store.total(Query("servescope.http.server.sent", *EVER)).count.tolist()
        try:
            store.write(Batch([Frame(BEGIN + n, {sent: 1.0}) for n in range(900)]))
            problem = ""
        except ServescopeError as error:
            problem = str(error)
    store.write(Batch([Frame(BEGIN + 1, counts={sent: 1.0})]))
    after = store.total(Query("servescope.http.server.sent", *EVER)).count.tolist()
    print(json.dumps({"total": total, "problem": problem, "after": after}))
"""
)

READ_ONLY = (
    SHARED
    + """
    import subprocess

    def remount(mode):
        if way == "limit":
            folder.chmod(0o555 if mode == "ro" else 0o755)
        else:
            subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)

    sent = SeriesKey("servescope.http.server.sent")
    told = {}
    store = open_store(folder)
    store.write(Batch([Frame(BEGIN, counts={sent: 1.0})]))
    store.close()
    remount("ro")
    try:
        open_store(folder)
    except ServescopeError as error:
        told["start"] = f"{type(error).__name__}: {error}"
    remount("rw")
    store = open_store(folder)
    told["total"] = store.total(Query("servescope.http.server.sent", *EVER)).count.tolist()
    print(json.dumps(told))
"""
)


def run(program, folder, way):
    folder.mkdir()
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), folder, way]
    if way != "limit":
        command = on_private_disk(folder, DISK_MIB, *command)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", WAYS)
def test_what_was_recorded_while_the_disk_was_full_is_stored_afterwards(tmp_path, way):
    told = run(COLLECT, tmp_path / "disk", way)
    assert told["before"] == told["while full"] == [50.0]
    assert told["problem"]
    assert told["cpu"] == 1
    assert told["after"] == [50.0 + 2 * 149 + 3]
    assert told["problem after"] == ""
    assert told["lost"] == 0
    assert told["sound"] == "ok"


@pytest.mark.parametrize("way", WAYS)
def test_what_was_acknowledged_around_a_full_disk_is_there_and_nothing_else(tmp_path, way):
    told = run(WRITE, tmp_path / "disk", way)
    assert told["refused"] > 0
    assert told["problem"]
    assert told["stored"] == [told["acknowledged"]]
    assert told["cursor"]
    assert told["set aside"] == []


@pytest.mark.parametrize("way", WAYS)
def test_a_store_opens_and_answers_on_a_full_disk(tmp_path, way):
    told = run(RESTART, tmp_path / "disk", way)
    assert told["total"] == [1.0]
    assert told["problem"]
    assert told["after"] == [2.0]


def test_a_read_only_folder_is_named_at_the_start(tmp_path):
    told = run(READ_ONLY, tmp_path / "disk", WAYS[-1])
    assert told["start"].startswith("DataFolderError: ")
    assert str(tmp_path / "disk") in told["start"]
    assert "Read-only" in told["start"] or "Permission denied" in told["start"]
    assert told["total"] == [1.0]
