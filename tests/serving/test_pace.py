from __future__ import annotations

from servescope.serving.pace import MOST_SLOW_ROUTES, QUICK_NS, SLOW_WEIGHT, THRESHOLD, Pace

SLOW = QUICK_NS + 1


def test_a_route_is_quick_until_it_was_slow_twice():
    pace = Pace()
    assert pace.is_quick("/a")
    pace.note("/a", SLOW)
    assert pace.is_quick("/a"), "once may be the scheduler's doing"
    pace.note("/a", SLOW)
    assert not pace.is_quick("/a")
    assert not pace.is_quick("/b"), "the listener is careful as a whole"


def test_one_answer_that_held_up_the_leader_is_enough():
    pace = Pace()
    pace.note_stuck("/a?ms=1")
    assert not pace.is_quick("/a?ms=2")


def test_quick_answers_make_up_for_slow_ones():
    pace = Pace()
    pace.note_stuck("/a")
    for _ in range(SLOW_WEIGHT * 3):
        pace.note("/b", 1)
    assert pace.is_quick("/b")
    assert not pace.is_quick("/a"), "its own answers only"
    for _ in range(SLOW_WEIGHT * 3):
        pace.note("/a", 1)
    assert pace.is_quick("/a")


def test_seldom_slow_is_quick():
    pace = Pace()
    for _ in range(50):
        pace.note("/a", SLOW)
        for _ in range(SLOW_WEIGHT):
            pace.note("/a", 1)
        assert pace.is_quick("/a")


def test_the_memory_is_bounded():
    pace = Pace()
    for number in range(MOST_SLOW_ROUTES * 3):
        pace.note_stuck(f"/{chr(97 + number % 26)}x{number}y")
    assert len(pace._scores) <= MOST_SLOW_ROUTES
    assert pace._score > THRESHOLD
