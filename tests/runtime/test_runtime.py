"""The part of a process: it begins to lead whatever its first write met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.control.listeners import Listeners
from servescope.errors import StoreFullError
from servescope.runtime.runtime import Runtime
from servescope.settings import Settings
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
    runtime = Runtime(Settings(data_dir=tmp_path, files_port=0, wsgi_port=0, asgi_port=0))
    runtime.start()
    try:
        store = runtime.context.store
        assert eventually(store.bounds), "seconds are recorded"
        assert refused
    finally:
        runtime.stop()
