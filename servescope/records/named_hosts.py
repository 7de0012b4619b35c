"""A host that the operator named, as plans of load keep it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamedHost:
    """A host that the operator named, and where it was found when load on it was asked for."""

    origin: str  # as https://example.org
    address: str = ""  # numeric
    lookup_seconds: float | None = None  # how long the system took to find it; None: not looked up
