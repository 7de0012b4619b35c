"""The app with an exact time of service."""

from __future__ import annotations

import time

import pytest

from servescope.demo.one_place import OnePlace


def called(app, query):
    told = []
    body = b"".join(app({"QUERY_STRING": query}, lambda status, _headers: told.append(status)))
    return told[0], body


def test_requests_without_a_pause_between_them_end_exactly_that_far_apart():
    app = OnePlace()
    began = time.monotonic()
    for _ in range(5):
        assert called(app, "ms=10") == ("200 OK", b"10 ms\n")
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("query", ["", "ms=", "ms=x", "ms=2001", "ms=-1", "other=1"])
def test_another_request_is_refused(query):
    assert called(OnePlace(), query)[0] == "400 Bad Request"
