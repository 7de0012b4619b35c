"""The rounds of a process: heartbeats at their time, errors logged once, defects survived."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from servescope.errors import StoreError, StoreFullError
from servescope.runtime import reconcile_loop
from servescope.runtime.reconcile_loop import HEARTBEAT_S, ReconcileLoop


@pytest.fixture
def clock(monkeypatch):
    """The loop's clock, which stands until a test moves `now`."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(reconcile_loop, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def calls():
    """The calls of the loop, and the errors that its rounds raise, one each."""
    return SimpleNamespace(rounds=0, heartbeats=0, errors=[])


@pytest.fixture
def loop(clock, calls):
    del clock

    def reconcile():
        calls.rounds += 1
        if calls.errors and (error := calls.errors.pop(0)) is not None:
            raise error

    def heartbeat():
        calls.heartbeats += 1

    return ReconcileLoop(reconcile, heartbeat)


def test_each_call_is_a_round_and_a_heartbeat_comes_when_it_is_due(loop, calls, clock):
    for _ in range(3):
        loop.run_once()
    assert (calls.rounds, calls.heartbeats) == (3, 1)
    clock.now += HEARTBEAT_S
    loop.run_once()
    assert (calls.rounds, calls.heartbeats) == (4, 2)


def test_an_error_that_lasts_is_logged_once_and_another_one_too(loop, calls, clock, caplog):
    calls.errors = [StoreFullError("full"), StoreFullError("full"), StoreError("away")]
    for _ in range(3):
        loop.run_once()
    assert caplog.messages == ["full", "away"]
    assert calls.heartbeats == 0
    clock.now += HEARTBEAT_S
    loop.run_once()
    assert calls.heartbeats == 1
    calls.errors = [StoreError("away")]
    loop.run_once()
    assert caplog.messages == ["full", "away", "away"]


def test_a_defect_is_logged_with_its_traceback_and_the_rounds_go_on(loop, calls, caplog):
    calls.errors = [KeyError("defect")]
    loop.run_once()
    (record,) = caplog.records
    assert (record.levelno, record.exc_info[0]) == (logging.ERROR, KeyError)
    loop.run_once()
    assert (calls.rounds, calls.heartbeats) == (2, 1)
