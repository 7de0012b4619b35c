"""Values that are carried from an answer: JSON pointers (RFC 6901) and header fields."""

from __future__ import annotations

import json

import pytest

from servescope.load.carried_values import MissingValueError, carried, resolve
from servescope.records.scenarios import CarriedValue, ValueSource
from servescope.wire.http1_client import MAX_KEPT_CONTENT, Response

OF_THE_RFC = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", None), ("/foo", None), ("/foo/0", "bar"), ("/foo/1", "baz"), ("/foo/2", None),
        ("/foo/01", None), ("/foo/-", None), ("/foo/-1", None), ("/foo/bar", None), ("/", "0"),
        ("/a~1b", "1"), ("/c%d", "2"), ("/e^f", "3"), ("/g|h", "4"), ("/i\\j", "5"), ('/k"l', "6"),
        ("/ ", "7"), ("/m~0n", "8"), ("foo", None), ("/nowhere/at/all", None),
    ],
)  # fmt: skip
def test_pointers_of_the_rfc(pointer: str, value: str | None) -> None:
    assert resolve(OF_THE_RFC, pointer) == value


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("text", "text"),
        (1.5, "1.5"),
        (True, "true"),
        (0, "0"),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_scalars_are_written_as_a_request_writes_them(document: object, value: str | None) -> None:
    assert resolve(document, "") == value


TOKEN = CarriedValue("token", ValueSource.JSON_POINTER, "/user/token")
ETAG = CarriedValue("etag", ValueSource.HEADER, "ETag")


def answer(content: object = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Response(200, True, 1, headers, data)


def test_values_by_name() -> None:
    response = answer({"user": {"token": "abc"}}, ((b"etag", b'"1"'),))
    assert carried((TOKEN, ETAG), response, "GET /") == {"token": "abc", "etag": '"1"'}


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (answer({}), "the answer to login (status 200) has no value at the JSON pointer '/user/to"),
        (answer(b"<html>"), "the answer to login (status 200) is no JSON: b'<html>'"),
        (answer(b"[" * 100_000), "is no JSON"),
        (answer(b"1" * (MAX_KEPT_CONTENT + 1)), "is longer than 1,048,576 bytes"),
        (answer({"user": {"token": "x"}}), "has no header field 'ETag'"),
    ],
)
def test_a_missing_value_is_told_in_a_sentence(response: Response, sentence: str) -> None:
    with pytest.raises(MissingValueError, match="the answer to login") as raised:
        carried((TOKEN, ETAG), response, "login")
    assert sentence in str(raised.value)
