"""Whole numbers in texts from outside: parts of addresses, fields, variables of the environment."""

from __future__ import annotations

from typing import Final

HIGHEST_ID: Final = 10**18 - 1
"""Of the row of a table: those of SQLite end at 2**63 - 1, which has one digit more."""


def read_whole_number(text: str, most: int) -> int | None:
    """The number from 0 to `most` that a text writes in ASCII digits; None for any other text.

    int() alone takes digits of every script, and raises for more than 4,300 of them.
    """
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
