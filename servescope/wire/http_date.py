"""HTTP dates (RFC 9110 section 5.6.7)."""

from __future__ import annotations

from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime


def http_date(epoch_s: float) -> str:
    """A moment as IMF-fixdate, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return formatdate(epoch_s, usegmt=True)


def parse_http_date(text: str) -> int | None:
    """Epoch seconds of an HTTP date in any of the three forms; None when it is none."""
    try:
        parsed = parsedate_to_datetime(text)
        if parsed.tzinfo is None:  # an asctime-date names no zone: it is UTC all the same
            parsed = parsed.replace(tzinfo=UTC)
        return int(parsed.timestamp())
    except (ValueError, OverflowError):
        return None
