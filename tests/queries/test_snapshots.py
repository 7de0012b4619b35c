import gc
import itertools
import threading
import weakref

import pytest

from servescope.queries.snapshots import EXPIRE_S, Snapshots


def ticking():
    """A clock that goes on by a millisecond: no answer expires in the middle of a test."""
    return itertools.count(1.0, 0.001).__next__


def test_an_answer_is_computed_once_for_each_version():
    version = 1
    computed = []
    cache = Snapshots(lambda: version, fresh_s=0, clock=ticking())
    for _ in range(3):
        assert cache.get("q", lambda: computed.append(version) or len(computed)) == 1
    version = 2
    assert cache.get("q", lambda: computed.append(version) or len(computed)) == 2
    assert computed == [1, 2]


def test_askers_of_one_question_wait_for_the_first():
    cache = Snapshots(lambda: 1, clock=ticking())
    entered, leave = threading.Event(), threading.Event()
    computed, answers = [], []

    def slow():
        computed.append(1)
        entered.set()
        assert leave.wait(10)
        return "answer"

    def ask():
        answers.append(cache.get("q", slow))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    assert entered.wait(10)
    assert cache.get("another", lambda: "not held up") == "not held up"
    leave.set()
    for asker in askers:
        asker.join(10)
    assert answers == ["answer"] * 8
    assert computed == [1]


def test_an_error_is_not_kept():
    cache = Snapshots(lambda: 1)
    with pytest.raises(ZeroDivisionError):
        cache.get("q", lambda: 1 // 0)
    assert cache.get("q", lambda: 3) == 3


def test_the_cache_is_bounded():
    cache = Snapshots(lambda: 1, size=4, clock=ticking())
    computed = []
    for number in [0, 1, 2, 3, 4, 0]:
        cache.get(number, lambda number=number: computed.append(number))
    assert computed == [0, 1, 2, 3, 4, 0]


def test_answers_of_a_former_version_are_let_go():
    class Answer:
        """Something a weak reference can tell of."""

    version = 1
    cache = Snapshots(lambda: version, fresh_s=0, clock=ticking())
    former = weakref.ref(cache.get("a viewer's first question", Answer))
    lasting = weakref.ref(cache.keep("a second's figures", Answer))
    assert former() is not None
    version = 2
    assert cache.get("its next one", lambda: 2) == 2
    gc.collect()
    assert former() is None
    assert cache.keep("a second's figures", Answer) is lasting()


def test_an_answer_expires_though_no_version_follows():
    now = 0.0
    cache = Snapshots(lambda: 1, clock=lambda: now)
    computed = []
    for now in (0.0, EXPIRE_S - 0.1, EXPIRE_S, EXPIRE_S + 5):
        cache.get("q", lambda now=now: computed.append(now))
    assert computed == [0.0, EXPIRE_S]


def test_the_version_is_not_asked_for_each_question():
    asked = []
    cache = Snapshots(lambda: asked.append(1) or 7, clock=ticking())
    assert [cache.get(number, lambda number=number: number) for number in range(5)] == [*range(5)]
    assert asked == [1]
