"""The requests of other threads wait while the first one has Dash set itself up."""

from __future__ import annotations

import threading

from flask import Flask

from components.dash_setup import set_up_once
from tests.waiting import DEADLINE_S


def test_a_request_waits_for_the_set_up_that_another_one_has_begun():
    flask = Flask(__name__)
    has_begun, is_asked, is_answered = (threading.Event() for _ in range(3))
    happened = []

    @flask.before_request
    def begin():
        has_begun.set()
        assert is_asked.wait(DEADLINE_S)

    @flask.before_request
    def end():
        is_answered.wait(0.2)  # the second answer, if it did not wait
        happened.append("set up")

    @flask.get("/<name>")
    def answer(name):
        happened.append(name)
        is_answered.set()
        return name

    set_up_once(flask)
    first = threading.Thread(target=lambda: flask.test_client().get("/first"))
    first.start()
    assert has_begun.wait(DEADLINE_S)
    second = threading.Thread(target=lambda: flask.test_client().get("/second"))
    second.start()
    is_asked.set()
    for thread in (first, second):
        thread.join(DEADLINE_S)
    assert flask.test_client().get("/third").text == "third"
    assert happened[0] == "set up"
    assert sorted(happened[1:]) == ["first", "second", "third"]
