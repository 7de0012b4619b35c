"""A value of a record that stands for no name reads as words; every name reads as it is."""

import pytest

from servescope.queries.request_words import (
    OTHER_METHOD,
    OTHER_ROUTE,
    TURNED_AWAY,
    UNREAD,
    method_words,
    request_words,
    route_of_method_words,
    route_words,
)


def test_a_method_and_a_route_that_are_none_are_words():
    assert [method_words(one) for one in ("GET", "_OTHER", "OTHER")] == [
        "GET",
        OTHER_METHOD,
        OTHER_METHOD,
    ]
    assert [route_words(one) for one in ("/", "/other", "other")] == ["/", "/other", OTHER_ROUTE]


@pytest.mark.parametrize(
    ("method", "route", "words"),
    [
        ("GET", "/a", "GET /a"),
        ("GET", "other", f"GET {OTHER_ROUTE}"),
        ("_OTHER", "/a", "other method, /a"),
        ("_OTHER", "other", UNREAD),
    ],
)
def test_a_row_of_routes(method, route, words):
    assert route_of_method_words(method, route) == words


@pytest.mark.parametrize(
    ("method", "target", "status", "words"),
    [
        ("GET", "/a?b=1", 503, "GET /a?b=1"),
        ("OTHER", "/a", 200, "other method, /a"),
        ("OTHER", "", 503, TURNED_AWAY),
        ("OTHER", "", 400, UNREAD),
        ("OTHER", "", 408, UNREAD),
    ],
)
def test_one_request(method, target, status, words):
    assert request_words(method, target, status) == words
