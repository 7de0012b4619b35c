"""Between two runs, a server answers what it has."""

from __future__ import annotations

import pytest

from servescope.load.draining import await_drained


def test_a_server_is_waited_for_until_its_last_request_is_answered():
    unfinished = iter([2, 1, 0])
    waited = []
    assert await_drained(lambda: next(unfinished), waited.append) == 0
    assert len(waited) == 2


def test_requests_that_last_are_not_waited_for():
    assert await_drained(lambda: 2, pytest.fail, lasting=2) == 2


def test_a_server_of_which_nothing_is_known_is_not_waited_for():
    await_drained(lambda: None, pytest.fail)
