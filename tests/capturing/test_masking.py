"""No secret of a captured request is in what is written, wherever it stood."""

from __future__ import annotations

import base64
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.capturing.masking import (
    Chunked,
    Secrets,
    content_spans,
    field_spans,
    head_spans,
    mask,
)
from servescope.recording.secret_names import MASK

SECRET = b"s3cretVa1ue"
M = MASK.encode()
FORM = "application/x-www-form-urlencoded"
MULTIPART = 'multipart/form-data; boundary="xx"'
JSON = "application/json"


def masked_field(name, value, *, every=False):
    return mask(value, field_spans(name, value, every_query_value=every))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (b"Authorization", b"Bearer abc.def", b"Bearer " + M),
        (b"authorization", b"Basic bWU6c2VjcmV0", b"Basic " + M),
        (b"Proxy-Authorization", b"secretwithoutscheme", M),
        (b"Cookie", b"a=one; b=two", b"a=%b; b=%b" % (M, M)),
        (b"cookie", b"novalue; =c", b"%b;%b" % (M, b" =" + M)),
        (b"Set-Cookie", b"sid=abc; Path=/; HttpOnly", b"sid=%b; Path=/; HttpOnly" % M),
        (b"X-Api-Key", b"abc", M),
        (b"X-CSRF-Token", b"abc", M),
        (b"Referer", b"http://h/a?q=1&token=abc#x", b"http://h/a?q=1&token=" + M),
        (b"Location", b"https://me:abc@h/", b"https://%b@h/" % M),
        (b"X-Debug", b"password=abc, user=me", b"password=%b, user=me" % M),
        (b"Sec-WebSocket-Protocol", b"v1, eyJhbGci.eyJzdWIi.c2ln", b"v1, " + M),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZQ==", b"dGhlIHNhbXBsZQ=="),
        (b"Host", b"localhost:8000", b"localhost:8000"),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux)", b"Mozilla/5.0 (X11; Linux)"),
        (b"Accept", b"text/html;q=0.9,*/*;q=0.8", b"text/html;q=0.9,*/*;q=0.8"),
    ],
)
def test_the_secrets_of_a_field(name, value, shown):
    assert masked_field(name, value) == shown


def test_every_value_of_a_query_where_that_is_asked_for():
    shown = masked_field(b"referer", b"http://h/?a=1&b=2", every=True)
    assert shown == b"http://h/?a=%b&b=%b" % (M, M)


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (
            b"GET /?token=abc HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /?token=%b HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=%b\r\n\r\n",
        ),
        (b"GET / HTTP/1.1\nCookie: a=b\n\n", b"GET / HTTP/1.1\nCookie: a=%b\n\n"),
        (b"GET / HTTP/1.1\r\nA: b\r\n secret\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\n%b\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nAuthorization Basic abc\r\n", b"GET / HTTP/1.1\r\n%b\r\n"),
        (b"\x16\x03\x01\x02\x00secret", b"%b"),
        (b"password=abc", b"%b"),
    ],
    ids=["target", "response", "bare LF", "folded line", "no colon", "TLS", "no head"],
)
def test_the_secrets_of_a_head(head, shown):
    assert mask(head, head_spans(head, Secrets(), every_query_value=False)) == shown % M


@pytest.mark.parametrize(
    ("content_type", "content", "shown"),
    [
        (FORM, b"a=1&password=abc&b=2", b"a=1&password=%b&b=2"),
        (FORM, b"a=1&pass%77ord=a;b", b"a=1&pass%77ord=%b"),
        (FORM, b"password=abc&secr", b"password=%b&secr"),
        (JSON, b'{"a": 1, "password": "abc"}', b'{"a": 1, "password": "%b"}'),
        (JSON, b'{"pass\\u0077ord": "abc"}', b'{"pass\\u0077ord": "%b"}'),
        (JSON, b'{"token": 12345, "a": 1}', b'{"token": %b, "a": 1}'),
        (JSON, b'{"tokens": ["a", {"b": 1}], "c": 2}', b'{"tokens": %b, "c": 2}'),
        (JSON, b'[{"secret": {"a": "}"}}]', b'[{"secret": %b}]'),
        (JSON, b'{"password": "ab\\"cd"}', b'{"password": %b}'),
        (JSON, b'{"password": "abc', b'{"password": %b'),
        (JSON, b'{"password": "abc\\', b'{"password": %b'),
        ("application/problem+json", b'{"token":"abc"}', b'{"token":"%b"}'),
        ("text/plain; charset=utf-8", b"password: abc\nuser: me", b"password: %b\nuser: me"),
        ("text/plain", b"Authorization: Bearer abcdefgh", b"Authorization: %b %b"),
        (
            "text/html",
            b'<input name="password" value="abc">',
            b'<input name="password" value="%b">',
        ),
        ("text/html", b"<meta name=csrf-token content=abc>", b"<meta name=csrf-token content=%b>"),
        (
            MULTIPART,
            b'--xx\r\nContent-Disposition: form-data; name="password"\r\n\r\nabc\r\n--xx--\r\n',
            b'--xx\r\nContent-Disposition: form-data; name="password"\r\n\r\n%b\r\n--xx--\r\n',
        ),
        (
            MULTIPART,
            b'--xx\r\nContent-Disposition: form-data; name=f; filename="a"\r\n\r\nabc\r\n--xx--',
            b'--xx\r\nContent-Disposition: form-data; name=f; filename="a"\r\n\r\n%b\r\n--xx--',
        ),
        (
            MULTIPART,
            b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nshown\r\n--xx--\r\nrest',
            b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nshown\r\n--xx--\r\n%b',
        ),
        (MULTIPART, b"--xx\r\nContent-Disposition: form-da", b"--xx\r\n%b"),
        (MULTIPART, b"no boundary in it", b"%b"),
    ],
)
def test_the_secrets_of_content(content_type, content, shown):
    spans = content_spans(content, content_type)
    assert spans is not None
    assert mask(content, spans) == shown.replace(b"%b", M)


@pytest.mark.parametrize(
    ("content_type", "coding"),
    [
        ("", ""),
        ("image/png", ""),
        ("application/octet-stream", ""),
        ("multipart/form-data", ""),
        ("text/plain; charset=utf-16", ""),
        ("application/json", "gzip"),
    ],
)
def test_content_in_which_no_secret_can_be_told_is_not_kept(content_type, coding):
    assert content_spans(b"{}", content_type, coding) is None
    assert content_spans(b"{\0}\0", "text/plain") is None


@pytest.mark.parametrize(
    "written",
    [
        b"s3cret Va1ue",
        b"s3cret%20Va1ue",
        b"s3cret+Va1ue",
        b"&lt;" + b"x",
    ],
)
def test_a_secret_that_was_found_is_masked_however_it_is_written(written):
    secrets = Secrets()
    secrets.add(b"<x" if written.startswith(b"&") else b"s3cret Va1ue", shortest=2)
    assert written not in secrets.masked(b"before " + written + b" after")


def test_the_password_of_basic_credentials_is_a_secret_on_its_own():
    secrets = Secrets()
    secrets.add(base64.b64encode(b"me:s3cret"))
    assert secrets.masked_text("hello me, s3cret!") == f"hello me, {MASK}!"


def test_a_secret_in_latin_1_is_found_in_an_environ():
    secrets = Secrets()
    secrets.add("größe-geheim".encode())
    assert MASK in secrets.masked_text("größe-geheim".encode().decode("latin-1"))
    assert MASK in secrets.masked_text("größe-geheim")


def chunked(content, cuts):
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(content)}), len(content)]
    parts = [content[begin:end] for begin, end in itertools.pairwise(edges)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


WORD = st.text("abcxyz019", min_size=1, max_size=6)
NAMES = st.sampled_from(["password", "accessToken", "user[pwd]", "client-secret"])


@st.composite
def bodies(draw):
    """A body of some type, with the secret in it."""
    name, others = draw(NAMES), draw(st.dictionaries(WORD, WORD, max_size=4))
    value = SECRET.decode()
    kind = draw(st.sampled_from(["form", "json", "nested", "multipart", "text"]))
    items = draw(st.permutations([*others.items(), (name, value)]))
    if kind == "form":
        return FORM, "&".join(f"{key}={one}" for key, one in items).encode()
    if kind == "json":
        return JSON, json.dumps(dict(items), indent=draw(st.sampled_from([None, 2]))).encode()
    if kind == "nested":
        return JSON, json.dumps([{"a": {name: [{"b": value}]}}, others]).encode()
    if kind == "text":
        return "text/plain", "\n".join(f"{key}: {one}" for key, one in items).encode()
    parts = "".join(
        f'--xx\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{one}\r\n'
        for key, one in items
    )
    return MULTIPART, f"{parts}--xx--\r\n".encode()


def leaks(shown):
    """Whether a part of the secret that tells something is left."""
    return any(SECRET[at : at + 5] in shown for at in range(len(SECRET) - 4))


@given(bodies(), st.integers(0, 400))
def test_a_secret_anywhere_in_a_body_is_masked_also_where_the_body_is_cut_off(body, end):
    content_type, content = body
    for seen in (content, content[:end]):
        spans = content_spans(seen, content_type)
        assert spans is not None
        assert not leaks(mask(seen, spans))


@given(bodies(), st.lists(st.integers(0, 300), max_size=6), st.integers(0, 600))
def test_a_secret_across_chunks_is_masked_and_the_chunks_stay(body, cuts, end):
    content_type, content = body
    raw = chunked(content, cuts)
    assert Chunked(raw).content == content
    for seen in (raw, raw[:end]):
        found = Chunked(seen)
        spans = content_spans(found.content, content_type) or []
        shown = mask(seen, [*found.raw_spans(spans), *found.extensions])
        assert not leaks(re.sub(rb"\r\n[0-9a-f]+\r\n", b"", shown))


@given(st.binary(max_size=200), st.sampled_from([FORM, JSON, MULTIPART, "text/html", "text/plain"]))
def test_no_content_is_too_odd_to_be_looked_at(content, content_type):
    spans = content_spans(content, content_type)
    if spans is not None:
        assert all(0 <= begin <= end <= len(content) for begin, end in spans)
    Chunked(content)
    head_spans(content, Secrets(), every_query_value=True)
