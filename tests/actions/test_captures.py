"""Asking for a capture: what a person may ask for, and the sentence that says why not."""

from __future__ import annotations

import pytest

from servescope.actions import captures
from servescope.actions.captures import CaptureRequest
from servescope.errors import CaptureRefusedError
from servescope.records.captures import CaptureFilter, CaptureState
from servescope.records.listeners import ListenerState, ListenerStatus

WSGI = ListenerStatus(
    "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:app", 5555
)


@pytest.fixture
def control(control):
    control.listeners.write_statuses([WSGI])
    return control


def test_the_fields_become_an_order(control):
    request = CaptureRequest("20", "60", "wsgi", " /notes/<id> ", "X-Mark: yes", "250", True)
    asked = captures.start(control, request)
    assert asked.order.filter == CaptureFilter("wsgi", "/notes/<id>", "x-mark", "yes", 0.25)
    assert (asked.order.count, asked.order.masks_query) == (20, True)
    assert asked.order.until_s - asked.requested_s == pytest.approx(60)


def test_what_is_empty_matches_all(control):
    asked = captures.start(control, CaptureRequest(1, 1, None, "", None, ""))
    assert asked.order.filter == CaptureFilter()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"count": 0}, "1 to 100 requests"),
        ({"count": 101}, "1 to 100 requests"),
        ({"count": "many"}, "'many'"),
        ({"seconds": ""}, "fill in a number of seconds"),
        ({"seconds": 0}, "the time limit is 1 to 3,600 s"),
        ({"seconds": 3_601}, "the time limit is 1 to 3,600 s"),
        ({"seconds": "nan"}, "a number of seconds"),
        ({"listener": "other"}, "there is no listener 'other'"),
        ({"header": "a b: c"}, "no name of a header field"),
        ({"slower_than_ms": -1}, "no request takes '-1' ms"),
        ({"slower_than_ms": "slow"}, "a number of milliseconds"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(control, changed, why):
    with pytest.raises(CaptureRefusedError, match=why):
        captures.start(control, CaptureRequest(**{"count": 20, "seconds": 60, **changed}))
    assert control.captures.active() is None


def test_a_capture_is_stopped_and_stopping_none_does_nothing(control):
    assert captures.stop(control) is None
    captures.start(control, CaptureRequest(20, 60))
    assert captures.stop(control).order.count == 20
    assert control.captures.newest().state is CaptureState.STOPPED
