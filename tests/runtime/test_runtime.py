"""The part of a process: it begins and ends to lead whatever its writes meet."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from servescope.control.listeners import Listeners
from servescope.errors import StoreFullError
from servescope.records.listeners import ListenerState
from servescope.runtime.runtime import Runtime
from servescope.settings import Settings
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


def runtime_in(folder: Path) -> Runtime:
    return Runtime(Settings(data_dir=folder, files_port=0, wsgi_port=0, asgi_port=0))


def test_what_cannot_be_written_at_the_end_keeps_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runtime = runtime_in(tmp_path)
    runtime.start()
    statuses = runtime.context.process.listeners
    eventually(lambda: [one.port for one in statuses() if one.state is ListenerState.RUNNING])
    port = next(one.port for one in statuses() if one.state is ListenerState.RUNNING)
    leader = runtime._leader
    assert leader is not None

    def full() -> None:
        raise StoreFullError("no room left: nothing was written")

    monkeypatch.setattr(leader._load_runs, "stop", full)
    runtime.stop()
    assert not leader._collector._thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_leader_whose_first_write_found_no_room_collects_as_soon_as_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write, refused = Listeners.write_statuses, []

    def full_at_first(self: Listeners, *given: object) -> object:
        if not refused:
            refused.append(given)
            raise StoreFullError("no room left: nothing was written")
        return write(self, *given)

    monkeypatch.setattr(Listeners, "write_statuses", full_at_first)
    runtime = runtime_in(tmp_path)
    runtime.start()
    try:
        store = runtime.context.store
        assert eventually(store.bounds), "seconds are recorded"
        assert refused
    finally:
        runtime.stop()
