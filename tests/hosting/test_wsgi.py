from __future__ import annotations

import io
import itertools
import logging
import sys
import tempfile
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import flask
import httptools
import pytest

from servescope.errors import ClientGoneError
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.request_body import MEMORY_LIMIT
from servescope.hosting.site import Site
from servescope.hosting.wsgi import WsgiHost
from servescope.records import ListenerOptions, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.hosting.exchange import Exchange

Environ = dict[str, Any]
GET = b"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n"


class Response:
    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.content = b""
        self.is_complete = False
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.is_complete = True


class Client:
    """Calls an app through a Conversation; keeps each send apart."""

    def __init__(self, app: Callable[..., Any], gone_after: int = 99) -> None:
        self.site = Site(
            "wsgi", WsgiHost(app, multithread=True, multiprocess=False), ListenerOptions()
        )
        self.now_ns = itertools.count(1).__next__
        self.gone_after = gone_after
        self.sends: list[bytes] = []
        self.file: tuple[int, int] | None = None
        self.lasts: list[bool] = []

    def date(self) -> bytes:
        return b"Sun, 06 Nov 1994 08:49:37 GMT"

    def send(self, data: bytes, *, last: bool) -> None:
        if len(self.sends) >= self.gone_after:
            raise ClientGoneError("gone")
        self.sends.append(data)
        self.lasts.append(last)

    def send_file(self, head: bytes, descriptor: int, offset: int, count: int) -> None:
        with open(descriptor, "rb") as file:
            file.seek(offset)
            self.file = (offset, count)
            self.send(head + file.read(count), last=True)

    def call(self, *data: bytes) -> Exchange:
        self.conversation = Conversation(self.site, ("192.0.2.7", 4321), 0)
        needs = [self.conversation.receive(part, 1, 0) for part in data or (GET,)]
        assert needs[-1] is Need.RUN
        exchange = self.conversation.exchange
        assert exchange is not None
        self.conversation.run(self)
        self.conversation.close()
        return exchange

    def response(self, *data: bytes) -> Response:
        self.call(*data)
        return Response(b"".join(self.sends))


def answer_with(*blocks: bytes, headers: Any = (), status: str = "200 OK") -> Callable[..., Any]:
    def app(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return list(blocks)

    return app


def test_the_environ_holds_what_pep_3333_asks_for():
    seen: Environ = {}

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        seen.update(environ)
        assert environ["wsgi.input"].read(3) == b"a=b"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    body = b"POST /p%20%C3%A9/x?q=%20 HTTP/1.1\r\nHost: h:80\r\nContent-Type: t/x\r\nX-A: 1\r\n"
    body += b"X-A: 2\r\nX_A: spoofed\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 3\r\n\r\na=b"
    assert Client(validator(app)).response(body).content == b"ok"
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/p \u00c3\u00a9/x",
        "QUERY_STRING": "q=%20",
        "RAW_URI": "/p%20%C3%A9/x?q=%20",
        "CONTENT_TYPE": "t/x",
        "CONTENT_LENGTH": "3",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4321",
        "HTTP_HOST": "h:80",
        "HTTP_X_A": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    assert {key: seen[key] for key in expected} == expected
    assert seen["wsgi.errors"] is not None
    assert not [key for key in seen if key == "HTTP_CONTENT_LENGTH"]


@pytest.mark.parametrize(
    "app",
    [
        answer_with(b"hello"),
        answer_with(b"he", b"", b"llo"),
        answer_with(b"he", b"llo", headers=[("Content-Length", "5")]),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_valid_apps_under_the_validator(app: Callable[..., Any], version: bytes, method: bytes):
    client = Client(validator(app))
    client.call(method + b" / HTTP/" + version + b"\r\nHost: h\r\n\r\n")
    data = b"".join(client.sends)
    content = data.partition(b"\r\n\r\n")[2]
    if method == b"HEAD":
        assert content == b""
    elif version == b"1.0":
        assert content == b"hello"
    else:
        assert Response(data).content == b"hello"
        assert Response(data).is_complete
    assert client.lasts[-1] is True
    assert sum(client.lasts) == 1, "the response ends once"


def test_a_single_block_leaves_in_one_send_with_its_length():
    client = Client(answer_with(b"hello"))
    assert client.response().headers["content-length"] == "5"
    assert len(client.sends) == 1


def test_blocks_are_sent_as_they_come():
    sent_before: list[int] = []
    client: Client

    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for block in (b"a", b"b", b"c"):
            sent_before.append(len(client.sends))
            yield block

    client = Client(app)
    assert client.response().content == b"abc"
    assert sent_before == [0, 1, 2]


def test_the_write_callable_sends_before_the_iterable():
    def app(_environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"first,")
        write(b"second,")
        return [b"third"]

    client = Client(app)
    assert client.response().content == b"first,second,third"
    assert len(client.sends) == 4, "three parts and the last chunk"


def test_a_chunked_body_has_its_length_and_can_be_read_again():
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        first = body.read()
        body.seek(0)
        assert body.read() == first
        start_response("200 OK", [])
        return [environ["CONTENT_LENGTH"].encode() + b":" + first]

    data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert Client(app).response(data).content == b"5:abcde"


def test_a_large_body_goes_to_disk_and_comes_back_whole():
    body = bytes(range(256)) * (MEMORY_LIMIT // 128)

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        assert not isinstance(environ["wsgi.input"], io.BytesIO)
        assert environ["wsgi.input"].read() == body
        start_response("200 OK", [])
        return [b"same"]

    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    parts = [body[i : i + 50_000] for i in range(0, len(body), 50_000)]
    assert Client(app).response(head, *parts).content == b"same"


@pytest.mark.parametrize("how", ["call", "first block", "no start", "header", "status", "twice"])
def test_a_failing_app_is_a_500_without_a_traceback(how: str, caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Iterator[bytes] | list[bytes]:
        if how == "call":
            raise ZeroDivisionError("the secret")
        if how == "no start":
            return [b"x"]
        if how == "status":
            start_response("teapot", [])
        if how == "header":
            start_response("200 OK", [("X", "a\r\nb")])
        if how == "twice":
            start_response("200 OK", [])
            start_response("200 OK", [])
        return iter_failing()

    def iter_failing() -> Iterator[bytes]:
        if how == "first block":
            raise ZeroDivisionError("the secret")
        yield b"x"

    client = Client(app)
    with caplog.at_level(logging.ERROR):
        exchange = client.call()
    response = Response(b"".join(client.sends))
    assert response.status == exchange.status == 500
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content
    assert response.headers["connection"] == "close"
    assert exchange.flags & RequestFlag.APP_ERROR
    assert "Traceback" in caplog.text


def test_an_error_after_the_head_breaks_the_response_off(caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"some"
        raise ZeroDivisionError

    client = Client(app)
    with caplog.at_level(logging.ERROR):
        exchange = client.call()
    assert not Response(b"".join(client.sends)).is_complete
    assert exchange.flags & RequestFlag.APP_ERROR
    assert not exchange.keep_alive
    assert client.conversation.finish_cycle(9) is Need.CLOSE


def test_exc_info_replaces_the_head_that_was_not_sent():
    def app(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Before", "1")])
        try:
            int("x")
        except ValueError:
            start_response("503 Sorry", [("X-After", "1")], sys.exc_info())
        return [b"sorry"]

    response = Client(app).response()
    assert response.status == 503
    assert "x-after" in response.headers
    assert "x-before" not in response.headers


def test_exc_info_after_the_head_raises_it_again(caplog: pytest.LogCaptureFixture):
    raised: list[BaseException] = []

    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"some"
        try:
            int("x")
        except ValueError:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except ValueError as error:
                raised.append(error)
                raise

    with caplog.at_level(logging.ERROR):
        assert Client(app).call().status == 200
    assert len(raised) == 1


class Closing:
    def __init__(self, blocks: list[bytes], *, fails: bool = False) -> None:
        self.blocks = iter(blocks)
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise ZeroDivisionError


@pytest.mark.parametrize("gone_after", [0, 1, 99])
def test_close_is_called_once_whatever_happens(gone_after: int):
    result = Closing([b"a", b"b"])

    def app(_environ: Environ, start_response: Any) -> Closing:
        start_response("200 OK", [])
        return result

    exchange = Client(app, gone_after).call()
    assert result.closed == 1
    assert bool(exchange.flags & RequestFlag.ABORTED) is (gone_after < 99)
    assert exchange.keep_alive is (gone_after == 99)


def test_an_error_in_close_does_not_spoil_the_response(caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Closing:
        start_response("200 OK", [("Content-Length", "1")])
        return Closing([b"a"], fails=True)

    with caplog.at_level(logging.ERROR):
        response = Client(app).response()
    assert (response.status, response.content, response.is_complete) == (200, b"a", True)
    assert "ZeroDivisionError" in caplog.text


def test_less_than_announced_closes(caplog: pytest.LogCaptureFixture):
    client = Client(answer_with(b"a", b"b", headers=[("Content-Length", "5")]))
    with caplog.at_level(logging.WARNING):
        exchange = client.call()
    assert "3 bytes less than its Content-Length" in caplog.text
    assert not exchange.keep_alive


def test_a_single_block_shorter_than_announced_closes_too(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        exchange = Client(answer_with(b"a", headers=[("Content-Length", "5")])).call()
    assert "4 bytes less" in caplog.text
    assert not exchange.keep_alive


def test_more_than_announced_is_cut():
    response = Client(answer_with(b"abc", b"def", headers=[("Content-Length", "4")])).response()
    assert response.content == b"abcd"


@pytest.mark.parametrize("offset", [0, 3])
def test_the_file_wrapper_lets_the_kernel_send(offset: int):
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        file.seek(offset)

        def app(environ: Environ, start_response: Any) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](file)

        client = Client(app)
        response = client.response()
        assert response.content == b"0123456789"[offset:]
        assert response.headers["content-length"] == str(10 - offset)
        assert client.file == (offset, 10 - offset)
        assert file.closed, "close of the wrapped file is called"


def test_the_file_wrapper_takes_what_is_no_file():
    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)

    assert Client(app).response().content == b"0123456789"


@pytest.fixture
def flask_client() -> Client:
    app = flask.Flask("routes")

    @app.get("/users/<int:user>/notes")
    def notes(user: int) -> str:
        return str(user)

    @app.get("/stream/<name>")
    def stream(name: str) -> flask.Response:
        return flask.Response(iter([name, "!"]))

    return Client(app)


@pytest.mark.parametrize(
    ("target", "route", "status"),
    [
        (b"/users/17/notes?x", "/users/<int:user>/notes", 200),
        (b"/stream/abc", "/stream/<name>", 200),
        (b"/users/x/notes", "/{path}", 404),
        (b"/wp-admin", "/{path}", 404),
    ],
)
def test_flask_tells_its_rule(flask_client: Client, target: bytes, route: str, status: int):
    exchange = flask_client.call(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (exchange.route, exchange.status) == (route, status)


def test_any_app_may_tell_its_route():
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["servescope.route"] = "/things/:thing"
        start_response("200 OK", [])
        return [b""]

    assert Client(app).call().route == "/things/:thing"


def test_a_path_without_template_is_folded():
    app = answer_with(b"x")
    assert Client(app).call(b"GET /a/12 HTTP/1.1\r\nHost: h\r\n\r\n").route == "/a/{id}"
