"""Reading what a person typed: values of form fields, arguments, parameters."""

from __future__ import annotations

import math
from typing import Final

from servescope.errors import LoadRefusedError

_LONGEST_QUOTED: Final = 40


def text(value: object) -> str:
    """The text without blanks around it; of nothing the empty text."""
    return "" if value is None else str(value).strip()


def quoted(value: object) -> str:
    """The value as an error repeats it, cut to a length that fits on a page."""
    return repr(text(value)[:_LONGEST_QUOTED])


def whole_number(value: object) -> int | None:
    """The number, None where the text is no whole number."""
    try:
        return int(text(value))
    except ValueError:
        return None


def number_of(unit: str, name: str, value: object) -> float:
    """The number; `name` is what it is called in a sentence, `unit` may be empty.

    Raises LoadRefusedError.
    """
    of_unit = f" of {unit}" if unit else ""
    if not text(value):
        raise LoadRefusedError(f"fill in a number{of_unit}")
    try:
        number = float(text(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LoadRefusedError(f"{name} is a number{of_unit}, not {quoted(value)}")
    return number
