"""The hot path of the recorders for apps, in Python; `_call_recorder` is the same, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING

from servescope.recording.record_layout import CALL_SLOT, MAX_U32, SLOT_SHIFT, SURELY_FITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap


@dataclass(slots=True)
class Quiet:
    """Until when no request is wanted in detail but a failed one, or one longer than the slowest.

    At most for a second, whatever the wall clock does.
    """

    until_ns: int = 0  # by time.perf_counter_ns
    until_s: float = 0.0  # the same for who goes by time.perf_counter
    above_ns: float = 0.0


def call_recorder(
    *,
    memory: mmap,
    offset: int,
    capacity: int,
    ready: int,
    numbers: Iterator[int],
    make_ready: Callable[[int], None],
    quiet: Quiet,
) -> Callable[..., int]:
    """Make a recorder for whoever calls an app, and knows nothing but when it did.

    It writes into the `capacity` slots that begin at byte `offset` of `memory`, taking `numbers`,
    and calls `make_ready` with each number that `ready` divides; both are powers of two.

    Its times are floats in seconds, as `time.perf_counter` tells them: they cost less to subtract
    and to pack than whole numbers of nanoseconds do. It takes and writes its slot itself: by way of
    `Slots.outlined_recorder` a request within Flask took half a microsecond more.
    """
    pack_slot = CALL_SLOT.pack_into
    mask, last_ready = capacity - 1, ready - 1

    def record_call(
        outlined: int,
        flags: int,
        bytes_received: int,
        bytes_sent: int,
        kernel_ns: float,
        began_s: float,
        head_s: float,
        write_s: float,
        ended_s: float,
    ) -> int:
        """Record a call that ends now; its end (epoch ns) where details of it may be wanted.

        Else 0. `write_s` is the time that sending took in sum: `body` is the rest after
        `head_s`.
        """
        body_s = ended_s - head_s - write_s
        end_ns = time_ns()
        number = next(numbers)
        if not number & last_ready:
            make_ready(number)
        pack_slot(
            memory,
            offset + ((number & mask) << SLOT_SHIFT),
            end_ns,
            outlined,
            flags,
            bytes_received if bytes_received <= SURELY_FITS else min(bytes_received, MAX_U32),
            bytes_sent,
            kernel_ns,
            (head_s - began_s) * 1e9,
            body_s * 1e9 if body_s > 0.0 else 0.0,
            write_s * 1e9,
            number + 1,
        )
        total_ns = kernel_ns + (ended_s - began_s) * 1e9
        if ended_s > quiet.until_s or total_ns > quiet.above_ns:
            return end_ns
        return 0

    return record_call
