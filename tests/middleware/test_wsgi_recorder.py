"""The WSGI recorder, called as a server calls it."""

import io
import socket
import time
from contextlib import closing
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest
from flask import Flask, Response

from servescope.middleware.app_recording import ABORTED, APP_ERROR
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.middleware.wsgi import ServescopeMiddleware
from servescope.records import Method
from tests.processes import eventually

GET, HEAD, POST = int(Method.GET), int(Method.HEAD), int(Method.POST)


def environ(path="/", method="GET", **more):
    given = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "SERVER_PROTOCOL": "HTTP/1.1",
        **more,
    }
    setup_testing_defaults(given)
    given.setdefault("QUERY_STRING", "")
    return given


def start_response(_status, _headers, _exc_info=None):
    return lambda _data: None


def wrapped(recorded, app, **more):
    return ServescopeMiddleware(app, data_dir=recorded.folder, **{"listener": "shop", **more})


def answer(app, given):
    """All of the body, then close: what a server does."""
    result = app(given, start_response)
    try:
        return b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close:
            close()


def ok(*blocks, status="200 OK", headers=()):
    def app(_environ, start):
        start(status, [("Content-Type", "text/plain"), *headers])
        return list(blocks)

    return app


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
    assert recorded.one()[3:5] == (500, APP_ERROR)


@pytest.mark.parametrize(("before", "status"), [([], 500), ([b"out"], 200)])
def test_a_body_that_raises_keeps_its_status_once_the_head_is_out(recorded, before, status):
    def app(_environ, start):
        start("200 OK", [])
        yield from before
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        answer(wrapped(recorded, app), environ())
    assert recorded.one()[3:7] == (status, APP_ERROR, 0, len(b"".join(before)))


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
    assert recorded.one()[3:7] == (200, ABORTED, 0, 5)


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
    assert recorded.one()[4] == ABORTED


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


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/users/17", "200 OK", "/users/{id}"),
        ("/wp-login.php", "404 Not Found", "/{path}"),
        ("/größe".encode().decode("latin-1"), "200 OK", "/gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_path_without_a_template_is_folded(recorded, path, status, route):
    answer(wrapped(recorded, ok(b"x", status=status)), environ(path))
    assert recorded.one()[1] == route


def test_an_app_may_tell_its_route(recorded):
    def app(given, start):
        given["servescope.route"] = "/reports/<year>"
        return ok(b"x")(given, start)

    answer(wrapped(recorded, app), environ("/reports/2026"))
    assert recorded.one()[1] == "/reports/<year>"


def test_flask_tells_rule_and_name(recorded):
    flask = Flask("bookshop")
    flask.add_url_rule("/books/<int:number>", view_func=lambda number: f"book {number}")
    app = ServescopeMiddleware(flask, data_dir=recorded.folder)
    assert answer(app, environ("/books/7")) == b"book 7"
    assert recorded.one()[:2] == ("bookshop", "/books/<int:number>")


@pytest.mark.parametrize(
    ("method", "status", "sent"),
    [("GET", "200 OK", 5), ("HEAD", "200 OK", 0), ("GET", "404 Not Found", 5), ("GET", "bad", 5)],
)
def test_a_kind_of_request_seen_before_is_recorded_as_at_first(recorded, method, status, sent):
    app = wrapped(recorded, ok(b"hello", status=status))
    for _ in range(3):
        answer(app, environ("/again", method))
    first, *others = recorded.requests()
    told = (500, APP_ERROR) if status == "bad" else (int(status[:3]), 0)
    assert first[3:] == (*told, 0, sent)
    assert others == [first, first]


@pytest.mark.parametrize(
    ("more", "route"),
    [
        ({"SCRIPT_NAME": "/shop"}, "/shop/books/<int:number>"),
        ({"SCRIPT_NAME": None}, "/books/<int:number>"),  # PEP 3333: an empty one may be left out
        ({"servescope.route": "/told"}, "/told"),
    ],
)
def test_flasks_rule_under_a_mount_or_none(recorded, more, route):
    flask = Flask("bookshop")
    flask.add_url_rule("/books/<int:number>", view_func=lambda number: f"book {number}")
    app = wrapped(recorded, flask)
    for _ in range(2):
        given = {
            name: value for name, value in environ("/books/7", **more).items() if value is not None
        }
        answer(app, given)
    assert [one[1] for one in recorded.requests()] == [route, route]


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
        (200, ABORTED, 0, 3),
        (200, APP_ERROR, 0, 3),
    ] * 2


def test_an_error_in_a_quiet_second_is_in_the_log_all_the_same(recorded):
    statuses = ["200 OK"] * 60 + ["500 Oops"] * 2

    def app(_environ, start):
        start(statuses.pop(0), [])
        return [b"x"]

    failing = wrapped(recorded, app)
    while statuses:
        answer(failing, environ())
    logged = [detail.record.status for detail in recorded.details()]
    assert logged.count(500) == 2
    assert 20 <= logged.count(200) <= 60


def test_empty_blocks_before_the_head_make_no_negative_time(recorded):
    def app(_environ, start):
        start("200 OK", [])
        yield b""
        yield b"x"

    for _ in wrapped(recorded, app)(environ(), start_response):
        until = time_ms() + 5
        while time_ms() < until:
            pass
    stages = recorded.stages_ms()
    assert stages["write"] >= 10
    assert stages["app"] >= 5  # the head was not out before
    assert stages["body"] == 0


def test_stages_tell_the_apps_time_from_the_servers(recorded):
    def spend(milliseconds):
        until = time_ms() + milliseconds
        while time_ms() < until:
            pass

    def app(_environ, start):
        spend(20)
        start("200 OK", [])
        yield b"first"
        spend(30)
        yield b"second"

    began = time_ms()
    for _ in wrapped(recorded, app)(environ(), start_response):
        spend(10)
    passed = time_ms() - began
    stages = recorded.stages_ms()
    assert stages["app"] >= 20
    assert stages["body"] >= 30
    assert stages["write"] >= 20
    assert stages["app"] + stages["body"] + stages["write"] <= passed


def time_ms():
    return time.perf_counter() * 1000


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_kernel_wait_is_read_where_the_server_shows_its_socket(recorded, key):
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        client = socket.create_connection(listening.getsockname())
        served = listening.accept()[0]
    with closing(client), closing(served):
        client.sendall(b"x")
        sent = time_ms()
        eventually(lambda: time_ms() - sent > 60)
        answer(wrapped(recorded, ok(b"x")), environ(**{key: served}))
        assert 50 <= recorded.stages_ms()["kernel"] <= time_ms() - sent + 20


def test_no_kernel_wait_without_tcp():
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert kernel_wait_ns(ours) == kernel_wait_ns(object()) == 0


def test_the_log_gets_target_client_and_agent(recorded):
    given = environ("/a b", QUERY_STRING="q=1", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl")
    answer(wrapped(recorded, ok(b"x")), given)
    (detail,) = recorded.details()
    assert (detail.listener, detail.route) == ("shop", "/a b")
    assert (detail.client, detail.user_agent) == ("192.0.2.7", "curl")
    assert detail.target == "/a%20b?q=1"
