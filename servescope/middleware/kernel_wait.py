"""For how long the kernel had had a request when the app was called: TCP_INFO of its socket."""

from __future__ import annotations

import struct
from typing import Any, Final

_LAST_DATA_RECV: Final = struct.Struct("=52xI")
"""tcpi_last_data_recv in struct tcp_info: eight bytes, then the twelfth 32-bit word
(include/uapi/linux/tcp.h); in milliseconds, at the resolution of the kernel's clock tick."""

_SIZE: Final = _LAST_DATA_RECV.size
_IPPROTO_TCP: Final = 6  # include/uapi/linux/in.h; Python's `socket` would take 5 ms to import
_TCP_INFO: Final = 11  # include/uapi/linux/tcp.h
_NS_PER_MS: Final = 1e6


def kernel_wait_ns(sock: Any) -> float:
    """Nanoseconds since the newest bytes arrived; 0 where the socket does not know (no TCP)."""
    try:
        told = sock.getsockopt(_IPPROTO_TCP, _TCP_INFO, _SIZE)
        (milliseconds,) = _LAST_DATA_RECV.unpack(told)
    except (OSError, AttributeError, struct.error):
        return 0.0
    wait_ns: float = milliseconds * _NS_PER_MS
    return wait_ns
