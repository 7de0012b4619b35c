"""When the kernel had the bytes: SO_TIMESTAMPNS (socket(7), Documentation/networking/timestamping).

The stamp is wall-clock time; with several segments in one read it is that of the last.
"""

from __future__ import annotations

import struct
from time import time_ns
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

    from servescope.sockets.stream import StreamSocket

SO_TIMESTAMPNS: Final = 35  # include/uapi/asm-generic/socket.h; Python does not name it
_SOL_SOCKET: Final = 1
_timespec: Final = struct.Struct("qq").unpack
_CONTROL_BYTES: Final = 64  # CMSG_SPACE(sizeof(struct timespec)) is 32 on 64-bit Linux
_NS: Final = 1_000_000_000


def stamp_arrivals(sock: socket.socket) -> None:
    """Ask the kernel for the arrival time of what is read from this socket."""
    sock.setsockopt(_SOL_SOCKET, SO_TIMESTAMPNS, 1)


def receive(sock: StreamSocket, size: int) -> tuple[bytes, int]:
    """Read at most `size` bytes; return them and for how many ns the kernel had had them (≥ 0).

    0 ns without a stamp. Raises BlockingIOError when there is nothing, OSError as recvmsg(2).
    """
    data, control, _, _ = sock.recvmsg(size, _CONTROL_BYTES)
    if control:
        seconds, nanoseconds = _timespec(control[0][2])  # nothing but the stamp was asked for
        waited = time_ns() - seconds * _NS - nanoseconds
        # The wall clock may be set back in between.
        return data, waited if waited > 0 else 0  # noqa: FURB136 - max() costs 60 ns here
    return data, 0
