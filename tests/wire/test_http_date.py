from __future__ import annotations

import time

import pytest

from servescope.wire.http_date import http_date, parse_http_date


@pytest.fixture
def far_zone(monkeypatch):
    """A local time that is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_the_example_of_the_rfc():
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.usefixtures("far_zone")
@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_the_three_forms(text: str):
    assert parse_http_date(text) == 784111777


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "0", "," * 50])
def test_what_is_no_date(text: str):
    assert parse_http_date(text) is None
