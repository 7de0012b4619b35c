from __future__ import annotations

import numpy as np
import pytest

from servescope.serving.models.thread_pool.handoff import (
    ENOUGH_TRIALS,
    LONGEST_PAUSE_NS,
    MOST_SLOW_ROUTES,
    QUICK_NS,
    SLOW_WEIGHT,
    THRESHOLD,
    TRIAL_NS,
    HandoffPolicy,
)

SLOW = QUICK_NS + 1
NOW = 10**12
MS = 1_000_000
S = 1000 * MS


def learn(policy, target, took_ns, now_ns=NOW):
    """Note the duration of another thread's answer."""
    policy.note(target, took_ns, now_ns, by_leader=False)


def is_quick(policy, target, now_ns=NOW):
    return policy.is_quick(target, now_ns)


class Listener:
    """A listener in a test's own time. Handed over, every answer is slow; see `seconds`."""

    def __init__(self):
        self.policy = HandoffPolicy()
        self.now_ns = NOW
        self.stuck = 0

    def request(self, target, took_ns, handed_over_ns=SLOW):
        """One request; whether the leader answered it."""
        by_leader = self.policy.is_quick(target, self.now_ns)
        if by_leader and took_ns > 4 * MS:
            self.stuck += 1
            self.policy.note_stuck(target, self.now_ns)
            self.policy.note(target, took_ns, self.now_ns, by_leader=False)
        elif by_leader:
            self.policy.note(target, took_ns, self.now_ns, by_leader=True)
        else:
            self.policy.note(target, max(took_ns, handed_over_ns), self.now_ns, by_leader=False)
        return by_leader

    def seconds(self, count, *routes, every_ns=MS):
        """Requests to each of `routes`, target and ns; the share the leader answered of each."""
        answered = dict.fromkeys((target for target, _ in routes), 0)
        steps = count * S // every_ns
        for _ in range(steps):
            self.now_ns += every_ns
            for target, took_ns in routes:
                answered[target] += self.request(target, took_ns)
        return [answered[target] / steps for target, _ in routes]


def test_a_route_is_quick_until_it_was_slow_twice():
    policy = HandoffPolicy()
    assert is_quick(policy, "/a")
    learn(policy, "/a", SLOW)
    assert is_quick(policy, "/a"), "once may be the scheduler's doing"
    learn(policy, "/a", SLOW)
    assert not is_quick(policy, "/a")
    assert not is_quick(policy, "/b"), "the listener is careful as a whole"


def test_one_answer_that_held_up_the_leader_is_enough():
    policy = HandoffPolicy()
    policy.note_stuck("/a?ms=1", NOW)
    assert not is_quick(policy, "/a?ms=2")


def test_quick_answers_make_up_for_slow_ones():
    policy = HandoffPolicy()
    policy.note_stuck("/a", NOW)
    for _ in range(SLOW_WEIGHT * 3):
        learn(policy, "/b", 1)
    assert is_quick(policy, "/b")
    assert not is_quick(policy, "/a"), "its own answers only"
    for _ in range(SLOW_WEIGHT * 3):
        learn(policy, "/a", 1)
    assert is_quick(policy, "/a")


def test_seldom_slow_is_quick():
    policy = HandoffPolicy()
    for _ in range(50):
        learn(policy, "/a", SLOW)
        for _ in range(SLOW_WEIGHT):
            learn(policy, "/a", 1)
        assert is_quick(policy, "/a")


def test_a_route_that_is_quick_again_is_soon_answered_by_the_leader():
    listener = Listener()
    (share,) = listener.seconds(2, ("/a", 50 * MS))
    assert share < 0.01
    (share,) = listener.seconds(5, ("/a", 1000))
    assert share > 0.5, "proven within the pauses that the slow time had made long"
    assert listener.seconds(5, ("/a", 1000)) == [1.0], "and then no more trials"
    assert not listener.policy._trials


def test_a_slow_route_is_tried_less_and_less():
    listener = Listener()
    listener.seconds(60, ("/a", 50 * MS))
    assert 5 <= listener.stuck <= 12, "pauses of 0.1, 0.2, 0.4 s and so on"
    before = listener.stuck
    listener.seconds(300, ("/a", 50 * MS), every_ns=10 * MS)
    assert listener.stuck - before <= 300 * S // LONGEST_PAUSE_NS + 1


def test_a_quick_route_beside_a_slow_one_is_proven_quick():
    listener = Listener()
    listener.seconds(5, ("/slow", 50 * MS), ("/quick", 1000))
    slow, quick = listener.seconds(5, ("/slow", 50 * MS), ("/quick", 1000))
    assert quick == 1.0
    assert slow < 0.01


@pytest.mark.parametrize("period_s", [1, 5, 30])
def test_a_route_that_is_slow_by_turns_does_not_flap(period_s):
    """Each recovery that did not last makes the next one wait for longer."""
    listener = Listener()
    for _ in range(600 // (2 * period_s)):
        listener.seconds(period_s, ("/a", 50 * MS), every_ns=5 * MS)
        listener.seconds(period_s, ("/a", 1000), every_ns=5 * MS)
    assert listener.stuck <= 40, "in ten minutes"


def test_a_route_that_is_slow_at_random_holds_up_the_leader_seldom():
    listener = Listener()
    is_slow = np.random.default_rng(7).random(100_000) < 0.5
    for slow in is_slow:
        listener.now_ns += 2 * MS
        listener.request("/a", 50 * MS if slow else 1000)
    assert listener.stuck <= 30, "in 200 s"


def test_trials_of_many_slow_routes_take_turns():
    listener = Listener()
    routes = [
        (f"/{chr(97 + number // 26)}{chr(97 + number % 26)}", 50 * MS) for number in range(99)
    ]
    listener.seconds(20, *routes, every_ns=20 * MS)
    assert listener.stuck <= 20 * S // TRIAL_NS + 2


def test_quick_trials_prove_a_route_only_in_a_row():
    policy = HandoffPolicy()
    policy.note_stuck("/a", NOW)
    assert not is_quick(policy, "/a")
    now_ns = NOW
    for took_ns in [1, 1, 1, SLOW] * 5:
        now_ns += LONGEST_PAUSE_NS
        assert is_quick(policy, "/a", now_ns), "a trial is due"
        assert not is_quick(policy, "/a", now_ns), "one at a time"
        policy.note("/a", took_ns, now_ns, by_leader=True)
        learn(policy, "/a", SLOW, now_ns)
    for _ in range(ENOUGH_TRIALS):
        now_ns += LONGEST_PAUSE_NS
        assert is_quick(policy, "/a", now_ns)
        policy.note("/a", 1, now_ns, by_leader=True)
    assert all(is_quick(policy, "/a", now_ns) for _ in range(9))


def test_the_memory_is_bounded():
    policy = HandoffPolicy()
    for number in range(MOST_SLOW_ROUTES * 3):
        target = f"/{chr(97 + number % 26)}x{number}y"
        policy.note_stuck(target, NOW)
        is_quick(policy, target)
        for trial in range(ENOUGH_TRIALS * (number % 2)):
            is_quick(policy, target, NOW + (number * 9 + trial + 1) * S)
            policy.note(target, 1, NOW, by_leader=True)
    assert len(policy._scores) <= MOST_SLOW_ROUTES
    assert len(policy._trials) <= MOST_SLOW_ROUTES
    assert 0 < len(policy._proven) <= MOST_SLOW_ROUTES
    assert policy._score > THRESHOLD
