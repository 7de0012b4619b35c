"""A full disk is told on every page, the graphs stay, and it is over once there is room again."""

import os
import sys
from contextlib import suppress

import pytest

from tests.browser.conftest import Watched
from tests.private_disk import CAN_MOUNT, on_private_disk, seen_from_outside
from tests.processes import Dashboards, eventually, is_bound

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DISK_MIB = 96
LIMITED = """
import resource, runpy, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) fails with EFBIG instead
runpy.run_path("app.py", run_name="__main__")
"""


def as_command(command):
    """What makes `python` become another command."""
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


def fill(running):
    """Take all room; return what gives it back."""
    if not CAN_MOUNT:
        import resource

        pid, kind = running.process.pid, resource.RLIMIT_FSIZE
        before = resource.prlimit(pid, kind, (4096, resource.RLIM_INFINITY))
        return lambda: resource.prlimit(pid, kind, before)
    ballast = running.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(size))
    return ballast.unlink


def test_a_full_disk_is_told_until_there_is_room_again(started, chromium):
    eventually(lambda: is_bound(int(started.url.rpartition(":")[2])))
    page = chromium.new_page()
    page.set_default_timeout(60_000)
    watched = Watched(page, started.url).open("/").wait_drawn("overview-host")
    make_room = fill(started)
    told = page.get_by_text("The store takes no data").first
    told.wait_for()
    assert "no room left" in told.inner_text() or "disk" in told.inner_text()
    watched.open("/host").wait_drawn("host-cpu")  # reading goes on
    page.get_by_text("The store takes no data").first.wait_for()
    make_room()
    page.get_by_text("The store takes no data").first.wait_for(state="hidden")
    before = watched.last_x("host-cpu")
    watched.wait_newer("host-cpu", before)
    page.close()
