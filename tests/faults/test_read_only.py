"""A data folder that takes no writing any more while it is used, and then does again.

A file system that is busy cannot be remounted read-only (EBUSY, mount(2)), so there are two ways in
which it happens: the files are made immutable, and are let go again (chattr(1)); or ext4 finds an
error in itself and turns read-only until it is unmounted and checked (errors=remount-ro, ext4(5)).
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.private_disk import can_break, can_freeze, checked, new_ext4, on_ext4

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
WAYS = ("immutable",) * can_freeze() + ("broken",) * can_break() or ("limit",)
"""A limit of the files' size works for anyone, root or not."""

PROGRAM = """
    import json, os, resource, signal, subprocess, sys, time
    from pathlib import Path
    from servescope.catalog import REQUEST_DURATION
    from servescope.errors import ServescopeError
    from servescope.recording.recorder import Recorder
    from servescope.store.query import Query
    from servescope.collecting.collector import Collector
    from servescope.control import Control
    from servescope.store.sqlite.store import open_store
    from tests.private_disk import break_ext4, freeze, thaw

    folder, way = Path(sys.argv[1]), sys.argv[2]
    BEGIN = (int(time.time()) // 600 + 6) * 600 - 30  # a minute ends half way
    store = open_store(folder)
    control = Control(folder)
    recorder = Recorder(folder / "rings")
    listener = recorder.listener_id("files")
    route = recorder.route_id(listener, "/")
    collector = Collector(store, folder / "rings")
    told = {}

    def counted(store):
        return store.total(Query(REQUEST_DURATION, 0, 4_000_000_000)).count.tolist()

    def serve(first, last):
        "A hundred requests a second, collected each second."
        for second in range(first, last):
            for index in range(100):
                recorder.record((BEGIN + second) * 10**9 + index, listener, route,
                                1, 2, 200, 0, 1, 1, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3)
            collector.tick((BEGIN + second + 1) * 10**9 + 1, float(second))

    def stop_writing():
        if way == "immutable":
            freeze(folder, folder / "servescope.sqlite3", folder / "servescope.sqlite3-wal")
        elif way == "broken":
            # ext4 throws away writes that have not reached the disk by then.
            subprocess.run(["sync", "-f", folder], check=True)
            break_ext4(folder)
        else:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) fails with EFBIG instead
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def let_write():
        if way == "immutable":
            thaw(folder, folder / "servescope.sqlite3", folder / "servescope.sqlite3-wal")
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    serve(0, 5)
    told["before"] = counted(store)
    stop_writing()
    try:
        serve(5, 60)
        told["problem"] = collector.status.store_problem
        told["while"] = counted(store)
        told["listeners"] = control.listeners.statuses()
        try:
            control.instances.heartbeat(os.getpid(), "leader", time.time())
        except ServescopeError as error:
            told["beat"] = str(error)
    finally:
        if way != "broken":
            let_write()
    if way != "broken":
        serve(60, 63)
        told["problem after"] = collector.status.store_problem
        told["after"] = counted(store)
        told["lost"] = collector.status.lost
        told["sound"] = store._db.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0])
        told["set aside"] = [path.name for path in folder.glob("*corrupt*")]
    print(json.dumps(told))
"""

AGAIN = """
    import json, sys, time
    from pathlib import Path
    from servescope.catalog import REQUEST_DURATION, RING_LOST
    from servescope.store.query import Query
    from servescope.collecting.collector import Collector
    from servescope.store.sqlite.store import open_store

    folder = Path(sys.argv[1])
    store = open_store(folder)
    def counted(name):
        return store.total(Query(name, 0, 4_000_000_000)).count.tolist()
    told = {"found": counted(REQUEST_DURATION)}
    collector = Collector(store, folder / "rings")
    collector.tick((store.bounds()[1] + 9) * 10**9, 0.0)
    told |= {"after": counted(REQUEST_DURATION), "lost": counted(RING_LOST),
             "set aside": [path.name for path in folder.glob("*corrupt*")]}
    print(json.dumps(told))
"""


def run(program, folder, way, image=None):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), str(folder), way]
    if image:
        command = on_ext4(image, folder, *command)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_takes_no_writing_is_read_and_what_is_recorded_is_kept(tmp_path, way):
    folder, image = tmp_path / "disk", None
    folder.mkdir()
    if way == "broken":
        image = new_ext4(tmp_path / "image", mib=100)
    told = run(PROGRAM, folder, way, image)
    assert told["before"] == told["while"] == [500.0]
    assert "reading goes on" in told["problem"]
    assert "reading goes on" in told["beat"]
    if way == "broken":
        checked(image)
        again = run(AGAIN, folder, way, image)
        assert again["found"] == [500.0]
        assert 500.0 <= again["after"][0] <= 6_000.0  # of the ring, what had reached the disk
        assert (again["lost"], again["set aside"]) == ([0.0], [])
        return
    assert told["problem after"] == ""
    assert told["after"] == [6_300.0]
    assert (told["lost"], told["sound"], told["set aside"]) == (0, "ok", [])
