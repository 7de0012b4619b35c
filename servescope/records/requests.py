"""A request as the server recorded it: its codes, its 64-byte record, its details."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from servescope.request_fields import RequestFlag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from servescope.request_fields import Method


CUT_OFF: Final = "cut_off"
CLIENT_GONE: Final = "client_gone"
"""Why a connection was closed before an answer: by a stop of the server, or by the client."""


class Stage(IntEnum):
    """The stages of a request, in order; index into `RequestRecord.stages_ns`.

    kernel: bytes in the kernel → read; read: first byte → head and body complete (so that a slow
    upload does not pass for a queue); queue: complete → a worker takes it; app: called → response
    head ready; body: → no more body; write: first bytes made → last byte handed to the kernel.
    """

    KERNEL = 0
    READ = 1
    QUEUE = 2
    APP = 3
    BODY = 4
    WRITE = 5


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request as the ring keeps it: 64 bytes.

    In a ring of kind `load` the same record tells a request of the generator: `stages_ns[0]` is the
    latency from the *intended* send time, `stages_ns[1]` the naive one from the actual send,
    `stages_ns[2]` the time to connect, the TLS handshake included (0 on a kept connection), and
    `protocol` the LoadOutcome.
    """

    end_ns: int  # time.time_ns() when the last byte was handed to the kernel
    listener_id: int
    route_id: int
    method: Method
    protocol: int
    status: int
    flags: RequestFlag
    bytes_received: int
    bytes_sent: int
    stages_ns: tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class RequestDetail:
    """Texts of a request beside its record, kept for a sampled set of requests."""

    record: RequestRecord
    listener: str
    route: str
    target: str  # origin-form as sent, cut to what the slot holds
    client: str  # address of the peer
    user_agent: str
    thread: str = ""  # name of the one that sent the last byte
    pid: int = 0  # of the process that recorded it; 0: unknown, as all that follows
    client_port: int = 0
    requests_before: int | None = None  # on the same connection
    trace_id: str = ""  # W3C Trace Context, 32 hexadecimal digits
    capture_id: int = 0  # 0: it was not captured
    cipher_suite: int = 0  # of TLS, its number with IANA; 0: there was none, or it is unknown


def reached_nobody(
    flags: NDArray[np.integer], bytes_sent: NDArray[np.integer], statuses: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Which requests had answers that nobody can have got, as far as the server knows.

    All arrays of one shape. A client that leaves in the middle of an answer has had a part of it:
    an event stream ends so. A request that was broken off before an answer began (status 0) had
    none, be it that its client left or that its server stopped.
    """
    left_before = (flags & RequestFlag.CLIENT_GONE) != 0
    stopped = RequestFlag.ABORTED | RequestFlag.TIMED_OUT
    got_nothing = ((flags & stopped) == RequestFlag.ABORTED) & (bytes_sent == 0)
    found: NDArray[np.bool_] = (left_before | got_nothing) & (statuses != 0)
    return found
