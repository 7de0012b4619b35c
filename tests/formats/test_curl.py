"""A command of curl is read back by a shell as it was meant, to the byte."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.formats.curl import curl, quoted

BASH = shutil.which("bash")
URL = "http://127.0.0.1:5555/a?b=1&c='d'"


def words(command):
    """The words that a shell makes of a command."""
    script = f"printf '%s\\0' {command}"
    told = subprocess.run(
        [BASH, "-c", script], check=True, capture_output=True, env={"LC_ALL": "C"}
    )
    return told.stdout.split(b"\0")[:-1]


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=30).map(lambda word: word.replace(b"\0", b"")), max_size=6))
def test_a_shell_reads_each_word_back(given_words):
    assert words(" ".join(map(quoted, given_words)) or "''") == (given_words or [b""])


@pytest.mark.parametrize(
    ("method", "content", "expected"),
    [
        ("GET", b"", []),
        ("HEAD", b"", [b"--head"]),
        ("POST", b"@a\n'b'", []),
        ("POST", b"", [b"--request", b"POST"]),
        ("PUT", b"x", [b"--request", b"PUT"]),
    ],
)
def test_the_method_and_the_content(method, content, expected):
    found = words(curl(method, URL, [("Content-Type", "text/plain")], content))
    assert found[:3] == [b"curl", b"--include", b"--path-as-is"]
    assert found[3 : 3 + len(expected)] == expected
    assert found[-1] == URL.encode()
    assert (b"--data-raw" in found) == bool(content)
    assert content in found or not content


def test_the_fields_but_for_those_of_the_connection():
    fields = [
        ("Host", "h"),
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("X-Empty", ""),
        ("X-Umlaut", "größe"),
    ]
    found = words(curl("GET", URL, fields))
    kept = [word for before, word in itertools.pairwise(found) if before == b"--header"]
    assert kept == [b"Host: h", b"X-Empty;", "X-Umlaut: größe".encode("latin-1")]


def test_content_of_no_type_stays_without_one():
    assert b"Content-Type:" in words(curl("POST", URL, [], b"x"))


def test_a_unix_socket_is_named():
    found = words(curl("GET", "http://localhost/", [], unix_socket="/run/a b"))
    assert found[found.index(b"--unix-socket") + 1] == b"/run/a b"
