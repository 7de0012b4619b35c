"""A real gunicorn gets a signal while it answers; nothing of it is left, however that goes."""

from __future__ import annotations

import pytest

from servescope.chapters import deploy
from servescope.errors import LoadRefusedError
from servescope.experiments import child_command, signalled_server
from tests.processes import alive, children
from tests.waiting import eventually

KILL_WORKER = deploy.CHAPTER.setting("kill-worker").experiment


@pytest.fixture
def started(monkeypatch):
    """The pids of each command, and of what it started, at the time of its end."""
    found = []

    class Noted(child_command.ChildCommand):
        def stop(self):
            found.extend([self.pid, *children(self.pid)])
            super().stop()

    monkeypatch.setattr(child_command, "ChildCommand", Noted)
    return found


def test_a_killed_worker_takes_its_own_request_along_and_no_process_is_left(
    carried_out, started, tmp_path
):
    measured = carried_out(KILL_WORKER)
    (lost,) = (one for one in measured["outcomes"] if not one["pid"])
    assert lost["error"]
    assert lost["at_ms"] >= measured["signalled_ms"]
    killed = measured["signalled"]
    assert any(f"pid:{killed})" in text for _, text in measured["log"])
    assert killed not in {one["pid"] for one in measured["outcomes"]}
    assert len(started) == 3  # gunicorn and its two workers
    eventually(lambda: not any(map(alive, started)), 20)
    assert {one.name for one in (tmp_path / "experiment").iterdir()} <= {
        *("app.py", "gunicorn.conf.py", "__pycache__"),
    }


def test_no_process_is_left_when_the_experiment_fails(carried_out, started, monkeypatch):
    monkeypatch.setattr(signalled_server, "_ROUNDS", 0)
    with pytest.raises(LoadRefusedError, match="of 2 workers 0 answered"):
        carried_out(KILL_WORKER)
    assert started
    eventually(lambda: not any(map(alive, started)), 20)
