"""The reports of HTTP/1.1's server role: events, and the two ways of having none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Idle(Enum):
    """Why there is no event now."""

    NEED_DATA = auto()  # the buffered bytes hold no further event
    PAUSED = auto()  # a message ended; `start_next_cycle` lets the next one begin


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A complete and valid request head.

    `target` is in origin-form, or `*`; an absolute-form target was split, and its authority
    replaced the Host field (RFC 9112 section 3.2.2). `headers` holds lower-case names and values
    without outer whitespace, in order. `body_length` is None for a chunked body.
    """

    method: str
    target: str
    minor_version: int  # 0 or 1
    headers: tuple[tuple[bytes, bytes], ...]
    keep_alive: bool
    expects_continue: bool
    body_length: int | None
    has_upgrade: bool = False  # whether there is an Upgrade field
    notes: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)
    """Notes of those who answer about this head, each under itself: a head that comes again, from a
    client that repeats itself, is the same object again (`http1_known_heads`)."""

    @property
    def has_body(self) -> bool:
        """Whether body bytes, or at least a last chunk, follow the head."""
        return self.body_length != 0

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header by its lower-case name."""
        for known, value in self.headers:
            if known == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class BodyData:
    """A part of the request's content, without transfer coding; never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """The request is complete; trailer fields as the headers are, validated and not merged."""

    trailers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request cannot be served: answer with `status` and close. The last event.

    `method` and `target` are empty when the request line itself was at fault.
    """

    status: int
    reason: str
    method: str = ""
    target: str = ""


Event = RequestHead | BodyData | EndOfMessage | Refusal
