"""One request of a run and its answer, or one message of a WebSocket and the message in return."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servescope.load.flows import ActiveFlow
    from servescope.load.slow_reading import SlowReading
    from servescope.load.steps import CompiledStep


class Exchange:
    """From the moment a request is due until it ends; times are `time.monotonic_ns()`, 0: not yet.

    It may change its connection (see `loop`): then `assigned_ns` is that of the last one.
    """

    __slots__ = (
        "assigned_ns",
        "data",
        "first_byte_ns",
        "first_bytes",
        "flow",
        "handed_ns",
        "intended_ns",
        "later",
        "number",
        "reading",
        "resent",
        "sent_ns",
        "step",
    )

    def __init__(self, flow: ActiveFlow, step: CompiledStep, data: bytes, intended_ns: int) -> None:
        self.flow = flow
        self.step = step
        self.data = data
        self.intended_ns = intended_ns
        self.number = 0  # of the requests of the run, in the order in which they were taken up
        self.assigned_ns = 0  # a connection was to be had: an idle one, or it began to open one
        self.sent_ns = 0  # the first byte was offered to the kernel
        self.handed_ns = 0  # the last byte was handed to it
        self.first_byte_ns = 0  # of the answer, where it came in more than one piece
        self.first_bytes = b""  # the same
        self.later = b""  # what a slow client has not come to send yet
        self.reading: SlowReading | None = None  # of a client that takes its time
        self.resent = False  # it broke an older connection before
