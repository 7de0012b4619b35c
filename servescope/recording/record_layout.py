"""The 64 bytes of a request record."""

from __future__ import annotations

import struct
import sys
from typing import Final

SLOT: Final = struct.Struct("@QHHBBHHxxIQ6fQ")
"""One record, its sequence last. In native order, because that packs floats a fifth faster, and no
other machine reads it."""

KEYED_SLOT: Final = struct.Struct("@QQHxxIQ6fQ")
"""The same 64 bytes, with what repeats from request to request packed before (`request_key`).
`pack_into` clears the slot and then writes field after field, all under the GIL, so that one call
leaves either a whole record or none."""

CALL_SLOT: Final = struct.Struct("@QQHxxIQf8x3fQ")
"""The same once more, without `read` and `queue`: only a server knows these two stages."""

SEQUENCE: Final = struct.Struct("@Q")
SEQUENCE_OFFSET: Final = SLOT.size - SEQUENCE.size
MAX_U32: Final = 0xFFFFFFFF

OTHER_ROUTE: Final = 0
"""The number of every route beyond those that a ring has numbers for."""

OTHER_ROUTE_NAME: Final = "other"
_REQUEST_KEY: Final = struct.Struct("@HHBBH")
_KEY_BYTES: Final = _REQUEST_KEY.size


def request_key(listener_id: int, route_id: int, method: int, protocol: int, status: int) -> int:
    """The five fields by which requests are counted, as the one number that the recorders take."""
    packed = _REQUEST_KEY.pack(listener_id, route_id, method, protocol, status)
    return int.from_bytes(packed, sys.byteorder)


def route_id_of(key: int) -> int:
    """The number of the route in a request key."""
    _, route_id, *_ = _REQUEST_KEY.unpack(key.to_bytes(_KEY_BYTES, sys.byteorder))
    return int(route_id)
