"""The sentences that answer a change of a listener say what its status shows, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components import listener_outcomes as outcomes
from servescope.records.listeners import (
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
    ListenerStatus,
)

BEFORE = ListenerStatus(
    "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "shop:app", 5555, since_s=1.0
)
RESTARTED = (
    "wsgi was restarted: a new generation takes new connections on port 5555, the old one answers "
    "what it has."
)
PENDING = (
    "This was asked for, and is not carried out after 10 s: the card of wsgi will say how it goes.",
    False,
)


def after(**changes):
    options = {
        name: changes.pop(name)
        for name in ("threads", "workers", "deny", "allow", "access_log")
        if name in changes
    }
    changed = {"options": ListenerOptions(**options), "is_changed": True} | changes
    return replace(BEFORE, **changed)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            after(port=8001, deny=("10.0.0.0/8",)),
            "Applied: port 8001, deny 10.0.0.0/8; new connections go to port 8001.",
        ),
        (
            after(deny=("::1",), allow=("10.0.0.0/8",)),
            "Applied: deny ::1, allow 10.0.0.0/8; this counts from the next request on.",
        ),
        (
            after(model=ConcurrencyModel.PREFORK, workers=3, threads=4),
            "Applied: model prefork, threads 4, workers 3; new connections go to port 5555.",
        ),
        (
            after(app="shop:other", access_log="/logs/wsgi.log"),
            "Applied: app shop:other, access log /logs/wsgi.log; new connections go to port 5555.",
        ),
        (
            after(threads=4, state=ListenerState.STOPPED),
            "Applied: threads 4; wsgi does not run (stopped).",
        ),
        (
            after(port=81, state=ListenerState.FAILED, message="port 81 is privileged"),
            "Applied: port 81; wsgi does not run (failed: port 81 is privileged).",
        ),
        (after(), "Nothing to apply: the form says how wsgi is."),
    ],
)
def test_an_apply_names_what_is_different_now(status, told):
    assert outcomes.changed(BEFORE, status, is_asked=True) == (told, True)


def test_an_apply_that_was_refused_gives_the_reason():
    refused = after(message="cannot import shop: OSError: no database; still as before")
    told = (
        "Nothing was applied: cannot import shop: OSError: no database; still as before.",
        False,
    )
    assert outcomes.changed(BEFORE, refused, is_asked=True) == told
    again = outcomes.changed(refused, refused, is_asked=True)
    assert again == told, "the status has the message of the first time"
    nothing = outcomes.changed(refused, refused, is_asked=False)
    assert nothing == ("Nothing to apply: the form says how wsgi is.", True)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            outcomes.reset(after(threads=4), BEFORE),
            ("Back to the settings: threads 8; new connections go to port 5555.", True),
        ),
        (
            outcomes.reset(after(), BEFORE),
            ("Nothing changed: wsgi was as its settings say.", True),
        ),
        (
            outcomes.reset(after(port=81), after(port=81, message="port 5555 is held by nginx")),
            ("wsgi is not back to its settings: port 5555 is held by nginx.", False),
        ),
        (outcomes.started("wsgi", BEFORE), ("wsgi runs on port 5555.", True)),
        (
            outcomes.started("wsgi", replace(BEFORE, message="port 5554 is held by nginx")),
            ("wsgi runs on port 5555. Port 5554 is held by nginx.", True),
        ),
        (
            outcomes.started("wsgi", after(state=ListenerState.FAILED, message="no such folder")),
            ("wsgi does not run: no such folder.", False),
        ),
        (
            outcomes.stopped(BEFORE, after(state=ListenerState.STOPPED)),
            ("wsgi is stopped: it listens on port 5555 no longer.", True),
        ),
        (
            outcomes.restarted(BEFORE, after(since_s=2.0)),
            (RESTARTED, True),
        ),
        (
            outcomes.restarted(BEFORE, after(message="cannot import shop; still as before")),
            ("wsgi was not restarted: cannot import shop; still as before.", False),
        ),
        (outcomes.removed("mine", has_ended=True), ("mine was removed.", True)),
    ],
)
def test_the_button_of_a_card_is_answered_with_what_came_of_it(told, expected):
    assert told == expected


@pytest.mark.parametrize(
    "told",
    [
        outcomes.changed(BEFORE, None, is_asked=True),
        outcomes.reset(BEFORE, None),
        outcomes.started("wsgi", None),
        outcomes.stopped(BEFORE, None),
        outcomes.restarted(BEFORE, None),
        outcomes.removed("wsgi", has_ended=False),
    ],
)
def test_what_is_not_known_yet_is_not_claimed(told):
    assert told == PENDING


def test_a_listener_at_a_unix_socket_has_its_path():
    at_path = replace(BEFORE, address="unix:/run/wsgi.sock", port=0)
    assert outcomes.started("wsgi", at_path) == ("wsgi runs on unix:/run/wsgi.sock.", True)
