"""When rings are opened, in which process, and what happens when they cannot be."""

import logging
import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from servescope.middleware import app_recording, process_rings
from servescope.middleware.app_recording import AppRecording, Labels, name_of
from servescope.middleware.process_rings import PROCESS_RINGS
from servescope.recording.recorder import RING_SUFFIX, RINGS
from servescope.recording.ring_reader import RingReader

SECOND_NS = 1_000_000_000


def record(recording, status=200):
    known = recording.known.get(status)
    if known is None:
        known = recording.learn(status, Labels("/x", 1, 2, status))
    recording.record(known.key, 0, 0, 0, 0.0, 1.0, 1.5, 0.0, 1.5)


def test_nothing_is_opened_before_the_first_request(recorded):
    recording = AppRecording("shop", recorded.folder)
    assert not recorded.folder.exists()
    record(recording)
    assert len(recorded.rings()) == 1


def test_the_apps_of_a_process_share_its_ring(recorded):
    for name in ("shop", "blog"):
        record(AppRecording(name, recorded.folder))
    assert len(recorded.rings()) == 1
    assert [one[0] for one in recorded.requests()] == ["shop", "blog"]


def test_threads_that_begin_at_once_open_one_ring(recorded):
    recording, ready = AppRecording("shop", recorded.folder), threading.Barrier(8)

    def begin():
        ready.wait()
        for _ in range(100):
            record(recording)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded.rings()) == 1
    assert len(recorded.requests()) == 800


def test_a_forked_child_has_a_ring_of_its_own_and_leaves_the_parents_lock(recorded):
    recording = AppRecording("shop", recorded.folder)
    record(recording)
    (parents,) = recorded.rings()
    to_child, from_parent = os.pipe()
    from_child, to_parent = os.pipe()
    child = os.fork()
    if not child:  # nothing of pytest may run here
        status = 1
        try:
            record(recording, 201)
            os.write(to_parent, b"x")
            os.read(to_child, 1)
            status = 0
        finally:
            os._exit(status)
    assert os.read(from_child, 1) == b"x"
    assert len(recorded.rings()) == 2
    record(recording, 202)
    with closing(RingReader(parents)) as reader:
        assert not reader.writer_is_gone()
        # The parent ends: the child, which lives, must not hold its lock.
        PROCESS_RINGS._recorders[recorded.folder].close()
        assert reader.writer_is_gone()
    (childs,) = set(recorded.rings()) - {parents}
    with closing(RingReader(childs)) as reader:
        assert not reader.writer_is_gone()
        os.write(from_parent, b"x")
        assert os.waitpid(child, 0)[1] == 0
        assert reader.writer_is_gone()
    for end in (to_child, from_parent, from_child, to_parent):
        os.close(end)
    assert sorted(one[3] for one in recorded.requests()) == [200, 201, 202]


def test_a_child_forked_while_the_parent_lives_does_not_keep_the_dead_parents_lock(recorded):
    """The parent's own descriptor is closed without an unlock, as at its death."""
    recording = AppRecording("shop", recorded.folder)
    to_child, from_parent = os.pipe()
    from_child, to_parent = os.pipe()
    parent = os.fork()
    if not parent:
        record(recording)
        grandchild = os.fork()
        if not grandchild:
            os.write(to_parent, b"x")
            os.read(to_child, 1)
            os._exit(0)
        os._exit(0)
    assert os.read(from_child, 1) == b"x"
    os.waitpid(parent, 0)
    (ring,) = recorded.rings()
    with closing(RingReader(ring)) as reader:
        assert reader.writer_is_gone()
    os.write(from_parent, b"x")
    for end in (to_child, from_parent, from_child, to_parent):
        os.close(end)


def test_a_folder_that_cannot_be_used_costs_the_recording_not_the_request(caplog):
    folder = Path("/proc/version/data")
    recording = AppRecording("shop", folder)
    with caplog.at_level(logging.WARNING):
        record(recording)
        record(recording)
    PROCESS_RINGS._retry_at.clear()
    (told,) = caplog.messages  # once, not for each request
    assert "requests are not recorded" in told
    assert str(folder) in told


def test_rings_nobody_collects_are_bounded_and_it_goes_on_once_they_are(
    recorded, monkeypatch, caplog
):
    monkeypatch.setattr(process_rings, "MOST_RINGS", 2)
    (recorded.folder / RINGS).mkdir(parents=True)
    left = [recorded.folder / RINGS / f"{number}{RING_SUFFIX}" for number in range(2)]
    for path in left:
        path.touch()
    recording = AppRecording("shop", recorded.folder)
    record(recording)
    assert "2 rings that nobody has collected" in caplog.text
    for path in left:
        path.unlink()
    record(recording)  # not yet: attempts are seconds apart
    assert not recorded.rings()
    PROCESS_RINGS._retry_at.clear()
    record(recording)
    assert len(recorded.requests()) == 1


def test_the_folder_is_the_dashboards_own(monkeypatch, tmp_path):
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path / "set"))
    assert AppRecording("shop").data_dir == tmp_path / "set"
    monkeypatch.delenv("SERVESCOPE_DATA_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert AppRecording("shop").data_dir == tmp_path / "state" / "servescope"


class Named:
    name = "shop"

    def wsgi_app(self):
        pass


class Titled:
    title = "Shop API"


class Plain:
    def __call__(self):
        pass


def function_app():
    pass


@pytest.mark.parametrize(
    ("app", "name"),
    [
        (Named(), "shop"),
        (Named().wsgi_app, "shop"),
        (Titled(), "Shop API"),
        (Plain(), "Plain"),
        (function_app, __name__),
    ],
)
def test_an_app_is_named_as_it_names_itself(app, name):
    assert name_of(app) == name


def test_kinds_of_request_are_remembered_in_bounded_number(recorded, monkeypatch):
    monkeypatch.setattr(app_recording, "MOST_KNOWN", 3)
    recording = AppRecording("shop", recorded.folder)
    for status in range(200, 220):
        record(recording, status)
        assert len(recording.known) <= 3
    assert [one[3] for one in recorded.requests()] == list(range(200, 220))


def test_above_the_threshold_only_errors_and_the_slowest_are_asked_about(recorded):
    recording = AppRecording("shop", recorded.folder)
    second = 1_700_000_000
    record(recording)
    recorder = recording.recorder
    while recorder.wants_detail(200, 5, second * SECOND_NS):
        assert not recorder.detail_threshold.above_ns
    assert recorder.detail_threshold.until_ns > time.perf_counter_ns()
    assert recorder.detail_threshold.above_ns == 5
    assert recorder.wants_detail(200, 6, second * SECOND_NS)
    assert recorder.wants_detail(500, 1, second * SECOND_NS)
