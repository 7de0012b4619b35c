from __future__ import annotations

import gzip
import io
import tempfile
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import flask
import pytest

from servescope.hosting.request_body import MEMORY_LIMIT
from tests.hosting.wsgi_client import Client, Environ, Response, answer_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_the_environ_holds_what_pep_3333_asks_for():
    seen: Environ = {}

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        seen.update(environ)
        assert environ["wsgi.input"].read(3) == b"a=b"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    body = (
        b"POST /p%20%C3%A9/x?q=%20&r=100% HTTP/1.1\r\nHost: h:80\r\nContent-Type: t/x\r\nX-A: 1\r\n"
    )
    body += b"X-A: 2\r\nX_A: spoofed\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 3\r\n\r\na=b"
    assert Client(validator(app)).response(body).content == b"ok"
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/p \u00c3\u00a9/x",
        "QUERY_STRING": "q=%20&r=100%",
        "RAW_URI": "/p%20%C3%A9/x?q=%20&r=100%",
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


@pytest.mark.parametrize("blocks", [(), (b"",), (b"", b"")])
def test_a_head_that_is_given_nothing_announces_no_length(blocks: tuple[bytes, ...]):
    client = Client(answer_with(*blocks))
    client.call(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    data = b"".join(client.sends).lower()
    assert b"content-length" not in data, "a GET may be given something (RFC 9110 section 8.6)"
    assert b"transfer-encoding" not in data
    assert b"connection: close" not in data


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


class Shouting(io.FileIO):
    """A file that reads otherwise than its descriptor."""

    def read(self, size: int = -1, /) -> bytes:
        return super().read(size).upper()


@pytest.mark.parametrize(
    ("opened", "content"),
    [
        (gzip.open, b"0123456789abc"),
        (lambda path: io.BufferedReader(gzip.GzipFile(path)), b"0123456789abc"),
        (Shouting, None),
    ],
    ids=["gzip.open", "a buffer over a GzipFile", "a subclass with a read of its own"],
)
def test_a_file_that_reads_otherwise_than_its_descriptor_is_read(tmp_path, opened, content):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"0123456789abc"))

    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](opened(path))

    client = Client(app)
    assert client.response().content == (content or path.read_bytes().upper())
    assert client.file is None


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
