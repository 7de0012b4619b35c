"""Objects that the WSGI recorder keeps, and for how long; several threads; misuse."""

import gc
import sys
import threading
import weakref
from contextlib import suppress

import pytest

from tests.middleware.wsgi_apps import (
    Matched,
    Sized,
    answer,
    environ,
    ok,
    start_response,
    wrapped,
)

STATUS = "299 Of this test"
HEADERS = [("Content-Type", "text/plain")]


def blocks(fault=None):
    yield b"x"
    if fault:
        raise OSError(fault)


def misuse(start, write):
    for arguments, named in (
        ((), {}),
        ((STATUS,), {}),
        ((STATUS, HEADERS), {"what": 1}),
        ((STATUS, HEADERS), {"status": STATUS}),
    ):
        with pytest.raises(TypeError):
            start(*arguments, **named)
    with pytest.raises(TypeError):
        start(STATUS, HEADERS, None, None)
    with pytest.raises(TypeError):
        write(17)


def all_sorts(given, start):
    """An app that answers each path in another way."""
    kind = given["PATH_INFO"]
    if kind == "/raises":
        raise OSError
    write = start(STATUS, HEADERS, exc_info=None)
    write(b"written")
    if kind == "/misuse":
        misuse(start, write)
    answers = {
        "/list": lambda: [b"x", b"y"],
        "/sized": lambda: Sized([b"x"]),
        "/late": lambda: blocks("late"),
    }
    return answers.get(kind, blocks)()


KINDS = ("/list", "/sized", "/generator", "/misuse", "/late", "/raises", "/left")


def test_what_a_call_leaves_behind_is_nothing(recorded):
    """Every reference that is taken is given back: also on the ways of errors."""
    served = wrapped(recorded, all_sorts)
    matched = Matched("/<kind>")

    def calls(times):
        for number in range(times * len(KINDS)):
            kind = KINDS[number % len(KINDS)]
            with suppress(OSError):
                result = served(environ(kind, **{"werkzeug.request": matched}), start_response)
                taken = next(iter(result)) if kind == "/left" else list(result)
                assert taken
                getattr(result, "close", int)()

    def references():
        recording = served.recording
        long_lived = (
            *(STATUS, HEADERS, all_sorts, start_response, matched, matched.url_rule),
            *(matched.url_rule.rule, served, recording, recording.record),
            *(recording.known, type(served), Sized),
        )
        gc.collect()
        return [sys.getrefcount(one) for one in long_lived]

    calls(50)
    before, blocks_before = references(), sys.getallocatedblocks()
    calls(300)
    assert references() == before
    assert sys.getallocatedblocks() - blocks_before < 300


def test_an_app_that_holds_its_own_recorder_can_go(recorded):
    class App:
        def answer(self, given, start):
            return ok(b"x")(given, start)

    app = App()
    app.wsgi_app = wrapped(recorded, app.answer)  # as Flask's, by which the two hold each other
    assert answer(app.wsgi_app, environ()) == b"x"
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_a_body_that_holds_its_own_call_can_go(recorded):
    class Body(list):
        pass

    bodies = []

    def app(_environ, start):
        start("200 OK", [])
        body = Body([b"x"])
        body.start = start
        bodies.append(weakref.ref(body))
        return body

    assert answer(wrapped(recorded, app), environ()) == b"x"
    gc.collect()
    assert bodies[0]() is None


def test_requests_of_several_threads_are_all_there(recorded):
    def app(given, start):
        start("200 OK", [])
        yield given["PATH_INFO"].encode()

    served = wrapped(recorded, app)

    def ask(name):
        for number in range(500):
            assert answer(served, environ(f"/{name}/{number}")) == f"/{name}/{number}".encode()

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded.requests()) == 2_000
    assert {route for _, route, *_ in recorded.requests()} == {f"/{n}/{{id}}" for n in "abcd"}


def test_a_body_asked_for_too_early_is_an_error_of_the_app(recorded):
    def app(_environ, start):
        early = start("200 OK", [])
        with pytest.raises((AttributeError, TypeError)):
            next(iter(early))
        with pytest.raises(AttributeError):
            early.close()
        return [b"x"]

    assert answer(wrapped(recorded, app), environ()) == b"x"
