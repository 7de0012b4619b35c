"""The newest second of a context."""

import time

from servescope.store.base import Batch, Frame


def test_a_clock_that_was_ahead_for_a_while_is_not_waited_for(harness):
    context, now = harness.context(), int(time.time())
    context.store.write(Batch([Frame(now - 10), Frame(now + 86_400)]))
    assert now <= context.newest() <= now + 60
    assert -2 <= context.dashboard_status().lag_s <= 60


def test_the_newest_frame_is_the_newest_second(harness):
    context, now = harness.context(), int(time.time())
    assert context.newest() is None
    context.store.write(Batch([Frame(now - 10)]))
    assert harness.context().newest() == now - 10
