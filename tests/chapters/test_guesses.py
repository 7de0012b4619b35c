"""The kinds of guess: their answers in words, and how far one is off another."""

from __future__ import annotations

import math

import pytest

from servescope.chapters.guesses import ChoiceGuess, CurveGuess, NumberGuess, number_text

NUMBER = NumberGuess("It takes", "ms", 1, 1_000)
CHOICE = ChoiceGuess("The status is", (("200", "200 OK"), ("400", "400 Bad Request")))
CURVE = CurveGuess("It waits", "ms", ("10 %", "90 %"), 500)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.01234, "0.0123 ms"),
        (2.0, "2 ms"),
        (2.5, "2.5 ms"),
        (99.99, "100 ms"),
        (812.4, "812 ms"),
        (60_000, "60,000 ms"),
    ],
)
def test_a_number_has_three_digits_that_count(value, text):
    assert number_text(value, "ms") == text


@pytest.mark.parametrize(
    ("guess", "answer", "text"),
    [
        (NUMBER, 400.0, "400 ms"),
        (CHOICE, "400", "400 Bad Request"),
        (CHOICE, "418", "418"),
        (CURVE, (1.0, 90.0), "1, 90 ms"),
    ],
)
def test_an_answer_in_words(guess, answer, text):
    assert guess.text(answer) == text


@pytest.mark.parametrize(
    ("guess", "measured", "expected", "off"),
    [
        (NUMBER, 110.0, 100.0, 0.1),
        (NUMBER, 90.0, 100.0, 0.1),
        (NUMBER, 0.0, 0.0, 0.0),
        (NUMBER, 1.0, 0.0, math.inf),
        (CHOICE, "200", "200", 0.0),
        (CHOICE, "400", "200", math.inf),
        (CURVE, (10.0, 60.0), (10.0, 50.0), 0.2),
    ],
)
def test_how_far_an_answer_is_off(guess, measured, expected, off):
    assert guess.off(measured, expected) == pytest.approx(off)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "requests", "1 request"),
        (7, "requests", "7 requests"),
        (1, "ms", "1 ms"),
        (1, "s", "1 s"),
    ],
)
def test_one_of_a_kind_has_no_plural(value, unit, text):
    assert number_text(value, unit) == text
