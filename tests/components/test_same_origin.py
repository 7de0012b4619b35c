"""Changes are requested by our own pages: every browser, whatever stands in between."""

from __future__ import annotations

import pytest
from flask import Flask

from components.same_origin import is_same_origin

HERE = "http://127.0.0.1:8050"
PUBLIC = "https://status.example.org"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def judged(headers: dict[str, str], base: str, method: str = "POST", public: str = "") -> bool:
    with Flask("test", static_folder=None).test_request_context(
        "/", method=method, base_url=base, headers=headers
    ):
        return is_same_origin(public)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": HERE}, True, id="our page"),
        pytest.param({"Sec-Fetch-Site": "none"}, True, id="the person"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": HERE}, False, id="a sister host"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, False, id="a foreign page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="one that hides its origin"),
        pytest.param({"Sec-Fetch-Site": "same-origin, none"}, False, id="no value of it"),
        pytest.param({"Sec-Fetch-Site": ""}, False, id="empty"),
        pytest.param(
            {"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC}, True, id="a proxy changed Host"
        ),
        pytest.param({"Origin": HERE}, True, id="Origin is Host"),
        pytest.param({"Origin": "HTTP://127.0.0.1:8050"}, True, id="in capitals"),
        pytest.param({"Origin": "https://127.0.0.1:8050"}, True, id="a proxy undid TLS"),
        pytest.param({"Origin": "http://127.0.0.1:8051"}, False, id="another port"),
        pytest.param({"Origin": "http://evil.example"}, False, id="another host"),
        pytest.param({"Origin": "http://127.0.0.1:8050.evil.example"}, False, id="a longer host"),
        pytest.param({"Origin": "http://evil@127.0.0.1:8050"}, False, id="user info"),
        pytest.param({"Origin": "null"}, False, id="a sandbox"),
        pytest.param({"Origin": "file://"}, False, id="a file"),
        pytest.param({"Origin": "http://[::1"}, False, id="garbage"),
        pytest.param({"Content-Type": JSON}, True, id="a program"),
        pytest.param({}, True, id="a program without a body"),
        pytest.param({"Content-Type": FORM}, False, id="a form of an old browser"),
        pytest.param({"Content-Type": f"{FORM}; charset=utf-8"}, False, id="with a parameter"),
        pytest.param({"Content-Type": "text/plain"}, False, id="a form of plain text"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, False, id="with files"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_changes_something_comes_from_our_own_pages(headers, same, method):
    assert judged(headers, HERE, method) is same


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_whatever_only_looks_may_come_from_anywhere(method):
    assert judged({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, HERE, method)


@pytest.mark.parametrize(
    ("origin", "base", "public", "same"),
    [
        pytest.param(PUBLIC, HERE, PUBLIC, True, id="the public origin"),
        pytest.param(PUBLIC, HERE, "", False, id="nobody named it"),
        pytest.param("http://status.example.org", HERE, PUBLIC, False, id="by plain HTTP"),
        pytest.param("https://status.example.org:8443", HERE, PUBLIC, False, id="another port"),
        pytest.param(HERE, HERE, PUBLIC, True, id="past the proxy"),
        pytest.param(PUBLIC, "https://status.example.org:443", "", True, id="a default port"),
        pytest.param(PUBLIC, "http://status.example.org", "", True, id="Host kept, TLS undone"),
        pytest.param("http://[::1]:8050", "http://[::1]:8050", "", True, id="IPv6"),
    ],
)
def test_where_sec_fetch_site_is_not_sent_origin_is_held_against_host_and_setting(
    origin, base, public, same
):
    assert judged({"Origin": origin}, base, public=public) is same
