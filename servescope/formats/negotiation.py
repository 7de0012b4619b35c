"""Proactive content negotiation by Accept (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUOTED_COMMA: Final = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
_WEIGHT: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")  # RFC 9110 section 12.4.2


class _Range(NamedTuple):
    """A media range with its weight."""

    kind: str
    subtype: str
    parameters: dict[str, str]
    weight: float

    def fit(self, media_type: str) -> int | None:
        """How closely the range names the type, None when it does not.

        Of parameters only `version` decides: both sides may leave it, and others, out.
        """
        kind, subtype, parameters = _media_type(media_type)
        wanted = self.parameters.get("version")
        if wanted is not None and parameters.get("version") not in {None, wanted}:
            return None
        if (self.kind, self.subtype) == (kind, subtype):
            return 3 if wanted is not None else 2
        if (self.kind, self.subtype) == (kind, "*"):
            return 1
        return 0 if (self.kind, self.subtype) == ("*", "*") else None


def choose(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offered media type the client prefers; the earlier offer where it does not care.

    Of the ranges that match an offer the most specific gives its weight. None when the client
    accepts none of them; a header that is missing or cannot be read accepts all.
    """
    ranges = [one for one in map(_range, _QUOTED_COMMA.split(accept or "")) if one is not None]
    if not ranges:
        return offers[0]
    best: tuple[float, int] | None = None
    chosen = None
    for offer in offers:
        fits = [(fit, one.weight) for one in ranges if (fit := one.fit(offer)) is not None]
        if not fits:
            continue
        fit, weight = max(fits)
        if weight and (best is None or (weight, fit) > best):
            best, chosen = (weight, fit), offer
    return chosen


def _range(text: str) -> _Range | None:
    kind, subtype, parameters = _media_type(text)
    if not (kind and subtype):
        return None
    weight = parameters.pop("q", "1")
    return _Range(kind, subtype, parameters, float(weight) if _WEIGHT.fullmatch(weight) else 0.0)


def _media_type(text: str) -> tuple[str, str, dict[str, str]]:
    name, *rest = text.split(";")
    kind, _, subtype = name.strip().lower().partition("/")
    parameters = {}
    for part in rest:
        key, _, value = part.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"').lower()
    return kind, subtype, parameters
