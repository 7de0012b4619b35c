"""Exports in processes of their own: real ones, and each way in which one can end."""

import gc
import os
import select
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from servescope.catalog import CPU_UTILIZATION
from servescope.errors import ExportFailedError
from servescope.exports.order import ExportOrder, RunExportOrder, read_order
from servescope.exports.process import ExportProcesses
from servescope.exports.writing import ExportSource
from servescope.formats.tables import FORMATS
from servescope.queries.export import rows
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.measured_runs import exported, measure
from tests.prepared_children import forked_children
from tests.processes import ROOT

START = 1_700_000_000
SECONDS = 600
IMPORTED = ("servescope.exports.writing", "servescope.exports.run_writing", "pandas")
"""By the process of an export, most of them once it is at work."""

PARENT = """
import sys
from servescope.exports.order import ExportOrder
from servescope.exports.process import ExportProcesses
stream = ExportProcesses().start(ExportOrder.from_line(sys.stdin.buffer.readline()))
print(stream.pid, flush=True)
sys.stdin.read()
"""
WITHOUT_ROOM = """
import resource, signal, sys
from servescope.exports.order import ExportOrder
from servescope.exports.process import ExportProcesses
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) fails with EFBIG instead
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
order = ExportOrder.from_line(sys.stdin.buffer.readline())
sys.stdout.buffer.writelines(ExportProcesses().start(order))
"""
STALLED = """
import sys
from servescope.exports import worker
worker.IDLE_S = 1
sys.exit(worker.main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store whose export is much more than a pipe holds, so that its process waits for us."""
    folder = tmp_path_factory.mktemp("data")
    keys = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(8)]
    frames = [Frame(START + n, dict.fromkeys(keys, n / SECONDS)) for n in range(SECONDS)]
    with closing(open_store(folder)) as store:
        store.write(Batch(frames))
    return folder


@pytest.fixture
def order(folder):
    source = ExportSource(str(folder), "sqlite", 64, "here")
    return ExportOrder(source, [CPU_UTILIZATION], START, START + SECONDS, 1, "csv")


@pytest.fixture
def forked():
    """The process of an export is forked: what it imports takes longer than all that it does."""
    with forked_children(*IMPORTED):
        yield


@pytest.fixture
def exports(forked):  # noqa: ARG001 - while it forks
    return ExportProcesses()


def watched(pid):
    """A descriptor that is readable once the process has ended."""
    return os.pidfd_open(pid)


def has_ended(descriptor):
    try:
        return bool(select.select([descriptor], [], [], 20)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("form", FORMATS)
def test_the_bytes_are_those_of_the_format(exports, order, folder, form):
    order = replace(order, format=form)
    with closing(open_store(folder)) as store:
        expected = b"".join(FORMATS[form].write(rows(store, order.wanted())))
    assert b"".join(exports.start(order)) == expected


def test_a_complete_export_leaves_no_process(order):
    """It is started with an interpreter of its own, as a dashboard starts it."""
    stream = ExportProcesses().start(order)
    ended = watched(stream.pid)
    assert list(stream)
    assert has_ended(ended)
    assert list(stream) == []
    stream.close()


def test_closing_the_stream_ends_the_process(exports, order):
    stream = exports.start(order)
    ended = watched(stream.pid)
    stream.close()
    assert has_ended(ended)
    stream.close()
    assert list(stream) == []


def test_a_stream_that_nobody_closes_ends_with_its_last_reference(exports, order):
    stream = exports.start(order)
    ended = watched(stream.pid)
    del stream
    gc.collect()
    assert has_ended(ended)


@pytest.mark.usefixtures("forked")
def test_more_exports_than_fit_are_refused_until_one_ends(order):
    exports = ExportProcesses(most=1)
    with closing(exports.start(order)), pytest.raises(ExportFailedError, match="writing 1 exports"):
        exports.start(order)
    exports.start(order).close()


@pytest.mark.usefixtures("forked")
def test_a_process_that_is_killed_breaks_the_export_off(order):
    exports = ExportProcesses(most=1)
    stream = exports.start(order)
    os.kill(stream.pid, signal.SIGKILL)
    with pytest.raises(ExportFailedError, match=r"ended by SIGKILL \(the kernel does so when mem"):
        list(stream)
    exports.start(order).close()


def test_a_process_that_ran_out_of_time_says_how_long_it_had(exports, order):
    stream = exports.start(order)
    os.kill(stream.pid, signal.SIGALRM)
    with pytest.raises(ExportFailedError, match=r"taken for 60 s, or it took longer than 30 min"):
        list(stream)


def test_a_process_whose_bytes_nobody_takes_ends_by_itself(order):
    with subprocess.Popen(
        [sys.executable, "-c", STALLED], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        worker.stdin.write(order.to_line())
        worker.stdin.flush()
        assert worker.wait(20) == -signal.SIGALRM


def test_what_the_store_refuses_is_told_before_the_first_byte(exports, order, tmp_path):
    order = replace(order, source=replace(order.source, folder=str(tmp_path)))
    with pytest.raises(ExportFailedError, match=f"^there is no store in {tmp_path}"):
        exports.start(order)


def test_a_fault_of_ours_goes_to_the_log(exports, order, caplog):
    with pytest.raises(ExportFailedError, match="a fault of Servescope"):
        exports.start(replace(order, step=0))
    assert "ValueError: range() arg 3" in caplog.text


def test_where_no_process_can_be_started_the_next_export_is_not_one_too_many(
    order, monkeypatch, tmp_path
):
    exports = ExportProcesses(most=1)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "no python"))
        with pytest.raises(ExportFailedError, match="no process could be started for the export"):
            exports.start(order)
    exports.start(order).close()


def test_a_process_ends_with_its_parent_however_that_ends(order):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        parent.stdin.write(order.to_line())
        parent.stdin.flush()
        ended = watched(int(parent.stdout.readline()))
        parent.kill()
    assert has_ended(ended)


def test_a_process_that_gets_no_order_ends():
    ended = subprocess.run(
        [sys.executable, "-m", "servescope.exports.worker"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_forked_child_leaves_the_export_to_its_parent(exports, order):
    stream = exports.start(order)
    child = os.fork()
    if not child:
        try:
            stream.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert b"".join(stream).count(b"\r\n") == 1 + 3 * 8 * SECONDS


def test_an_export_needs_no_room_on_any_disk(order):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOM],
        cwd=ROOT, input=order.to_line(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\r\n") == 1 + 3 * 8 * SECONDS


@pytest.mark.parametrize("form", ["servescope", "html"])
def test_a_process_writes_a_load_run_as_this_one_would(exports, order, tmp_path, form):
    run_id = measure(tmp_path)
    source = replace(order.source, folder=str(tmp_path), instance="host-a")
    written = b"".join(exports.start(RunExportOrder(source, run_id, form)))
    # The moment of the export is in a run file.
    assert len(written) == pytest.approx(len(exported(tmp_path, run_id, form)), abs=100)


def test_an_order_survives_its_line(order):
    of_run = RunExportOrder(order.source, 7, "html")
    for one in (order, of_run):
        assert read_order(one.to_line()) == one
