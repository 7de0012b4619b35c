"""A disk that is full, or takes no writing: told on every page, the graphs stay, and it ends."""

import os
import resource
import sys
from contextlib import suppress

import pytest

from tests.private_disk import (
    CAN_MOUNT,
    can_freeze,
    freeze,
    on_private_disk,
    seen_from_outside,
    thaw,
)
from tests.processes import Dashboards, eventually, is_bound

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DISK_MIB = 96
LONG_MS = 60_000
LIMITED = """
import resource, runpy, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) fails with EFBIG instead
runpy.run_path("app.py", run_name="__main__")
"""


def as_command(command):
    """The arguments that make `python` become another command."""
    return "-c", f"import os; os.execvp({command[0]!r}, {command!r})"


@pytest.fixture
def started(tmp_path):
    """A dashboard on a disk of its own, and its folder as this process sees it."""
    dashboards, folder = Dashboards(tmp_path), tmp_path / "data"
    folder.mkdir()
    try:
        if CAN_MOUNT:
            command = as_command(on_private_disk(folder, DISK_MIB, sys.executable, "app.py"))
            running = dashboards(*command, folder=folder, ready=False)
            eventually(lambda: running.url)
            running.folder = seen_from_outside(running.process.pid, folder)
            eventually(lambda: "leads on" in running.log)
        else:
            running = dashboards("-c", LIMITED)
        yield running
    finally:
        dashboards.end()


def keep_from_growing(running):
    """Let no file of the process grow; return what lets them."""
    pid, kind = running.process.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, kind, (4096, resource.RLIM_INFINITY))
    return lambda: resource.prlimit(pid, kind, before)


def fill(running):
    """Take all room; return what gives it back."""
    if not CAN_MOUNT:
        return keep_from_growing(running)
    ballast = running.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(size))
    return ballast.unlink


def notice(watched):
    return watched.page.get_by_text("The store takes no data").first


def test_a_full_disk_is_told_until_there_is_room_again(started, look):
    eventually(lambda: is_bound(int(started.url.rpartition(":")[2])))
    watched = look(started, "/host").wait_drawn("host-cpu")
    make_room = fill(started)
    told = notice(watched)
    told.wait_for(timeout=LONG_MS)
    assert "no room left" in told.inner_text() or "disk" in told.inner_text()
    see_it_read_on_and_recover(watched, make_room)


@pytest.fixture
def let_write(start_dashboard):
    """A dashboard whose files can be made unwritable, and are writable again in any case."""
    running = start_dashboard("-c", LIMITED)
    database = running.folder / "servescope.sqlite3"
    paths = (running.folder, database, running.folder / "servescope.sqlite3-wal")

    def stop_writing():
        if can_freeze():
            freeze(*paths)
            return lambda: thaw(*paths)
        return keep_from_growing(running)

    yield running, stop_writing
    if can_freeze():
        thaw(*(path for path in paths if path.exists()))


def test_a_folder_that_takes_no_writing_is_told_until_it_does(let_write, look):
    running, stop_writing = let_write
    watched = look(running, "/host").wait_drawn("host-cpu")
    may_write = stop_writing()
    told = notice(watched)
    told.wait_for(timeout=LONG_MS)
    assert "takes no writing" in told.inner_text()
    assert "reading goes on" in told.inner_text()
    see_it_read_on_and_recover(watched, may_write)
    assert running.log.count("takes no writing") < 6  # not a line each second


def see_it_read_on_and_recover(watched, recover):
    """Graphs are drawn meanwhile; after it the notice goes and new seconds come."""
    watched.open("/").wait_drawn("overview-host")  # reading goes on
    notice(watched).wait_for(timeout=LONG_MS)
    recover()
    notice(watched).wait_for(state="hidden", timeout=LONG_MS)
    before = watched.last_x("overview-host")
    watched.wait_newer("overview-host", before)
