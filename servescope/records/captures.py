"""Captures: which requests a person wants to see whole, and how far that has come."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """The criteria of the requests to capture; one that is empty or zero matches all."""

    listener: str = ""
    route: str = ""  # as the request log shows it
    header: str = ""  # name of a request header field, in lower case
    header_value: str = ""  # a part of its value, in any case
    slower_than_s: float = 0.0  # the whole request


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """The next `count` requests that match are captured, until the epoch second `until_s`."""

    id: int
    count: int
    until_s: float
    filter: CaptureFilter = field(default_factory=CaptureFilter)
    masks_query: bool = False  # every value of a query is a secret

    def to_json(self) -> dict[str, Any]:
        """The order as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The order that JSON tells; raises KeyError or TypeError when it tells none."""
        return cls(**{**told, "filter": CaptureFilter(**told["filter"])})


class CaptureState(StrEnum):
    """Where a capture stands; all but the first are terminal."""

    CAPTURING = "capturing"
    COMPLETE = "complete"  # as many as were asked for
    EXPIRED = "expired"  # its time is over
    STOPPED = "stopped"  # by a person


@dataclass(frozen=True, slots=True)
class Capture:
    """An order, its state, and how many requests it has captured."""

    order: CaptureOrder
    state: CaptureState
    requested_s: float
    captured: int = 0
    ended_s: float | None = None
