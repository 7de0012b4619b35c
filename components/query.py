"""The query of a page's address, as a layout gets it."""

from __future__ import annotations

from typing import Final

LONGEST_VALUE: Final = 200


def first(value: object) -> str:
    """The value of a parameter; the first where it is given several times, a list then.

    Longer ones are cut: names of listeners, which these are, have 40 characters at most.
    """
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value)[:LONGEST_VALUE] if isinstance(value, str) else ""
