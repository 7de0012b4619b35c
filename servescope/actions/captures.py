"""Switch the capture of requests on and off."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.errors import CaptureRefusedError, LoadRefusedError
from servescope.records.captures import Capture, CaptureFilter, CaptureState

if TYPE_CHECKING:
    from servescope.control import Control

MOST_REQUESTS: Final = 100
LONGEST_S: Final = 3_600.0
SLOWEST_S: Final = 3_600.0
LONGEST_TEXT: Final = 200
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header field (RFC 9110 section 5.1)."""


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """A capture as a person described it, unread; an empty field matches all."""

    count: object
    seconds: object
    listener: object = ""
    route: object = ""
    header: object = ""  # `name`, or `name: part of the value`
    slower_than_ms: object = ""
    masks_query: object = False


def start(control: Control, request: CaptureRequest) -> Capture:
    """Ask for the next requests that match to be captured.

    Raises CaptureRefusedError when it is out of bounds, or while another capture goes on.
    """
    count = fields.whole_number(request.count)
    if count is None or not 1 <= count <= MOST_REQUESTS:
        raise CaptureRefusedError(
            f"1 to {MOST_REQUESTS} requests can be captured, not {fields.quoted(request.count)}"
        )
    seconds = _number("seconds", "the time limit", request.seconds)
    if not 1 <= seconds <= LONGEST_S:
        raise CaptureRefusedError(
            f"the time limit is 1 to {LONGEST_S:,.0f} s, not {fields.quoted(request.seconds)}"
        )
    slower_ms = 0.0
    if fields.text(request.slower_than_ms):
        slower_ms = _number("milliseconds", "the duration", request.slower_than_ms)
    if not 0 <= slower_ms <= SLOWEST_S * 1_000:
        raise CaptureRefusedError(f"no request takes {fields.quoted(request.slower_than_ms)} ms")
    listener = fields.text(request.listener)
    names = [one.name for one in control.listeners.statuses() if not one.is_temporary]
    if listener and listener not in names:
        raise CaptureRefusedError(f"there is no listener {fields.quoted(listener)} here")
    header, _, part = fields.text(request.header)[:LONGEST_TEXT].partition(":")
    if header and not _TOKEN.fullmatch(header.strip()):
        raise CaptureRefusedError(f"{fields.quoted(header)} is no name of a header field")
    wanted = CaptureFilter(
        listener=listener,
        route=fields.text(request.route)[:LONGEST_TEXT],
        header=header.strip().lower(),
        header_value=part.strip(),
        slower_than_s=slower_ms / 1_000,
    )
    return control.captures.request(
        wanted, count, seconds, time.time(), masks_query=bool(request.masks_query)
    )


def stop(control: Control) -> Capture | None:
    """End the capture that goes on, if one does; it is returned. Raises StoreError."""
    active = control.captures.active()
    if active is not None:
        control.captures.end(active.order.id, CaptureState.STOPPED, time.time())
    return active


def _number(unit: str, name: str, value: object) -> float:
    try:
        number = fields.number_of(unit, name, value)
    except LoadRefusedError as error:
        raise CaptureRefusedError(str(error)) from None
    return number if math.isfinite(number) else 0.0
