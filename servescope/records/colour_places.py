"""Which colour the lines of a listener or an app have: its place among the colours of figures.

A name has the place that its letters suggest, or the next one that no name before it has. It keeps
that for good, so the lines of no two differ by their names alone, and a new one changes no other.
From place COLOURS on the colours come again, with another pattern of dashes.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final
from zlib import crc32

from servescope.records.temporary_listeners import is_temporary

if TYPE_CHECKING:
    from collections.abc import Container

COLOURS: Final = 10
"""How many colours there are beside those of the bundled listeners."""

BUNDLED: Final = ("files", "wsgi", "asgi")
"""The listeners that have a colour of their own, which no other listener gets."""


def needs_place(name: str) -> bool:
    """Whether a name is that of a listener or an app beside the bundled ones, which stays."""
    return bool(name) and name not in BUNDLED and not is_temporary(name)


def suggested_place(name: str) -> int:
    """The place of a name of which nobody knows which others there are."""
    return crc32(name.encode()) % COLOURS


def free_place(name: str, taken: Container[int]) -> int:
    """The first place from the suggested one on that is not taken, all colours before dashes."""
    first = suggested_place(name)
    return next(
        place
        for start in count(0, COLOURS)
        for shift in range(COLOURS)
        if (place := start + (first + shift) % COLOURS) not in taken
    )
