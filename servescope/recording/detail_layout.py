"""The slots of a ring of request details: a record, and what its request log shows beside it.

The size of a slot, which the ring's header names, tells its version: 512 bytes until the origin of
a request was added. A writer of version 2 that knows no cipher suite leaves 0 in its place.

    version 1 (512 bytes) | record | lengths of 5 texts | texts
    version 2 (640 bytes) | record | lengths of 6 texts | origin | texts
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from servescope.recording.record_layout import MAX_U32, SLOT

SLOT_BYTES: Final = 640
FORMER_SLOT_BYTES: Final = 512
CAPACITY: Final = 2**12
TEXT_LENGTHS: Final = struct.Struct("<HHHHHH")  # of the texts, in their order
FORMER_TEXT_LENGTHS: Final = struct.Struct("<HHHHH")
TEXT_LENGTHS_OFFSET: Final = SLOT.size
ORIGIN: Final = struct.Struct("<HHIQ16s")
ORIGIN_OFFSET: Final = TEXT_LENGTHS_OFFSET + TEXT_LENGTHS.size
TEXTS_OFFSET: Final = ORIGIN_OFFSET + ORIGIN.size
FORMER_TEXTS_OFFSET: Final = TEXT_LENGTHS_OFFSET + FORMER_TEXT_LENGTHS.size
TEXT_LIMITS: Final = (32, 96, 200, 46, 126, SLOT_BYTES - TEXTS_OFFSET - 32 - 96 - 200 - 46 - 126)
"""Bytes that a slot has room for of each text."""

UNKNOWN_COUNT: Final = MAX_U32
"""In the place of how many requests came before: a recorder within an app is not told."""

NO_TRACE: Final = bytes(16)
"""W3C Trace Context: a trace-id of zeros is invalid."""


class DetailTexts(NamedTuple):
    """Texts of a request that the request log shows beside its record."""

    listener: str
    route: str
    target: str  # origin-form, as sent, but for the values of secrets in its query
    client: str  # address of the peer
    user_agent: str
    thread: str = ""  # name of the one that sent the last byte


class Origin(NamedTuple):
    """Where a request came from, as far as its recorder knows."""

    client_port: int = 0  # 0: unknown
    cipher_suite: int = 0  # of TLS (see `wire.cipher_suites`); 0: none, or unknown
    requests_before: int = UNKNOWN_COUNT  # on the same connection
    capture_id: int = 0  # 0: it was not captured
    trace_id: bytes = NO_TRACE
