"""The reports of a run: progress once a second, the result at the end, both as JSON objects.

Latencies are exact order statistics in milliseconds, the value at rank ceil(q * n), of requests
that were answered or timed out: one that timed out counts with the time until it was given up, a
lower bound, since leaving it out would flatter the server; from `timed_out_from_ms` on a figure is
such a bound. Refused, reset and unparsable ones are failures without a latency. A figure is None
when nothing was measured.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.records.load import LoadOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FAILURES: Final = tuple(outcome for outcome in LoadOutcome if outcome is not LoadOutcome.ANSWERED)
_NS_PER_MS: Final = 1e6


def quantile_ms(durations_ns: NDArray[np.int64], q: float) -> float | None:
    """The value at rank ceil(q * n) in milliseconds; None when there is none."""
    if not durations_ns.size:
        return None
    rank = min(max(math.ceil(q * durations_ns.size - 1e-9), 1), durations_ns.size)
    return float(np.partition(durations_ns, rank - 1)[rank - 1]) / _NS_PER_MS


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Exact figures of a set of latencies, milliseconds."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    mean: float | None = None
    p95: float | None = None

    @classmethod
    def of(cls, durations_ns: NDArray[np.int64]) -> LatencySummary:
        """Summarise durations in nanoseconds, in any order."""
        if not durations_ns.size:
            return cls()
        p50, p90, p95, p99, p99_9 = (
            quantile_ms(durations_ns, q) for q in (0.5, 0.9, 0.95, 0.99, 0.999)
        )
        return cls(
            p50,
            p90,
            p99,
            p99_9,
            float(durations_ns.max()) / _NS_PER_MS,
            float(durations_ns.mean()) / _NS_PER_MS,
            p95,
        )


@dataclass(frozen=True, slots=True)
class LagSummary:
    """How late the generator itself took requests up, milliseconds: its own share of a latency."""

    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run so far. Always sent = answered + all failed + cancelled + in flight."""

    sent: int  # requests that came due and were taken up
    answered: int  # with a whole response of any status
    failed: Mapping[str, int]  # by LoadOutcome, in lower case; every kind is there
    in_flight: int  # not yet ended, those waiting for a connection included
    connections: int
    elapsed_s: float
    answered_per_s: float  # in the last interval, as all that follow
    p99_ms: float | None  # from the intended send time
    naive_p99_ms: float | None  # from the actual send
    lag_max_ms: float | None

    def to_json(self) -> dict[str, Any]:
        """The object the generator prints and the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Progress:
        """Read what `to_json` wrote."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Result:
    """A run at its end. Always sent = answered + all failed + cancelled."""

    sent: int
    answered: int
    failed: Mapping[str, int]
    cancelled: int  # neither answered nor failed when a person stopped the run
    resent: int  # sent again on a fresh connection (see `open_model`); each counts once above
    statuses: Mapping[str, int]  # by status code
    status_classes: Mapping[str, int]  # "2xx", "4xx", ...
    latency_ms: LatencySummary  # from the intended send time
    naive_ms: LatencySummary  # from the actual send; of requests that were sent
    lag_ms: LagSummary
    seconds: float  # from the start to the last end; at least the plan's unless stopped
    rate_asked: float  # flows per second that were due
    schedule_seconds: float  # for how long requests came due: the plan's, or until the stop
    answered_in_schedule: int  # before its end: the wait for timeouts after it adds none
    rate_achieved: float  # of these, per second of the schedule
    timed_out_from_ms: float | None  # shortest latency of those that timed out; see above
    bytes_received: int  # of whole responses
    cpu_seconds: float  # of the generator's process during the run
    stopped: bool
    histogram: Sequence[int] = field(default_factory=list)  # of latency, servescope.histogram

    def to_json(self) -> dict[str, Any]:
        """The object the generator prints and the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Result:
        """Read what `to_json` wrote."""
        return cls(
            **{
                **values,
                "latency_ms": LatencySummary(**values["latency_ms"]),
                "naive_ms": LatencySummary(**values["naive_ms"]),
                "lag_ms": LagSummary(**values["lag_ms"]),
            }
        )
