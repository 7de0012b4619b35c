"""The places of listeners and apps among the colours."""

import pytest

from servescope.figures import theme
from servescope.records.colour_places import (
    BUNDLED,
    COLOURS,
    free_place,
    needs_place,
    suggested_place,
)

ALIKE = ("shop", "admin")
"""Two names whose letters suggest one place."""


def places(names):
    """As they are given one after the other."""
    taken = {}
    for name in names:
        taken[name] = free_place(name, taken.values())
    return taken


def test_there_are_as_many_colours_as_places():
    assert len(set(theme.NAMED)) == COLOURS
    assert set(theme.NAMED).isdisjoint(theme.MEANINGS[name] for name in BUNDLED)


def test_the_second_of_two_names_that_suggest_one_place_gets_the_next():
    first, second = ALIKE
    assert suggested_place(first) == suggested_place(second)
    assert places([first]) == {first: suggested_place(first)}
    assert places(ALIKE) == {
        first: suggested_place(first),
        second: (suggested_place(first) + 1) % COLOURS,
    }


def test_all_colours_are_given_before_one_comes_again():
    names = [f"listener-{number}" for number in range(3 * COLOURS)]
    found = list(places(names).values())
    assert sorted(found[:COLOURS]) == list(range(COLOURS))
    assert sorted(found) == list(range(3 * COLOURS))


@pytest.mark.parametrize("name", ["", "files", "compare-prefork", "learn"])
def test_bundled_and_temporary_listeners_take_no_place(name):
    assert not needs_place(name)
    assert needs_place("shop")
