"""A hosted app sees the client that trusted proxies tell of, and no other."""

from __future__ import annotations

from typing import Any
from wsgiref.util import request_uri

import pytest

from servescope.request_fields import RequestFlag
from servescope.wire.forwarded import FORWARDED, TrustedProxies
from tests.hosting.asgi.asgi_client import UPGRADE, Hand
from tests.hosting.wsgi_client import Client, answer_with

PEER = "192.0.2.7"  # of both clients
TOLD = (
    b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.9:4000\r\n"
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: status.example.org\r\n"
)
GET = b"GET /a?b=c HTTP/1.1\r\nHost: inner:8000\r\n" + TOLD + b"\r\n"


def environ_of(proxies: TrustedProxies | None, data: bytes = GET) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def app(environ, start_response):
        seen.update(environ)
        return answer_with(b"")(environ, start_response)

    client = Client(app)
    client.site.proxies = proxies
    client.call(data)
    return seen


def scope_of(proxies: TrustedProxies | None, data: bytes, *, accept: bool = False) -> Any:
    async def app(_scope, _receive, _send):
        pass

    hand = Hand(app, data, accept=accept, proxies=proxies)
    hand.running.close()
    return hand.call.scope


def test_a_wsgi_app_sees_what_a_trusted_proxy_tells():
    environ = environ_of(TrustedProxies([PEER]))
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("203.0.113.9", "4000")
    assert request_uri(environ) == "https://status.example.org/a?b=c"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("status.example.org", "443")
    assert environ["HTTPS"] == "on"
    assert environ["HTTP_X_FORWARDED_FOR"] == "198.51.100.1,203.0.113.9:4000"  # all as it came


@pytest.mark.parametrize("proxies", [None, TrustedProxies(["203.0.113.0/24"])])
def test_a_wsgi_app_sees_the_peer_when_nobody_trusts_it(proxies):
    environ = environ_of(proxies)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (PEER, "4321")
    assert request_uri(environ) == "http://inner:8000/a?b=c"
    assert "HTTPS" not in environ
    assert environ["HTTP_X_FORWARDED_HOST"] == "status.example.org"


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        (b"example.org:8443", "example.org", "8443"),
        (b"[2001:db8::7]", "[2001:db8::7]", "443"),
        (b"[2001:db8::7]:8443", "[2001:db8::7]", "8443"),
    ],
)
def test_the_servers_name_is_that_of_the_host(host, name, port):
    data = GET.replace(b"status.example.org", host)
    environ = environ_of(TrustedProxies([PEER]), data)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


def test_a_proxy_that_tells_no_host_leaves_it():
    environ = environ_of(TrustedProxies([PEER], ["x-forwarded-proto"]))
    assert request_uri(environ) == "https://inner:8000/a?b=c"
    assert environ["REMOTE_ADDR"] == PEER


def test_a_proxy_may_tell_of_plain_http_before_a_listener_with_tls():
    client = Client(answer_with(b""))
    client.site.scheme = "https"
    client.site.proxies = TrustedProxies([PEER])
    seen: dict[str, Any] = {}
    client.site.application._app = lambda environ, start: (
        seen.update(environ) or answer_with(b"")(environ, start)
    )
    client.call(GET.replace(b"Proto: https", b"Proto: http"))
    assert seen["wsgi.url_scheme"] == "http"
    assert "HTTPS" not in seen


def test_an_asgi_app_sees_what_a_trusted_proxy_tells():
    scope = scope_of(TrustedProxies([PEER]), GET)
    assert (scope["client"], scope["scheme"]) == (("203.0.113.9", 4000), "https")
    assert [value for name, value in scope["headers"] if name == b"host"] == [b"status.example.org"]
    assert scope["server"] == ("127.0.0.1", 8001)  # where it listens (ASGI specification)
    plain = scope_of(None, GET)
    assert (plain["client"], plain["scheme"]) == ((PEER, 4321), "http")
    assert (b"host", b"inner:8000") in plain["headers"]


def test_a_websocket_behind_tls_of_a_proxy_is_wss():
    data = UPGRADE.replace(b"Host: h\r\n", b"Host: h\r\n" + TOLD)
    assert scope_of(TrustedProxies([PEER]), data, accept=True)["scheme"] == "wss"
    assert scope_of(None, data, accept=True)["scheme"] == "ws"


def test_rfc_7239_is_read_where_the_proxies_write_it():
    data = b"GET / HTTP/1.1\r\nHost: h\r\nForwarded: for=203.0.113.9;proto=https\r\n\r\n"
    environ = environ_of(TrustedProxies([PEER], [FORWARDED]), data)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("203.0.113.9", "https")


def test_a_head_that_comes_again_is_judged_by_its_peer():
    client = Client(answer_with(b""))
    client.site.proxies = TrustedProxies([PEER])
    first, again = client.call(GET), client.call(GET)
    assert again.head is first.head
    assert first.client == again.client == ("203.0.113.9", 4000)
    client.site.proxies = TrustedProxies(["10.0.0.1"])
    assert client.call(GET).client == (PEER, 4321)


def test_the_client_behind_the_proxy_is_denied_and_not_the_proxy():
    client = Client(answer_with(b""))
    client.site.proxies = TrustedProxies([PEER])
    client.site.denies = {"203.0.113.9"}.__contains__
    assert client.response(GET).status == 403
    client.site.denies = {PEER}.__contains__
    client.sends.clear()
    assert client.response(GET).status == 200


def test_what_was_no_request_is_the_proxys():
    client = Client(answer_with(b""))
    client.site.proxies = TrustedProxies([PEER])
    exchange = client.call(b"GET / HTTP/1.1\r\n" + TOLD + b"\r\n")  # without Host
    assert (exchange.client, exchange.status) == ((PEER, 4321), 400)
    assert RequestFlag.NEW_CONNECTION in exchange.flags
