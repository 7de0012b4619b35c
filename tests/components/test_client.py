"""The client of a request, with and without the word of trusted proxies."""

from __future__ import annotations

import pytest
from flask import Flask

from components import client
from components.client import ForwardedMiddleware, Visitor, is_loopback
from servescope.hosting.forwarding import FORWARDED_KEY
from servescope.wire.forwarded import FORWARDED, ForwardedRequest, TrustedProxies

HERE = "http://127.0.0.1:8050"


def told(proxies: TrustedProxies, peer: str, headers: dict[str, str], **environ: object) -> dict:
    """The client as a view behind the middleware sees it."""
    flask = Flask("test", static_folder=None)
    flask.wsgi_app = ForwardedMiddleware(flask.wsgi_app, proxies)

    @flask.post("/")
    def seen():
        from flask import request

        return {
            "address": client.address(),
            "https": client.is_https(),
            "local": client.is_local(),
            "host": request.host,
            "root": request.root_url,
        }

    answer = flask.test_client().post(
        "/", base_url=HERE, headers=headers, environ_overrides={"REMOTE_ADDR": peer, **environ}
    )
    return answer.json


@pytest.mark.parametrize(
    ("peer", "headers", "address", "https", "host"),
    [
        pytest.param("127.0.0.1", {}, "127.0.0.1", False, "127.0.0.1:8050", id="nothing told"),
        pytest.param(
            "127.0.0.1",
            {
                "X-Forwarded-For": "10.9.9.9, 192.0.2.7",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "status.example.org",
            },
            "192.0.2.7",
            True,
            "status.example.org",
            id="all told",
        ),
        pytest.param(
            "192.0.2.1",
            {
                "X-Forwarded-For": "127.0.0.1",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "evil.example",
            },
            "192.0.2.1",
            False,
            "127.0.0.1:8050",
            id="by somebody else",
        ),
        pytest.param(
            "",
            {"X-Forwarded-For": "[2001:db8::7]:4711"},
            "2001:db8::7",
            False,
            "127.0.0.1:8050",
            id="by a unix socket",
        ),
    ],
)
def test_the_client_behind_trusted_proxies(peer, headers, address, https, host):
    seen = told(TrustedProxies(["127.0.0.1", "unix:"]), peer, headers)
    assert (seen["address"], seen["https"], seen["host"]) == (address, https, host)
    assert seen["root"] == f"http{'s' if https else ''}://{host}/"
    assert not seen["local"]  # a trusted proxy stands in between, or the peer is elsewhere


def test_the_client_by_rfc_7239():
    proxies = TrustedProxies(["127.0.0.1"], [FORWARDED])
    seen = told(proxies, "127.0.0.1", {"Forwarded": "for=192.0.2.7;proto=https;host=example.org"})
    assert (seen["address"], seen["root"]) == ("192.0.2.7", "https://example.org/")


def test_a_server_that_knows_its_proxies_is_left_alone():
    seen = told(
        TrustedProxies(["127.0.0.1"]),
        "127.0.0.1",
        {"X-Forwarded-For": "192.0.2.7"},
        **{FORWARDED_KEY: ForwardedRequest()},
    )
    assert seen["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "https"),
    [
        ({}, False),
        ({"Origin": "https://status.example.org"}, True),
        ({"Origin": "http://status.example.org"}, False),
        ({"X-Forwarded-Proto": "https"}, False),
    ],
)
def test_https_that_a_proxy_does_not_tell_of_is_known_by_origin(headers, https):
    assert told(TrustedProxies([]), "127.0.0.1", headers)["https"] is https


@pytest.mark.parametrize(
    ("peer", "headers", "environ", "local"),
    [
        pytest.param("127.0.0.1", {}, {}, True, id="direct"),
        pytest.param("::1", {"Host": "[::1]:8050"}, {}, True, id="by IPv6"),
        pytest.param("::ffff:127.0.0.1", {"Host": "localhost"}, {}, True, id="mapped"),
        pytest.param("127.0.0.1", {"Origin": HERE, "Referer": f"{HERE}/load"}, {}, True, id="page"),
        pytest.param("192.0.2.7", {}, {}, False, id="from elsewhere"),
        pytest.param("", {}, {}, False, id="a unix socket"),
        pytest.param("127.0.0.1", {"Host": "rebound.example"}, {}, False, id="DNS rebinding"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, {}, False, id="forwarded"),
        pytest.param("127.0.0.1", {"X-Forwarded-Proto": "http"}, {}, False, id="its scheme"),
        pytest.param("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, {}, False, id="RFC 7239"),
        pytest.param("127.0.0.1", {"Via": "1.1 proxy"}, {}, False, id="via"),
        pytest.param("127.0.0.1", {"Origin": "https://a.example"}, {}, False, id="a public page"),
        pytest.param("127.0.0.1", {"Origin": "http://[::1"}, {}, False, id="garbage"),
        pytest.param("127.0.0.1", {"Referer": "https://a.example/"}, {}, False, id="from a page"),
        pytest.param("127.0.0.1", {}, {"SERVER_PROTOCOL": "HTTP/1.0"}, False, id="nginx"),
    ],
)
def test_who_is_at_this_machine(peer, headers, environ, local):
    assert told(TrustedProxies([]), peer, headers, **environ)["local"] is local


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("LOCALHOST", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host, expected):
    assert is_loopback(host) is expected


OUTSIDE = "192.0.2.9"


def visitor_of(peer, headers, proxies="", host=HERE, **settings):
    """The visitor that a view sees behind the middleware."""
    flask = Flask("test", static_folder=None)
    flask.wsgi_app = ForwardedMiddleware(
        flask.wsgi_app, TrustedProxies((proxies,) if proxies else ())
    )
    seen = []

    @flask.get("/")
    def view():
        seen.append(client.visitor(**settings))
        return ""

    flask.test_client().get(
        "/", base_url=host, headers=headers, environ_overrides={"REMOTE_ADDR": peer}
    )
    return seen[0]


ELSEWHERE = "http://box.example.org:8050"
WORD = {"X-Forwarded-For": OUTSIDE, "X-Forwarded-Host": "status.example.org"}


@pytest.mark.parametrize(
    ("given", "visitor"),
    [
        pytest.param(("127.0.0.1", {}), Visitor(is_local=True), id="at this machine"),
        pytest.param(
            (OUTSIDE, {}, "", ELSEWHERE),
            Visitor(is_local=False, host="box.example.org"),
            id="another machine",
        ),
        pytest.param(
            (OUTSIDE, {}, "", "http://[2001:db8::7]:8050"),
            Visitor(is_local=False, host="2001:db8::7"),
            id="another machine by IPv6",
        ),
        pytest.param(
            (OUTSIDE, {}),
            Visitor(is_local=False, host="127.0.0.1"),
            id="the published port of a container",
        ),
        pytest.param(
            ("127.0.0.1", WORD, "127.0.0.1"),
            Visitor(is_local=False, host="status.example.org", is_proxied=True),
            id="a trusted proxy",
        ),
        pytest.param(
            ("127.0.0.1", {"X-Forwarded-For": "::1"}, "127.0.0.1"),
            Visitor(is_local=True, is_proxied=True),
            id="a trusted proxy for a browser at this machine",
        ),
        pytest.param(
            ("127.0.0.1", WORD),
            Visitor(is_local=False, is_proxied=True),
            id="a proxy that nobody trusts and that sets Host",
        ),
        pytest.param(
            ("127.0.0.1", WORD, "", ELSEWHERE),
            Visitor(is_local=False, host="box.example.org", is_proxied=True),
            id="a proxy that nobody trusts and that keeps Host",
        ),
        pytest.param(
            (OUTSIDE, {"Host": "<script>"}),
            Visitor(is_local=False, host=""),
            id="a host that is none",
        ),
    ],
)
def test_the_visitor_behind_a_request(given, visitor):
    assert visitor_of(*given) == visitor


def test_the_public_origin_outranks_what_a_proxy_sets():
    found = visitor_of(
        "127.0.0.1", {}, public_origin="https://status.example.org", is_behind_proxy=True
    )
    assert found == Visitor(is_local=False, host="status.example.org", is_proxied=True)
