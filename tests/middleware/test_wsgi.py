"""The WSGI recorder, called as a server calls it."""

import io
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from flask import Flask, Response

from servescope.request_fields import Method, RequestFlag
from tests.middleware.wsgi_apps import answer, environ, ok, start_response, wrapped

GET, HEAD, POST = int(Method.GET), int(Method.HEAD), int(Method.POST)


def test_a_list_is_handed_on_as_it_is(recorded):
    body = [b"hello ", b"there"]

    def app(_environ, start):
        start("200 OK", [])
        return body

    assert wrapped(recorded, app)(environ("/hello"), start_response) is body
    assert recorded.one() == ("shop", "/hello", GET, 200, 0, 0, 11)


@pytest.mark.parametrize("status", [201, 301, 404, 503])
def test_the_status_is_the_apps(recorded, status):
    answer(wrapped(recorded, ok(b"x", status=f"{status} Whatever")), environ())
    assert recorded.one()[3] == status


def test_a_generator_is_counted_block_by_block(recorded):
    def app(_environ, start):
        start("200 OK", [])
        yield b""
        yield b"one"
        yield b"three"

    assert answer(wrapped(recorded, app), environ("/stream")) == b"onethree"
    assert recorded.one() == ("shop", "/stream", GET, 200, 0, 0, 8)


def test_what_was_written_counts_too(recorded):
    def app(_environ, start):
        write = start("200 OK", [])
        write(b"written ")
        return [b"returned"]

    answer(wrapped(recorded, app), environ())
    assert recorded.one()[6] == 16


def test_a_sized_body_keeps_its_length(recorded):
    class Sized:
        def __len__(self):
            return 1

        def __iter__(self):
            return iter([b"abc"])

    def app(_environ, start):
        start("200 OK", [])
        return Sized()

    result = wrapped(recorded, app)(environ(), start_response)
    assert len(result) == 1
    assert b"".join(result) == b"abc"
    unsized = wrapped(recorded, lambda _environ, start: iter([start("200 OK", []) and b""]))
    assert not hasattr(unsized(environ(), start_response), "__len__")


def test_the_servers_file_wrapper_stays_its_own(recorded):
    class Wrapper(FileWrapper):
        pass

    def app(given, start):
        start("200 OK", [("Content-Length", "5")])
        return given["wsgi.file_wrapper"](io.BytesIO(b"hello"))

    given = environ("/file", **{"wsgi.file_wrapper": Wrapper})
    result = wrapped(recorded, app)(given, start_response)
    assert type(result) is Wrapper
    assert not recorded.requests()
    file = result.filelike
    result.close()
    assert file.closed
    assert recorded.one() == ("shop", "/file", GET, 200, 0, 0, 5)


def test_an_app_that_raises_is_a_500_and_raises(recorded):
    def app(_environ, _start):
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        wrapped(recorded, app)(environ(), start_response)
    assert recorded.one()[3:5] == (500, RequestFlag.APP_ERROR)


@pytest.mark.parametrize(("before", "status"), [([], 500), ([b"out"], 200)])
def test_a_body_that_raises_keeps_its_status_once_the_head_is_out(recorded, before, status):
    def app(_environ, start):
        start("200 OK", [])
        yield from before
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        answer(wrapped(recorded, app), environ())
    assert recorded.one()[3:7] == (status, RequestFlag.APP_ERROR, 0, len(b"".join(before)))


def test_a_replaced_start_counts_as_the_last(recorded):
    def app(_environ, start):
        start("200 OK", [])
        error = KeyError("late")
        start("503 Later", [], (type(error), error, None))
        return [b"later"]

    seen = []

    def server_start(status, _headers, exc_info=None):
        seen.append((status, exc_info is not None))
        return lambda _data: None

    assert wrapped(recorded, app)(environ(), server_start) == [b"later"]
    assert seen == [("200 OK", False), ("503 Later", True)]
    assert recorded.one()[3] == 503


def test_an_early_close_is_an_abort_and_reaches_the_app(recorded):
    closed = []

    class Body:
        def __iter__(self):
            yield b"first"
            yield b"second"

        def close(self):
            closed.append(True)

    def app(_environ, start):
        start("200 OK", [])
        return Body()

    result = wrapped(recorded, app)(environ(), start_response)
    assert next(iter(result)) == b"first"
    result.close()
    assert closed == [True]
    assert recorded.one()[3:7] == (200, RequestFlag.ABORTED, 0, 5)


def test_a_close_before_the_first_block_reaches_the_app_and_is_recorded(recorded):
    closed = []

    class Body:
        def __iter__(self):
            return iter(())

        def close(self):
            closed.append(True)

    def app(_environ, start):
        start("200 OK", [("Content-Length", "9")])
        return Body()

    wrapped(recorded, app)(environ(), start_response).close()
    assert closed == [True]
    assert recorded.one()[4] == RequestFlag.ABORTED


def test_a_close_after_the_announced_bytes_is_no_abort(recorded):
    def app(_environ, start):
        start("200 OK", [("Content-Length", "3")])
        yield b"all"
        yield b""

    result = wrapped(recorded, app)(environ(), start_response)
    next(iter(result))
    result.close()
    assert recorded.one()[4] == 0


def test_head_sends_no_body(recorded):
    answer(wrapped(recorded, ok(b"not sent")), environ(method="HEAD"))
    assert recorded.one() == ("shop", "/", HEAD, 200, 0, 0, 0)


def test_a_request_body_counts_by_its_length(recorded):
    answer(wrapped(recorded, ok(b"x")), environ(method="POST", CONTENT_LENGTH="1234"))
    assert recorded.one()[2] == POST
    assert recorded.one()[5] == 1234


def test_a_second_end_records_nothing_more(recorded):
    app = wrapped(recorded, lambda _environ, start: iter([start("200 OK", []) and b"x"]))
    result = app(environ(), start_response)
    list(result)
    result.close()
    result.close()
    assert len(recorded.requests()) == 1


def test_wsgiref_finds_no_fault(recorded):
    def app(_environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return iter([b"fine"])

    checked = validator(wrapped(recorded, validator(app)))
    given = environ("/fine", SERVER_PROTOCOL="HTTP/1.0")
    result = checked(given, lambda _status, _headers, _exc_info=None: lambda _data: None)
    assert b"".join(list(result)) == b"fine"
    result.close()
    assert recorded.one()[3] == 200


def streaming_flask(blocks, closed):
    def stream():
        response = Response(blocks())
        response.call_on_close(lambda: closed.append(True))
        return response

    flask = Flask("streams")
    flask.add_url_rule("/stream", view_func=stream)
    return flask


def test_flask_streams_block_by_block_and_is_closed_by_the_server(recorded):
    made, closed = [], []

    def blocks():
        for block in (b"one", b"", b"three"):
            made.append(block)
            yield block

    app = wrapped(recorded, streaming_flask(blocks, closed))
    for turn in (1, 2):
        result = app(environ("/stream"), start_response)
        body = iter(result)
        assert next(body) == b"one"
        assert made == [b"one"]
        assert list(body) == [b"", b"three"]
        assert len(closed) == turn - 1
        result.close()
        assert len(closed) == turn
        made.clear()
    assert recorded.requests() == [("shop", "/stream", GET, 200, 0, 0, 8)] * 2


def test_flask_that_is_left_or_fails_in_the_middle_is_closed_and_recorded(recorded):
    closed = []

    def blocks():
        yield b"one"
        raise ValueError("boom")

    app = wrapped(recorded, streaming_flask(blocks, closed))
    for _ in range(2):
        result = app(environ("/stream"), start_response)
        next(iter(result))
        result.close()
        with pytest.raises(ValueError, match="boom"):
            answer(app, environ("/stream"))
    assert len(closed) == 4
    assert [one[3:] for one in recorded.requests()] == [
        (200, RequestFlag.ABORTED, 0, 3),
        (200, RequestFlag.APP_ERROR, 0, 3),
    ] * 2
