"""The trace that a request belongs to (W3C Trace Context)."""

from __future__ import annotations

import re
from typing import Final

from servescope.recording.detail_layout import NO_TRACE

TRACEPARENT: Final = "traceparent"
_TRACEPARENT: Final = re.compile(
    r"(?:00|(?P<later>(?!00|ff)[0-9a-f]{2}))"
    r"-(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?(later)(?:-.*)?)"
)
"""Section 3.2; a version later than 00 may have more fields behind these four."""


def trace_id_of(traceparent: str) -> bytes:
    """The 16 bytes of the trace-id in a `traceparent` field; zeros where it is not valid."""
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    return bytes.fromhex(found["trace"]) if found else NO_TRACE
