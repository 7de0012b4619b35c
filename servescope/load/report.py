"""The reports of a run: progress once a second, the result at the end, both as JSON objects.

Latencies are exact order statistics in milliseconds, the value at rank ceil(q * n), of requests
that were answered or timed out: one that timed out counts with the time until it was given up, a
lower bound, since leaving it out would flatter the server. From the due moment all of them took
the timeout: from `timed_out_from_ms` on a figure is such a bound. From the actual send each took
what was left of it: `naive_bounds` names the figures that are bounds. Refused, reset and unparsable
requests are failures without a latency. A figure is None when nothing was measured.

In the open model a latency counts from the moment the schedule had the request due, or the step
before it ended; in the closed model from the moment its user came to send it. The phases of a
request that was answered follow each other without a gap and add up to its latency: `blocked` until
a connection was to be had (the generator's own lateness is in it), `connect` and `tls` on a new
one, `send` until the kernel had the last byte, `wait` until the first byte of the answer,
`receive` until the last.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope import histogram
from servescope.records.load import LoadOutcome
from servescope.scenarios.rules import RuleResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FAILURES: Final = tuple(outcome for outcome in LoadOutcome if outcome is not LoadOutcome.ANSWERED)
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
"""The percentiles of a LatencySummary by field."""

LATENCY_NAMES: Final = {**{field: field.replace("_", ".") for field in QUANTILES}, "max": "max"}
"""Fields of a LatencySummary that are shown side by side, in order, each with the name shown."""

FROM_DUE: Final = "latency_ms"
FROM_SEND: Final = "naive_ms"
"""The clocks of a result: from the moment a request was due, and from its actual send."""

OF_SUCCESS: Final = "success_ms"
OF_ERRORS: Final = "error_ms"
"""Latencies from the due moment of answers below 400, and of all other requests that have one."""

TELLING_ERRORS: Final = 0.01
"""From this share of errors on a p99 may be one of an error, which is often quick."""

MEAN: Final = "mean"
RESOLUTION: Final = 1e-3
"""A figure is exact where requests that timed out move it by less: it reads three digits."""

_NS_PER_MS: Final = 1e6
_MS_PER_S: Final = 1e3


def quantile_ms(durations_ns: NDArray[np.int64], q: float) -> float | None:
    """The value at rank ceil(q * n) in milliseconds; None when there is none."""
    if not durations_ns.size:
        return None
    rank = min(max(math.ceil(q * durations_ns.size - 1e-9), 1), durations_ns.size)
    return float(np.partition(durations_ns, rank - 1)[rank - 1]) / _NS_PER_MS


def of_histogram_ms(counts: NDArray[np.int64], q: float) -> float | None:
    """The same of a histogram, at most `histogram.ERROR_BOUND` off."""
    if not counts.any():
        return None
    return float(histogram.quantiles(counts, [q])[0]) * _MS_PER_S


def classes_of(statuses: Mapping[str, int]) -> dict[str, int]:
    """Answers by class of their status, as "5xx", ascending."""
    classes: dict[str, int] = {}
    for status, number in statuses.items():
        name = f"{int(status) // 100}xx"
        classes[name] = classes.get(name, 0) + number
    return dict(sorted(classes.items()))


class LoadModel(StrEnum):
    """Whether answers decide when the next request is sent."""

    OPEN = "open"  # no: requests come by a schedule
    CLOSED = "closed"  # yes: each of N users waits for its answer


class StepKind(StrEnum):
    """The row of a result: requests, handshakes of WebSockets, or messages in them."""

    REQUEST = "request"
    WEBSOCKET = "websocket"
    MESSAGE = "message"


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
        return cls(
            **{field: quantile_ms(durations_ns, q) for field, q in QUANTILES.items()},
            max=float(durations_ns.max()) / _NS_PER_MS,
            mean=float(durations_ns.mean()) / _NS_PER_MS,
        )


def lower_bounds(durations_ns: NDArray[np.int64], timed_out_ns: NDArray[np.int64]) -> list[str]:
    """The figures of `LatencySummary.of(durations_ns)` that are lower bounds, by field.

    `timed_out_ns` are those of the durations that would have been longer. A percentile is exact
    where the others alone reach its rank there, as `histogram.are_lower_bounds` has it of buckets.
    """
    if not timed_out_ns.size:
        return []
    found = [MEAN]
    for name, q in {**QUANTILES, "max": 1.0}.items():
        rank = max(math.ceil(q * durations_ns.size - 1e-9), 1)
        here_ns = (quantile_ms(durations_ns, q) or 0.0) * _NS_PER_MS * (1 + RESOLUTION)
        if (durations_ns <= here_ns).sum() - (timed_out_ns <= here_ns).sum() < rank:
            found.append(name)
    return found


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency of a result; a lower bound where requests that timed out may have made it one."""

    ms: float
    is_bound: bool = False


def latency_of(result: Mapping[str, Any], name: str, clock: str = FROM_DUE) -> Latency | None:
    """The figure `name` of a result, or of one step of it; None where nothing was measured.

    A percentile from the due moment that is a bound is the shortest time in which a request timed
    out: how much later the generator noticed it is no latency. Results of a version that did not
    name the bounds from the send have a bound wherever a request timed out.
    """
    ms, limit_ms = (result.get(clock) or {}).get(name), result.get("timed_out_from_ms")
    if ms is None:
        return None
    if limit_ms is None:
        return Latency(ms)
    if clock == FROM_SEND:
        known = result.get("naive_bounds")
        return Latency(ms, known is None or name in known)
    if clock == OF_SUCCESS:
        return Latency(ms)
    if name == MEAN:
        return Latency(ms, is_bound=True)
    return Latency(ms) if ms < limit_ms else Latency(limit_ms, is_bound=True)


@dataclass(frozen=True, slots=True)
class LagSummary:
    """How late the generator itself took requests up, milliseconds: its own share of a latency."""

    p99: float | None = None
    max: float | None = None
    p50: float | None = None  # these are None of a result from before they were kept
    p90: float | None = None
    p95: float | None = None
    p99_9: float | None = None

    @classmethod
    def of(cls, lags_ns: NDArray[np.int64]) -> LagSummary:
        """Summarise lags in nanoseconds, in any order."""
        return cls(
            **{field: quantile_ms(lags_ns, q) for field, q in QUANTILES.items()},
            max=quantile_ms(lags_ns, 1.0),
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the requests that were answered."""

    seconds: float  # of all together
    histogram: Sequence[int]  # servescope.histogram


@dataclass(frozen=True, slots=True)
class Stretch:
    """The requests that ended between two whole seconds of the run, from its start."""

    from_s: int
    to_s: int
    requests: int  # that have a latency
    latency_ms: LatencySummary
    ended: int | None = None  # all; None of a run that kept no count
    failed: int | None = None  # of these, without an answer below 400

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Stretch:
        """Read what `dataclasses.asdict` made."""
        return cls(**{**values, "latency_ms": LatencySummary(**values["latency_ms"])})


@dataclass(frozen=True, slots=True)
class Flows:
    """Flows of a run. Always started = completed + failed + cancelled + those in progress."""

    started: int
    completed: int
    failed: int  # a request or message of theirs failed, and ended them
    cancelled: int  # by a stop


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step of the mix so far; percentiles of the whole run, from a histogram."""

    sent: int
    answered: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class StepResult:
    """One row of the mix at the end: requests of a step, or messages of a WebSocket step."""

    name: str
    kind: StepKind
    sent: int
    answered: int
    failed: Mapping[str, int]  # as of Result
    statuses: Mapping[str, int]
    latency_ms: LatencySummary
    naive_ms: LatencySummary
    timed_out_from_ms: float | None
    bytes_received: int
    phases: Mapping[str, Phase]  # by name, in the order of time
    examples: Mapping[str, str]  # by kind of failure, or "status_500": the first, cut
    histogram: Sequence[int]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StepResult:
        """Read what `asdict` made."""
        return cls(
            **{
                **values,
                "kind": StepKind(values["kind"]),
                "latency_ms": LatencySummary(**values["latency_ms"]),
                "naive_ms": LatencySummary(**values["naive_ms"]),
                "phases": _phases(values["phases"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """A run so far. Always sent = answered + all failed + cancelled + in flight."""

    sent: int  # requests that came due and were taken up, whether or not they got a connection
    answered: int  # with a whole response of any status
    failed: Mapping[str, int]  # by LoadOutcome, in lower case; every kind is there
    in_flight: int  # not yet ended, those waiting for a connection included
    connections: int
    elapsed_s: float
    answered_per_s: float  # in the last interval
    p99_ms: float | None  # from the intended send time; of the last `p99_over_s`
    naive_p99_ms: float | None  # from the actual send; of the same seconds
    lag_max_ms: float | None  # in the last interval, as `cpu_ratio`
    model: LoadModel = LoadModel.OPEN
    waiting: int = 0  # of those in flight: for a connection, since all that may be are in use
    cpu_ratio: float | None = None  # of one core, the generator's process
    flows: Flows | None = None
    steps: Mapping[str, StepProgress] = field(default_factory=dict)  # by name
    rules: Sequence[RuleResult] = ()  # of the scenario, in its order
    # Those that follow are None of a progress from before they were told.
    statuses: Mapping[str, int] | None = None  # answers by status code
    status_classes: Mapping[str, int] | None = None  # "2xx", "4xx", ...
    status_classes_per_s: Mapping[str, float] | None = None  # in the last interval; none is 0
    p99_over_s: float | None = None  # None as well as long as too few requests have ended
    awaited_for_ms: float | None = None  # of those in flight the longest, from its due moment
    never_sent: int | None = None  # of those that timed out: they got no connection in time
    awaited_p99_ms: float | None = None  # what these prove the p99 to be at least, see `awaited`

    def to_json(self) -> dict[str, Any]:
        """The object the generator prints and the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Progress:
        """Read what `to_json` wrote."""
        steps = {name: StepProgress(**one) for name, one in values.get("steps", {}).items()}
        flows = values.get("flows") and Flows(**values["flows"])
        model = LoadModel(values.get("model", LoadModel.OPEN))
        rules = tuple(map(RuleResult.from_json, values.get("rules", ())))
        known = {"steps": steps, "flows": flows, "model": model, "rules": rules}
        return cls(**{**values, **known})


@dataclass(frozen=True, slots=True)
class Result:
    """A run at its end. Always sent = answered + all failed + cancelled."""

    sent: int  # requests that came due and were taken up, whether or not they got a connection
    answered: int
    failed: Mapping[str, int]
    cancelled: int  # neither answered nor failed when a person stopped the run
    resent: int  # sent again on a fresh connection (see `loop`); each counts once above
    statuses: Mapping[str, int]  # by status code
    status_classes: Mapping[str, int]  # "2xx", "4xx", ...
    latency_ms: LatencySummary  # from the intended send time
    naive_ms: LatencySummary  # from the actual send; of requests that were sent
    lag_ms: LagSummary
    seconds: float  # from the start to the last end; at least the plan's unless stopped
    rate_asked: float | None  # requests per second that were due; None in the closed model
    schedule_seconds: float  # for how long requests came due: the plan's, or until the stop
    answered_in_schedule: int  # before its end: the wait for timeouts after it adds none
    rate_achieved: float  # of these, per second of the schedule
    timed_out_from_ms: float | None  # shortest latency of those that timed out; see above
    bytes_received: int  # of whole responses
    cpu_seconds: float  # of the generator's process during the run; of the busiest of several
    stopped: bool
    histogram: Sequence[int] = field(default_factory=list)  # of latency, servescope.histogram
    model: LoadModel = LoadModel.OPEN
    users: int | None = None  # of the closed model
    flows: Flows | None = None
    requests_per_flow: float | None = None  # on average, as scheduled; None in the closed model
    steps: Sequence[StepResult] = ()
    phases: Mapping[str, Phase] = field(default_factory=dict)  # of all steps but messages
    connection_limit: int | None = None  # as asked for, or as many as the process may have
    connections_max: int | None = None  # open at once
    blocked: int | None = None  # requests that waited since all connections were in use
    naive_bounds: Sequence[str] | None = None  # of naive_ms; None of an older version: unknown
    naive_p10_ms: float | None = None  # what a fast answer takes, from the actual send
    rules: Sequence[RuleResult] = ()  # of the scenario, in its order
    generator: str = ""  # as `Locust 2.47.0, 2 workers`; nothing: that of Servescope
    stretches: Sequence[Stretch] = ()  # of the schedule; none of a short or closed run
    never_sent: int | None = None  # of those that timed out: they got no connection in time
    success_ms: LatencySummary | None = None  # those of latency_ms with a status below 400
    error_ms: LatencySummary | None = None  # all others; both are None where there are no others
    in_flight_mean: float | None = None  # over `seconds`; not of all generators

    def to_json(self) -> dict[str, Any]:
        """The object the generator prints and the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Result:
        """Read what `to_json` wrote, whatever the leader has added to it.

        Raises KeyError or TypeError for a result of a version that lacked one of the fields.
        """
        return cls(
            **{
                **{one.name: values[one.name] for one in fields(cls) if one.name in values},
                "latency_ms": LatencySummary(**values["latency_ms"]),
                "naive_ms": LatencySummary(**values["naive_ms"]),
                "lag_ms": LagSummary(**values["lag_ms"]),
                **{
                    name: values.get(name) and LatencySummary(**values[name])
                    for name in (OF_SUCCESS, OF_ERRORS)
                },
                "model": LoadModel(values.get("model", LoadModel.OPEN)),
                "flows": values.get("flows") and Flows(**values["flows"]),
                "steps": [StepResult.from_json(step) for step in values.get("steps", ())],
                "phases": _phases(values.get("phases", {})),
                "rules": tuple(map(RuleResult.from_json, values.get("rules", ()))),
                "stretches": tuple(map(Stretch.from_json, values.get("stretches", ()))),
            }
        )


def _phases(values: Mapping[str, Any]) -> dict[str, Phase]:
    return {name: Phase(**phase) for name, phase in values.items()}
