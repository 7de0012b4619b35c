"""Variables of the environment. One that is set and empty counts as not set, whichever it is.

docker compose and others hand an unset variable on as an empty one.
"""

from __future__ import annotations

import os

from servescope.errors import SettingsError
from servescope.whole_numbers import read_whole_number


def value_of(name: str) -> str | None:
    """A variable's value; None where it is not set, or empty."""
    return os.environ.get(name) or None


def whole_number(name: str, least: int, most: int) -> int | None:
    """A variable's value as a number. Raises SettingsError, in one line, for anything else."""
    text = value_of(name)
    if text is None:
        return None
    number = read_whole_number(text, most)
    if number is None or number < least:
        raise SettingsError(f"bad setting {name}={text!r}: not a number from {least} to {most:,}")
    return number
