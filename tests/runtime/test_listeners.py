"""Listeners get another app while they serve, come and go; what cannot be leaves all as it was."""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from servescope.actions.hostable_apps import (
    BUNDLED_ASGI,
    BUNDLED_SITE,
    BUNDLED_WSGI,
    why_not_hostable,
)
from servescope.recording.recorder import Recorder
from servescope.records.listeners import ConcurrencyModel, ListenerOverrides, ListenerState
from servescope.runtime.listener_config import added_listener, configured_listeners
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from tests.processes import eventually, is_bound

MODULES = {
    "plain_wsgi": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"mine"]
number = 7
def create_app():
    def made(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"made"]
    return made
""",
    "plain_asgi": """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"loop"})
""",
    "raising": "raise OSError('no database')",
    "leaving": "import sys; sys.exit(3)",
}


class ReconcilerHarness:
    """Listeners of one process, and their overrides."""

    def __init__(self, folder, apps="*"):
        settings = Settings(
            data_dir=folder / "data", apps=apps, files_port=0, wsgi_port=0, asgi_port=0
        )
        self.recorder = Recorder(folder / "rings")
        self.overrides = {}
        self.listeners = ListenerReconciler(
            configured_listeners(settings)[1:2],
            self.recorder,
            folder / "logs",
            why_not_hostable=partial(why_not_hostable, settings),
            added_listener=partial(added_listener, settings),
        )
        self.settle()

    def settle(self, name="wsgi"):
        """Reconcile to the end; the listener's status then."""
        for _ in range(2):
            # By the threads themselves: `threading.enumerate` leaves one out a moment before it is
            # dead, and a reconciliation meanwhile passes its listener over.
            for hosted in self.listeners._hosted:
                if hosted.change is not None:
                    hosted.change.join(30)
            self.listeners.reconcile(self.overrides)
        return self.status(name)

    def status(self, name="wsgi"):
        return next((one for one in self.listeners.statuses() if one.name == name), None)

    def override(self, name="wsgi", **changes):
        before = self.overrides.get(name, ListenerOverrides())
        self.overrides[name] = replace(before, revision=before.revision + 1, **changes)
        return self.settle(name)

    def body(self, name="wsgi", path="/"):
        with urllib.request.urlopen(f"{self.status(name).url.rstrip('/')}{path}") as answer:
            return answer.read()

    def comes_to_answer(self, part):
        """The old generation shares the queue until its threads hear that it is retired."""
        eventually(lambda: part in self.body())


@pytest.fixture
def start_harness(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    opened = []

    def harness(**options):
        opened.append(ReconcilerHarness(tmp_path, **options))
        return opened[-1]

    yield harness
    for one in opened:
        one.listeners.stop(1)
        one.recorder.close()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def harness(start_harness):
    return start_harness()


def test_another_app_at_the_same_port_of_each_kind_and_back(harness):
    port = harness.status().port
    assert harness.override(app="plain_wsgi:app").app_kind == "wsgi"
    harness.comes_to_answer(b"mine")
    assert harness.override(app="plain_wsgi:create_app()").app_kind == "wsgi"
    harness.comes_to_answer(b"made")
    status = harness.override(app="plain_asgi:app")
    assert (status.app_kind, status.model) == ("asgi", "asyncio")
    harness.comes_to_answer(b"loop")
    status = harness.override(app=str(BUNDLED_SITE))
    assert (status.app_kind, status.model) == ("static", "thread_pool")
    harness.comes_to_answer(b"README.txt")
    harness.overrides.clear()
    status = harness.settle()
    assert (status.app, status.port, status.is_changed) == (BUNDLED_WSGI, port, False)


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("no_such_module:app", "cannot import no_such_module: ModuleNotFoundError"),
        ("plain_wsgi:nothing", "module plain_wsgi has no nothing"),
        ("plain_wsgi:number", "plain_wsgi:number is not callable"),
        ("raising:app", "cannot import raising: OSError: no database"),
        ("leaving:app", "cannot import leaving: SystemExit: 3"),
        ("plain_wsgi:create_app", "looks like a factory: write plain_wsgi:create_app()"),
        ("plain_wsgi:create_app(1)", "does not fit plain_wsgi:create_app"),
        ("/no/such/folder", "/no/such/folder is no folder that can be read"),
        ("nonsense", "neither module:attribute nor"),
    ],
)
def test_what_cannot_be_hosted_is_told_with_its_cause_and_the_old_app_serves_on(harness, app, told):
    before = harness.status()
    status = harness.override(app=app)
    assert told in status.message
    assert "still as before" in status.message
    assert (status.state, status.app, status.port) == ("running", before.app, before.port)
    assert b"notes.js" in harness.body()
    assert harness.override(app="plain_wsgi:app").message == ""
    harness.comes_to_answer(b"mine")


def test_an_asgi_app_on_threads_is_refused_when_threads_were_asked_for(harness):
    harness.override(model=ConcurrencyModel.THREAD_POOL)
    status = harness.override(app="plain_asgi:app")
    assert "needs an event loop" in status.message
    assert status.app == BUNDLED_WSGI


def test_what_the_operator_did_not_allow_is_not_even_imported(start_harness):
    harness = start_harness(apps="")
    assert "SERVESCOPE_APPS" in harness.override(app="plain_wsgi:app").message
    assert "plain_wsgi" not in sys.modules
    assert harness.override(app=BUNDLED_ASGI).app == BUNDLED_ASGI


def test_a_change_that_cannot_be_is_carried_out_in_no_part_and_wanted_no_longer(harness):
    harness.override(threads=3)
    before = harness.status()
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
        status = harness.override(port=port, deny=("192.0.2.0/24",))
    assert (status.port, status.options) == (before.port, before.options)
    holder = f"this dashboard itself (pid {os.getpid()})"  # it is of this very process
    assert status.message == f"port {port} is held by {holder}; still on port {before.port}"
    (refused,) = harness.listeners.take_refused()
    assert (refused.name, refused.refused) == ("wsgi", harness.overrides["wsgi"])
    assert refused.kept == ListenerOverrides(threads=3)
    assert refused.kept.revision == status.revision == 2
    assert harness.settle() == status, "the port is free again: it was given up all the same"
    harness.overrides["wsgi"] = refused.kept
    status = harness.override(deny=("192.0.2.0/24",))
    assert (status.message, status.options.deny, status.revision) == ("", ("192.0.2.0/24",), 3)
    assert list(harness.listeners.take_refused()) == []


def test_a_port_held_by_another_listener_is_told_by_its_name(harness):
    harness.override("mine", is_added=True, app=str(BUNDLED_SITE), port=0)
    port = harness.status("mine").port
    status = harness.override(port=port)
    assert f"port {port} is held by this dashboard's listener mine" in status.message


def test_overrides_of_before_that_cannot_be_any_more_leave_the_app_of_the_settings(
    harness, tmp_path
):
    harness.override(app="plain_wsgi:app")
    overrides = harness.overrides
    harness.listeners.stop(1)
    later = ReconcilerHarness(tmp_path, apps="")
    try:
        later.overrides = overrides
        later.settle()
        later.override(runs=False)
        status = later.override(runs=True)
        assert (status.state, status.app) == ("running", BUNDLED_WSGI)
        assert status.message.endswith("with the app of the settings instead")
    finally:
        later.listeners.stop(1)
        later.recorder.close()


def test_a_listener_is_added_changed_and_removed(harness):
    status = harness.override("mine", is_added=True, app="plain_wsgi:app", port=0)
    assert (status.state, status.is_added, status.app_kind) == ("running", True, "wsgi")
    assert harness.body("mine") == b"mine"
    port = status.port
    assert harness.override("mine", model=ConcurrencyModel.SEQUENTIAL).model == "sequential"
    assert harness.body("mine") == b"mine"
    del harness.overrides["mine"]
    harness.settle()
    harness.settle()
    assert harness.status("mine") is None
    eventually(lambda: not is_bound(port))
    assert [one.name for one in harness.listeners.statuses()] == ["wsgi"]


def test_an_added_listener_that_cannot_be_fails_with_the_cause(harness):
    status = harness.override("mine", is_added=True, app="raising:app", port=0)
    assert status.state is ListenerState.FAILED
    assert "no database" in status.message
    assert harness.override("mine", app="plain_wsgi:app").state is ListenerState.RUNNING
    assert harness.status("mine").message == ""


def test_a_module_that_takes_long_to_import_holds_up_nobody(harness, tmp_path):
    gate = tmp_path / "gate"
    (tmp_path / "lingering.py").write_text(
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "app = lambda environ, start_response: []\n"
    )
    harness.overrides["mine"] = ListenerOverrides(is_added=True, app="lingering:app", port=0)
    try:
        harness.listeners.reconcile(harness.overrides)
        assert harness.status("mine").state is ListenerState.STARTING
        harness.overrides["wsgi"] = ListenerOverrides(app="plain_wsgi:app")
        harness.listeners.reconcile(harness.overrides)
        eventually(lambda: harness.status().app == "plain_wsgi:app")
        harness.comes_to_answer(b"mine")
    finally:
        gate.touch()
    assert harness.settle("mine").state is ListenerState.RUNNING
    sys.modules.pop("lingering", None)
