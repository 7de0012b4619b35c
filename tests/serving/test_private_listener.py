"""A listener outside of all recording, as the dashboard's own is."""

import http.client
from contextlib import closing

import pytest

from servescope.records.listeners import ListenerOptions
from servescope.serving import bind
from servescope.serving.private_listener import start_private_listener


def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode(), body]


@pytest.fixture
def listener():
    served = start_private_listener(
        "private", app, bind("127.0.0.1", 0, 16), ListenerOptions(threads=2, max_body=100)
    )
    yield served
    served.stop(0.5)


def answers(listener, *requests):
    """Status and content of each request, all on one connection."""
    with closing(http.client.HTTPConnection(*listener.address, timeout=10)) as connection:
        for method, target, body in requests:
            connection.request(method, target, body)
            answer = connection.getresponse()
            yield answer.status, answer.read()


def test_requests_are_answered_one_after_the_other_on_a_kept_connection(listener):
    asked = [("GET", "/a", None), ("POST", "/b", b"content"), ("GET", "/c", None)]
    assert list(answers(listener, *asked)) == [(200, b"/a"), (200, b"/bcontent"), (200, b"/c")]


def test_bounds_are_those_of_its_options(listener):
    assert [status for status, _ in answers(listener, ("POST", "/", b"x" * 101))] == [413]


def test_nothing_is_written_where_requests_are_recorded(listener, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [status for status, _ in answers(listener, ("GET", "/", None))] == [200]
    listener.stop(0.5)
    assert list(tmp_path.iterdir()) == []
