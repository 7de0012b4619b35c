"""The client of an engine, against a server that answers what an engine might."""

import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from servescope.errors import EngineAwayError, EngineRefusedError
from servescope.store.engine.address import read_address
from servescope.store.engine.client import Engine
from tests.ports import free_port


class Answering:
    """Answers each request with the next of `answers`: status, headers, body."""

    def __init__(self):
        self.requests, self.answers = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                status, headers, answer = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.close_connection = "close" in headers.values()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def answering():
    with closing(Answering()) as server:
        yield server


@pytest.fixture
def engine(answering):
    address = read_address(f"prometheus+http://me:word@{answering.address}/team/a")
    with closing(Engine(address)) as client:
        yield client


def test_a_question_goes_below_the_prefix_with_the_password(engine, answering):
    answering.answers = [(200, {}, b'{"status":"success","data":[1]}')]
    assert engine.ask("/api/v1/series", {"match[]": "a"}) == [1]
    ((path, headers, body),) = answering.requests
    assert path == "/team/a/api/v1/series"
    assert headers["Authorization"] == "Basic bWU6d29yZA=="
    assert body == b"match%5B%5D=a"


def test_a_redirect_is_not_followed(engine, answering):
    with closing(Answering()) as other:
        answering.answers = [(307, {"Location": f"http://{other.address}/"}, b"")]
        with pytest.raises(EngineAwayError, match="answered 307"):
            engine.ask("/api/v1/query", {"query": "1"})
        assert other.requests == []
    assert len(answering.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_may_pass_is_no_refusal(engine, answering, status):
    answering.answers = [(status, {}, b"no")]
    with pytest.raises(EngineAwayError, match=f"answered {status}: no"):
        engine.write(b"")


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b"out of order sample"), (413, b""), (422, b"?"), (500, b"too old sample")],
)
def test_what_would_be_refused_again_is_told_apart(engine, answering, status, body):
    answering.answers = [(status, {}, body)]
    with pytest.raises(EngineRefusedError, match=f"answered {status}"):
        engine.write(b"")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"status":"error"}'])
def test_an_answer_that_is_no_api_s_is_told(engine, answering, body):
    answering.answers = [(200, {}, body)]
    with pytest.raises(EngineRefusedError, match="something else"):
        engine.ask("/api/v1/query", {"query": "1"})


def test_a_kept_connection_that_was_closed_meanwhile_is_no_trouble(engine, answering):
    answering.answers = [(200, {}, b'{"data":1}'), (200, {}, b'{"data":2}')]
    assert engine.ask("/q", {}) == 1
    (connection,) = engine._idle
    connection.sock.shutdown(2)
    assert engine.ask("/q", {}) == 2


def test_an_engine_that_is_not_there_fails_at_once_the_second_time():
    with closing(Engine(read_address(f"prometheus+http://127.0.0.1:{free_port()}"))) as engine:
        with pytest.raises(EngineAwayError, match="does not answer"):
            engine.ask("/api/v1/query", {"query": "1"})
        assert "does not answer" in engine.trouble
        with pytest.raises(EngineAwayError, match="does not answer"):
            engine.ask("/api/v1/query", {"query": "1"})


def test_a_host_without_a_name_service_is_away():
    with (
        closing(Engine(read_address("prometheus+http://no-such-host.invalid"))) as engine,
        pytest.raises(EngineAwayError, match="does not answer"),
    ):
        engine.write(b"")
