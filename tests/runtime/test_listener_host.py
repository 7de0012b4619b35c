"""Statuses and changes of listeners reach the store; what could not be written comes later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.actions.hostable_apps import why_not_hostable
from servescope.control.listeners import LEADER
from servescope.errors import StoreFullError
from servescope.recording.recorder import Recorder
from servescope.records.dashboard import EventKind
from servescope.records.listeners import ListenerState
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def host(tmp_path, control):
    """A host of the listener `wsgi` at a free port."""
    settings = Settings(data_dir=tmp_path, wsgi_port=0)
    recorder = Recorder(tmp_path / "rings")
    (spec,) = (one for one in configured_listeners(settings) if one.name == "wsgi")
    listeners = ListenerReconciler(
        [spec],
        recorder,
        tmp_path / "logs",
        why_not_hostable=lambda app: why_not_hostable(settings, app),
    )
    yield ListenerHost(listeners, control, LEADER)
    listeners.stop(1)
    recorder.close()


def states(control):
    return {one.name: one.state for one in control.listeners.statuses()}


def test_statuses_are_written_when_they_change_and_changes_become_events(host, control):
    host.reconcile()
    assert states(control) == {"wsgi": ListenerState.RUNNING}
    control.listeners.change_overrides("wsgi", lambda before: replace(before, runs=False))

    def is_stopped():
        host.reconcile()
        return states(control) == {"wsgi": ListenerState.STOPPED}

    eventually(is_stopped)
    events = [(one.kind, one.text) for one in control.events.between(0, 2**40)]
    assert events == [(EventKind.LISTENER, "wsgi stopped")]


def test_listeners_that_others_of_the_process_host_stand_beside_the_own(host, control):
    host.reconcile()
    (own,) = control.listeners.statuses()
    other = replace(own, name="compare-prefork", is_temporary=True)
    host.reconcile([other])
    assert control.listeners.statuses() == [own, other]
    host.reconcile()
    assert control.listeners.statuses() == [own]


def test_statuses_that_could_not_be_written_are_written_in_the_next_round(
    host, control, monkeypatch
):
    def full(*_arguments):
        raise StoreFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(control.listeners, "write_statuses", full)
        with pytest.raises(StoreFullError):
            host.reconcile()
    host.reconcile()
    assert states(control) == {"wsgi": ListenerState.RUNNING}


def test_a_message_is_logged_once_until_it_is_another_one(host, control, caplog):
    host.reconcile()
    for app, reason in (("os:system", "SERVESCOPE_APPS"), ("nonsense", "neither module:attribute")):
        control.listeners.change_overrides("wsgi", lambda before, app=app: replace(before, app=app))

        def is_told(reason=reason):
            host.reconcile()
            return reason in control.listeners.statuses()[0].message

        eventually(is_told)
        host.reconcile()
    warnings = [one for one in caplog.messages if one.startswith("listener wsgi is running:")]
    assert ["SERVESCOPE_APPS" in one for one in warnings] == [True, False]
