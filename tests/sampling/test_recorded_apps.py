"""Apps that record, found by their rings and by the sockets of whoever writes these."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from servescope.recording import ring_file
from servescope.recording.record_layout import SLOT
from servescope.recording.recorder import RINGS, Recorder
from servescope.recording.ring_file import Header, NameKind, RingKind
from servescope.sampling.recorded_apps import recorded_apps
from tests.recorded_app import recorded_app
from tests.waiting import eventually


@pytest.mark.process
def test_an_app_is_found_where_its_process_listens_as_long_as_that_lives(tmp_path):
    with recorded_app(tmp_path) as process:
        (found,) = recorded_apps(tmp_path / RINGS)
        assert found.name == "shop"
        assert (found.pids, found.places) == ((process.pid,), (("127.0.0.1", process.port),))
    assert eventually(lambda: not recorded_apps(tmp_path / RINGS), 10)


def test_processes_of_one_name_are_one_app(tmp_path):
    with (
        closing(Recorder(tmp_path, RingKind.APP)) as one,
        closing(Recorder(tmp_path, RingKind.APP)) as other,
    ):
        one.listener_id("shop")
        other.listener_id("shop")
        other.listener_id("admin")
        found = recorded_apps(tmp_path)
    assert [(app.name, app.pids) for app in found] == [
        ("admin", (os.getpid(),)),
        ("shop", (os.getpid(), os.getpid())),
    ]


@pytest.mark.parametrize("kind", [RingKind.SERVER, RingKind.LOAD])
def test_rings_of_our_own_servers_and_generators_are_no_apps(tmp_path, kind):
    with closing(Recorder(tmp_path, kind)) as recorder:
        recorder.listener_id("files")
        assert recorded_apps(tmp_path) == []


def test_a_process_that_was_given_the_pid_of_a_writer_is_not_taken_for_it(tmp_path):
    """As with a container that shares the data folder: its pids are others' here."""
    header = Header(RingKind.APP, SLOT.size, 64, os.getppid(), 1)
    mapping, descriptor = ring_file.create(tmp_path / "1.ring", header)
    ring_file.append_name(mapping, NameKind.LISTENER, 1, "shop")
    assert recorded_apps(tmp_path) == []
    mapping.close()
    os.close(descriptor)


def test_what_is_no_ring_is_passed_over(tmp_path):
    (tmp_path / "1.ring").write_bytes(b"nothing")
    assert recorded_apps(tmp_path) == []
    assert recorded_apps(tmp_path / "missing") == []
