"""Texts that write a whole number, and those that do not."""

import pytest

from servescope.whole_numbers import read_whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("150", 150), ("151", None), ("0007", None), ("9" * 5_000, None),
     ("", None), ("-1", None), ("+1", None), ("1.0", None), (" 1", None), ("1_0", None),
     ("²", None), ("٣", None)],
)  # fmt: skip
def test_up_to_150(text, number):
    assert read_whole_number(text, 150) == number
