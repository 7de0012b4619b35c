"""When the kernel had the bytes: SO_TIMESTAMPNS (socket(7), Documentation/networking/timestamping).

The stamp is wall-clock time; with several segments in one read it is that of the last.
"""

from __future__ import annotations

import socket
import struct
from time import time_ns
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.sockets.stream import StreamSocket

SO_TIMESTAMPNS: Final = 35  # include/uapi/asm-generic/socket.h; Python does not name it
_TIMESPEC: Final = struct.Struct("@qq")
_timespec: Final = _TIMESPEC.unpack
CONTROL_BYTES: Final = socket.CMSG_SPACE(_TIMESPEC.size)
"""Space for control data that recvmsg(2) has to be given."""

_NS: Final = 1_000_000_000


def stamp_arrivals(sock: socket.socket) -> None:
    """Ask the kernel for the arrival time of what is read from this socket."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def arrival_ns(control: Sequence[tuple[int, int, bytes]]) -> int:
    """When the kernel got the bytes that recvmsg(2) read with this control data, epoch ns.

    0 without a stamp. Nothing but the stamp may have been asked for.
    """
    if not control:
        return 0
    seconds, nanoseconds = _timespec(control[0][2])
    return int(seconds * _NS + nanoseconds)


def receive(sock: StreamSocket, size: int) -> tuple[bytes, int]:
    """Read at most `size` bytes; return them and for how many ns the kernel had had them (≥ 0).

    0 ns without a stamp. Raises BlockingIOError when there is nothing, OSError as recvmsg(2).
    """
    data, control, _, _ = sock.recvmsg(size, CONTROL_BYTES)
    if not control:
        return data, 0
    # As `arrival_ns`, which costs a request 1 % (benchmarks/serving.py, Python 3.11).
    seconds, nanoseconds = _timespec(control[0][2])
    waited_ns = time_ns() - seconds * _NS - nanoseconds
    # The wall clock may be set back in between.
    return data, waited_ns if waited_ns > 0 else 0  # noqa: FURB136 - max() costs another 1 %
