"""The leader counts what was captured, ends the capture and bounds the folder."""

from __future__ import annotations

import os
import time

import pytest

from servescope.capturing.files import CAPTURES, CaptureFolder
from servescope.records.captures import CaptureFilter, CaptureState
from servescope.runtime import captures
from servescope.runtime.captures import CaptureReconciler
from servescope.settings import Settings


@pytest.fixture
def reconciler(control, tmp_path):
    return CaptureReconciler(control.captures, tmp_path, Settings(data_dir=tmp_path))


def ask(control, count=2, seconds=60.0, now_s=None):
    now_s = time.time() if now_s is None else now_s
    asked = control.captures.request(CaptureFilter(), count, seconds, now_s, masks_query=False)
    return asked.order.id


def write(folder, order_id, *numbers):
    for number in numbers:
        CaptureFolder(folder).write(order_id, number, {"number": number})


def kept(folder):
    return sorted(one.capture_id for one in CaptureFolder(folder).files())


def test_it_counts_and_ends_by_itself(control, reconciler, tmp_path):
    order_id = ask(control)
    write(tmp_path, order_id, 1)
    reconciler.reconcile()
    assert control.captures.active().captured == 1
    write(tmp_path, order_id, 1)  # again: of a WebSocket that has ended since
    reconciler.reconcile()
    assert control.captures.active().captured == 1
    write(tmp_path, order_id, 2)
    reconciler.reconcile()
    newest = control.captures.newest()
    assert (newest.state, newest.captured) == (CaptureState.COMPLETE, 2)


def test_what_several_processes_captured_beyond_the_count_goes(control, reconciler, tmp_path):
    order_id = ask(control)
    write(tmp_path, order_id, 1, 2, 3, 4)
    reconciler.reconcile()
    assert kept(tmp_path) == [1, 2]
    assert control.captures.newest().captured == 2


def test_it_ends_when_its_time_is_over(control, reconciler):
    ask(control, now_s=time.time() - 61)
    reconciler.reconcile()
    assert control.captures.newest().state is CaptureState.EXPIRED


def test_a_new_leader_goes_on_where_the_former_one_was(control, reconciler, tmp_path):
    order_id = ask(control, 3)
    write(tmp_path, order_id, 1, 2)
    reconciler.reconcile()
    other = CaptureReconciler(control.captures, tmp_path, Settings(data_dir=tmp_path))
    other.reconcile()
    assert control.captures.active().captured == 2
    write(tmp_path, order_id, 3)
    other.reconcile()
    assert control.captures.newest().state is CaptureState.COMPLETE


def test_the_folder_is_kept_within_its_bounds(control, tmp_path, monkeypatch):
    monkeypatch.setattr(captures, "PRUNE_S", 0.0)
    settings = Settings(data_dir=tmp_path, keep_captures=2, keep_captures_hours=1)
    reconciler = CaptureReconciler(control.captures, tmp_path, settings)
    write(tmp_path, 1, 1, 2, 3)
    for number, path in enumerate(sorted((tmp_path / CAPTURES).iterdir())):
        os.utime(path, (time.time() - 100 + number,) * 2)
    reconciler.reconcile()
    assert kept(tmp_path) == [2, 3]


def test_a_folder_that_cannot_be_read_ends_nothing_else(control, reconciler, tmp_path, caplog):
    order_id = ask(control)
    (tmp_path / CAPTURES).mkdir()
    write(tmp_path, order_id, 1)
    damaged = tmp_path / CAPTURES / "nonsense.capture"
    damaged.write_bytes(b"x")
    reconciler.reconcile()
    assert control.captures.active().captured == 1
    assert caplog.messages == []
