"""The slots of a ring of request details: a record, and the texts that its request log shows."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from servescope.recording.record_layout import SLOT

SLOT_BYTES: Final = 512
CAPACITY: Final = 2**12
TEXT_LENGTHS: Final = struct.Struct("<HHHHH")  # of the texts, in their order
TEXT_LENGTHS_OFFSET: Final = SLOT.size
TEXTS_OFFSET: Final = TEXT_LENGTHS_OFFSET + TEXT_LENGTHS.size
TEXT_LIMITS: Final = (32, 96, 200, 46, SLOT_BYTES - TEXTS_OFFSET - 32 - 96 - 200 - 46)
"""Bytes that a slot has room for of each text."""


class DetailTexts(NamedTuple):
    """Texts of a request that the request log shows beside its record."""

    listener: str
    route: str
    target: str  # origin-form, as sent
    client: str  # address of the peer
    user_agent: str
