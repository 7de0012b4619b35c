"""Lines of the access log: what they tell, and that no client writes one of its own."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.recording.secret_names import mask_target
from servescope.records.listeners import AccessLogFormat
from servescope.serving.access_log.lines import LineWriter, escaped, moment
from servescope.wire.http1_events import Refusal, RequestHead

END_NS = 1_763_700_601_500_000_000  # 2025-11-21 04:50:01 UTC
LINE = re.compile(
    r'(\S+) - - \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-)'
    r'(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?\n'
)


def head(target: str = "/", **headers: bytes) -> RequestHead:
    fields = tuple((name.replace("_", "-").encode(), value) for name, value in headers.items())
    return RequestHead("GET", target, 1, fields, True, False, 0)


def line(form=AccessLogFormat.COMBINED, request=None, refusal=None, status=200, size=5):
    return LineWriter(form).line((END_NS, "192.0.2.7", request, refusal, status, size))


@pytest.fixture
def zone(monkeypatch):
    def use(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


def test_the_two_formats(zone):
    zone("UTC")
    request = head("/a?b=c", referer=b"http://h/", user_agent=b"curl/8")
    common = '192.0.2.7 - - [21/Nov/2025:04:50:01 +0000] "GET /a?b=c HTTP/1.1" 200 5'
    assert line(AccessLogFormat.COMMON, request) == common + "\n"
    assert line(AccessLogFormat.COMBINED, request) == common + ' "http://h/" "curl/8"\n'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("UTC", "21/Nov/2025:04:50:01 +0000"),
        ("Asia/Kathmandu", "21/Nov/2025:10:35:01 +0545"),
        ("America/St_Johns", "21/Nov/2025:01:20:01 -0330"),
    ],
)
def test_the_time_is_local_with_its_offset(zone, name, told):
    zone(name)
    assert moment(END_NS // 10**9) == told


@pytest.mark.parametrize(
    ("request_head", "refusal", "status", "size", "told"),
    [
        (None, Refusal(400, "bad"), 400, 9, '"-" 400 9 "-" "-"'),
        (None, Refusal(414, "long", "GET", "/x"), 414, 9, '"GET /x" 414 9 "-" "-"'),
        (head(), None, 204, 0, '"GET / HTTP/1.1" 204 - "-" "-"'),
        (head(), None, 304, -3, '"GET / HTTP/1.1" 304 - "-" "-"'),
        (head(), None, 101, 129, '"GET / HTTP/1.1" 101 - "-" "-"'),
        (head(), None, 0, 0, '"GET / HTTP/1.1" - - "-" "-"'),
    ],
)
def test_what_is_not_there_is_a_dash(request_head, refusal, status, size, told):
    assert line(request=request_head, refusal=refusal, status=status, size=size).endswith(
        told + "\n"
    )


@pytest.mark.parametrize(
    ("request_head", "refusal"),
    [
        (head("/in?user=ann&token=s3cretVa1ue"), None),
        (head("http://ann:s3cretVa1ue@host/"), None),
        (head("/", referer=b"https://host/reset?otp=s3cretVa1ue&next=/"), None),
        (None, Refusal(414, "long", "GET", "/in?password=s3cretVa1ue")),
    ],
    ids=["query", "user information", "Referer", "a request that was refused"],
)
def test_no_secret_is_written(request_head, refusal):
    written = line(request=request_head, refusal=refusal)
    assert "s3cretVa1ue" not in written
    assert written.count("[masked]") == 1


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ('a"b', r"a\"b"),
        ("a\\b", r"a\\b"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x00\x1b[31m\x7f", r"\x00\x1b[31m\x7f"),
        ("caf\xe9", r"caf\xe9"),
    ],
)
def test_what_could_end_a_field_is_escaped(text, safe):
    assert escaped(text) == safe


@given(
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.binary(max_size=60),
    st.binary(max_size=60),
)
def test_no_client_can_forge_a_line_or_a_field(target, referer, agent):
    written = line(request=head(target, referer=referer, user_agent=agent))
    assert written.count("\n") == 1
    assert written.isascii()
    assert all(" " <= character <= "~" for character in written[:-1])
    found = LINE.fullmatch(written)
    assert found, written
    assert found[4] == "200"
    assert found[3] == f"GET {escaped(mask_target(target))} HTTP/1.1"
