"""Between two runs, a server answers what it has."""

from __future__ import annotations

import pytest

from servescope.load.draining import await_drained


def test_a_server_is_waited_for_until_its_last_request_is_answered():
    unfinished = iter([2, 1, 0])
    waited = []
    await_drained(lambda: next(unfinished), waited.append)
    assert len(waited) == 2


def test_a_server_of_which_nothing_is_known_is_not_waited_for():
    await_drained(lambda: None, pytest.fail)
