"""Where the WSGI recorder says the time went, and what it leaves in the request log."""

import socket
import time
from contextlib import closing

import pytest

from servescope.middleware.kernel_wait import kernel_wait_ns
from tests.middleware.wsgi_apps import answer, environ, ok, start_response, wrapped
from tests.processes import eventually


def time_ms():
    return time.perf_counter() * 1000


def spend(milliseconds):
    until = time_ms() + milliseconds
    while time_ms() < until:
        pass


def test_an_error_below_the_threshold_is_in_the_log_all_the_same(recorded):
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
        spend(5)
    stages = recorded.stages_ms()
    assert stages["write"] >= 10
    assert stages["app"] >= 5  # the head was not out before
    assert stages["body"] == 0


def test_stages_tell_the_apps_time_from_the_servers(recorded):
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


def test_what_the_app_writes_takes_the_servers_time(recorded):
    def slow_start(_status, _headers):
        return lambda _data: spend(20)

    def app(_environ, start):
        write = start("200 OK", [])
        write(b"x")
        write(b"y")
        return []

    wrapped(recorded, app)(environ(), slow_start)
    stages = recorded.stages_ms()
    assert stages["write"] >= 40
    assert stages["app"] < 20
    assert recorded.one()[-1] == 2


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


class NoDescriptor:
    def fileno(self):
        raise OSError("closed")


@pytest.mark.parametrize("shown", [None, object(), NoDescriptor(), "x"])
def test_what_is_no_socket_tells_no_kernel_wait(recorded, shown):
    assert answer(wrapped(recorded, ok(b"x")), environ(**{"gunicorn.socket": shown})) == b"x"
    assert recorded.stages_ms()["kernel"] == 0


def test_a_unix_socket_tells_no_kernel_wait(recorded):
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        answer(wrapped(recorded, ok(b"x")), environ(**{"gunicorn.socket": ours}))
    assert recorded.stages_ms()["kernel"] == 0


def test_no_kernel_wait_without_tcp():
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert kernel_wait_ns(ours) == kernel_wait_ns(object()) == 0


def test_the_log_gets_target_client_and_agent(recorded):
    given = environ("/a b", QUERY_STRING="q=1", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl")
    answer(wrapped(recorded, ok(b"x")), given)
    (detail,) = recorded.details()
    assert (detail.listener, detail.route) == ("shop", "/a%20b")
    assert (detail.client, detail.user_agent) == ("192.0.2.7", "curl")
    assert detail.target == "/a%20b?q=1"
