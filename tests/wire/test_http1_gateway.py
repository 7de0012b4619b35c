"""Heads as a gateway sends them on: which fields pass, and which are its own."""

from __future__ import annotations

import pytest

from servescope.errors import ProtocolError
from servescope.wire.http1_events import EndOfMessage, RequestHead
from servescope.wire.http1_gateway import forwarded_request, forwarded_response_head
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server

CLIENT = "192.0.2.7"


def forwarded(*lines, content=b""):
    parser = Http1Server(Limits())
    parser.receive_data("\r\n".join([*lines, "", ""]).encode() + content)
    head = parser.next_event()
    assert isinstance(head, RequestHead)
    return forwarded_request(head, parser.head_bytes, content, CLIENT, "https").decode()


def test_a_request_passes_with_the_words_of_the_gateway_in_place_of_the_clients():
    assert forwarded(
        "GET /a?b=c HTTP/1.1",
        "Host: example.org",
        "User-Agent: a browser",
        "X-Forwarded-For: 203.0.113.9",
        "x-forwarded-proto: ftp",
        "Forwarded: for=127.0.0.1;proto=https",
        "Accept: */*",
    ) == "\r\n".join(
        [
            "GET /a?b=c HTTP/1.1",
            "Host: example.org",
            "User-Agent: a browser",
            "Accept: */*",
            f"X-Forwarded-For: {CLIENT}",
            "X-Forwarded-Proto: https",
            "Via: 1.1 servescope",
            "Connection: close",
            "",
            "",
        ]
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Connection: keep-alive, X-Mine\r\nX-Mine: 1", id="named-by-connection"),
        pytest.param("Keep-Alive: timeout=5", id="keep-alive"),
        pytest.param("Proxy-Connection: keep-alive", id="proxy-connection"),
        pytest.param("TE: trailers", id="te"),
        pytest.param("Connection: upgrade\r\nUpgrade: websocket", id="upgrade"),
    ],
)
def test_fields_of_one_connection_stay_behind(line):
    passed = forwarded("GET / HTTP/1.1", "Host: a", line, "X-Kept: 1")
    names = [one.partition(":")[0] for one in passed.split("\r\n")[1:] if one]
    assert names == [
        *("Host", "X-Kept", "X-Forwarded-For", "X-Forwarded-Proto", "Via", "Connection")
    ]
    assert passed.endswith("Connection: close\r\n\r\n")


def test_content_that_came_in_chunks_gets_a_length():
    parser = Http1Server(Limits())
    parser.receive_data(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    head, raw = parser.next_event(), parser.head_bytes
    data = parser.next_event().data
    assert isinstance(parser.next_event(), EndOfMessage)
    passed = forwarded_request(head, raw, data, CLIENT, "http").decode()
    assert "Transfer-Encoding" not in passed
    assert passed.endswith("Content-Length: 3\r\nConnection: close\r\n\r\nabc")


def test_a_target_in_absolute_form_names_the_host():
    passed = forwarded("GET http://example.org/a HTTP/1.1", "Host: other.example")
    assert passed.startswith("GET /a HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-For: ")


def test_a_response_keeps_all_but_what_is_of_its_connection():
    raw = (
        b"HTTP/1.0 404 Not Found\r\nServer: a\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    assert forwarded_response_head(raw) == (
        b"HTTP/1.1 404 Not Found\r\nServer: a\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"], ids=["ssh", "switched"]
)
def test_no_final_response_is_a_bad_gateway(raw):
    with pytest.raises(ProtocolError) as refused:
        forwarded_response_head(raw)
    assert refused.value.status == 502
