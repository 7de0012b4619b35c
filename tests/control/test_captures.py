"""Rows of the captures: one at a time, and terminal states stay."""

from __future__ import annotations

import pytest

from servescope.errors import CaptureRefusedError
from servescope.records.captures import CaptureFilter, CaptureState

WANTED = CaptureFilter("wsgi", "/a", "x-mark", "1", 0.25)


def ask(control, now_s=100.0):
    return control.captures.request(WANTED, 20, 60.0, now_s, masks_query=True)


def test_an_order_comes_back_as_it_was_asked_for(control):
    assert control.captures.active() is None
    assert control.captures.newest() is None
    asked = ask(control)
    assert (asked.order.count, asked.order.until_s, asked.order.filter) == (20, 160.0, WANTED)
    assert control.captures.active() == asked == control.captures.newest()


def test_one_goes_on_at_a_time(control):
    first = ask(control)
    with pytest.raises(CaptureRefusedError, match="already"):
        ask(control)
    control.captures.end(first.order.id, CaptureState.STOPPED, 110.0)
    assert control.captures.active() is None
    assert ask(control).order.id > first.order.id


def test_progress_is_written_and_the_first_terminal_state_stays(control):
    order_id = ask(control).order.id
    control.captures.write_progress(order_id, 3)
    assert control.captures.active().captured == 3
    control.captures.end(order_id, CaptureState.COMPLETE, 120.0)
    control.captures.end(order_id, CaptureState.STOPPED, 130.0)
    newest = control.captures.newest()
    assert (newest.state, newest.captured, newest.ended_s) == (CaptureState.COMPLETE, 3, 120.0)
