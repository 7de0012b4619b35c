"""Precompressed neighbours of a file, chosen by Accept-Encoding (RFC 9110 sections 8.4, 12.5.3).

`style.css.br`, `.zst` and `.gz` beside `style.css` are its coded representations: same address and
type, a size, an entity tag and ranges of their own. A neighbour older than its file is stale and
passed over, so a file that was edited and not yet compressed again is served as it is.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUFFIXES: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content coding → what its file's name ends with; the order is ours where the client has none."""

IDENTITY: Final = ""
"""The file itself, without a coding."""

_CODED_NAMES: Final = tuple(SUFFIXES.values())
_ELEMENT = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_ALIASES: Final = {"x-gzip": "gzip"}  # section 8.4.1.3
_MOST_ELEMENTS: Final = 32


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A coded representation beside a file."""

    coding: str
    path: str


def neighbours(path: str, mtime_ns: int) -> tuple[Neighbour, ...]:
    """The coded files beside the file at `path`, none older than `mtime_ns`, in our order."""
    if path.endswith(_CODED_NAMES):  # a coded file is what it is, and three system calls saved
        return ()
    found = []
    for coding, suffix in SUFFIXES.items():
        try:
            status = os.stat(path + suffix)  # noqa: PTH116 - Path doubles the cost
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= mtime_ns:
            found.append(Neighbour(coding, path + suffix))
    return tuple(found)


def preferred(fields: Iterable[str], available: Sequence[str]) -> list[str]:
    """The codings to try, the best first, ending with IDENTITY, which always can be served.

    `fields` are the values of Accept-Encoding. Equal weights: in the order of `available`, a coding
    before none. A client that forbids `identity` and takes nothing we have gets it all the same:
    section 12.5.3 leaves that to us, and a 406 helps nobody.
    """
    weights = _weights(fields)
    if weights is None:
        return [IDENTITY]
    anything = weights.get("*", 0.0)
    plain = weights.get("identity")
    if plain is None:
        # Not listed: acceptable unless `*` says otherwise, and worth less than what is listed.
        plain = 0.0
    acceptable = [
        (weight, coding)
        for coding in available
        if (weight := weights.get(coding, anything)) and weight >= plain
    ]
    ranked = sorted(acceptable, key=lambda pair: -pair[0])  # stable: our order within a weight
    return [*(coding for _, coding in ranked), IDENTITY]


def _weights(fields: Iterable[str]) -> dict[str, float] | None:
    """Weight of each coding named; None when the client sends no field or one that is none."""
    elements = [part.strip(" \t") for field in fields for part in field.split(",")]
    elements = [element for element in elements if element]
    if not 0 < len(elements) <= _MOST_ELEMENTS:
        return None
    weights: dict[str, float] = {}
    for element in elements:
        match = _ELEMENT.fullmatch(element)
        if match is None:
            return None
        name = match[1].lower()
        weights[_ALIASES.get(name, name)] = 1.0 if match[2] is None else float(match[2])
    return weights
