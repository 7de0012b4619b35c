"""A counted noun agrees with its number."""

import pytest

from servescope.sentences import capitalized, counted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("request",), "0 requests"),
        (1, ("request",), "1 request"),
        (2_000, ("request",), "2,000 requests"),
        (1, ("worker process", "worker processes"), "1 worker process"),
        (2, ("worker process", "worker processes"), "2 worker processes"),
    ],
)
def test_a_noun_agrees_with_its_number(number, words, text):
    assert counted(number, *words) == text


def test_a_sentence_begins_with_a_capital():
    assert capitalized("the run of 1") == "The run of 1"
