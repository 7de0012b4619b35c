"""What the desk takes for now."""

import time

from servescope.store.base import Batch, Frame


def test_a_clock_that_was_ahead_for_a_while_is_not_waited_for(office):
    desk, now = office.desk(), int(time.time())
    desk.store.write(Batch([Frame(now - 10), Frame(now + 86_400)]))
    assert now <= desk.newest() <= now + 60
    assert -2 <= desk.standing().lag_s <= 60


def test_the_newest_frame_is_the_newest_second(office):
    desk, now = office.desk(), int(time.time())
    assert desk.newest() is None
    desk.store.write(Batch([Frame(now - 10)]))
    assert office.desk().newest() == now - 10
