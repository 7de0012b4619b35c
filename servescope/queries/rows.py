"""Typed rows: answers of questions as plain data, ready for a figure, a card or a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lines:
    """Named series on one time axis.

    `times` (T,): epoch seconds at the start of each step; `values` (N, T): NaN is a gap;
    `names` (N,): what a legend shows; `unit`: a UCUM code as in the catalog, or `{request}/s`;
    `step`: seconds, of these lines, which may be longer than the span's. `without_mean` (N,): of
    which lines no mean over time is to be had, for each point is a percentile, an extreme or a mean
    of requests, of which some steps have more than others; empty: of none. `requests` (N, T): of
    how many requests each value is, where it is a percentile. `bounds` (N, T): which values are
    lower bounds, for so many requests timed out that the percentile is one of them, or it lies
    beyond the durations that a histogram tells apart; None: none is. `places`: of lines of
    listeners, each named or begun by its listener's name, the places of these among the colours
    (see `records.colour_places`).
    """

    times: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    unit: str
    step: int
    without_mean: tuple[bool, ...] = ()
    requests: NDArray[np.float64] | None = None
    bounds: NDArray[np.bool_] | None = None
    places: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """Counts by duration and time: `counts` (B, T), NaN in gaps.

    `edges` (B + 1,) in seconds; bucket i is (edges[i], edges[i + 1]].
    """

    times: NDArray[np.int64]
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    step: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of durations over a whole span.

    `edges` (B + 1,) in seconds, `counts` (B,); `marks`: quantile name → seconds, e.g. p99, of those
    that so many requests support; `bounds` are the names of those that are lower bounds;
    `longest_s` is the longest duration, infinity where only its bucket is known;
    `timed_out_from_s`: requests in the last bucket timed out after so long, or longer; None: none
    is known to have.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    marks: dict[str, float]
    error_bound: float
    bounds: frozenset[str] = frozenset()
    longest_s: float = math.inf
    timed_out_from_s: float | None = None


@dataclass(frozen=True, slots=True)
class ContainerLimit:
    """A limit that a cgroup sets, in bytes or CPUs, newest reading; `of` is the host's own.

    `used_ratio`: the share of it that was used, mean over the seconds that were asked for.
    """

    value: float
    file: str  # of the cgroup
    cgroup: str
    used_ratio: float | None = None
    of: float | None = None


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route over the span; durations in seconds, NaN for a percentile of too few requests."""

    listener: str
    method: str
    route: str
    requests: int
    error_ratio: float | None  # 4xx and 5xx over all answers; None without one
    p50_s: float
    p95_s: float
    p99_s: float
    mean_s: float


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage over the span; durations in seconds, NaN for a percentile of too few requests.

    Where the recorder of the server does not measure the stage all of them are NaN, the share too.
    """

    stage: str
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    share: float  # of the time in all stages

    @property
    def is_measured(self) -> bool:
        """Whether the stage has durations at all."""
        return not math.isnan(self.mean_s)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One request of the log."""

    id: int
    end_s: float
    listener: str
    method: str
    target: str
    route: str
    status: int
    protocol: str
    client: str
    user_agent: str
    bytes_received: int
    bytes_sent: int
    total_s: float
    stages_s: dict[str, float]
    flags: tuple[str, ...]
    is_to_nobody: bool = False  # its answer reached nobody: the client had gone
    thread: str = ""  # name of the one that sent the last byte
    pid: int = 0  # of the process that recorded it; 0: unknown, as all that follows
    client_port: int = 0
    requests_before: int | None = None  # on the same connection
    trace_id: str = ""
    capture_id: int = 0  # 0: it was not captured
    cipher_suite: int = 0  # of TLS, its number with IANA; 0: there was none, or it is unknown


@dataclass(frozen=True, slots=True)
class UsualDurations:
    """Percentiles in seconds over a span; NaN where too few requests support one."""

    requests: int
    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class RequestSurroundings:
    """The requests around one: of its route in whole, of its listener in whole and by stage.

    Stages are recorded by listener, not by route, and of requests that were read: so is its whole.
    """

    span_s: int
    route: UsualDurations
    share_not_slower: float | None  # of its route's requests; None where there are none
    share_faster: float | None  # by a bucket of the histogram or more
    stages: dict[str, UsualDurations]  # by name
    listener: UsualDurations
    unmeasured: frozenset[str] = frozenset()  # stages that its recorder does not measure


@dataclass(frozen=True, slots=True)
class PortRow:
    """One listening socket of this host."""

    address: str
    port: int
    inode: int  # differs between sockets that share address and port (SO_REUSEPORT)
    process: str
    pid: int | None
    listener: str  # our listener on it, else ""
    accept_queue_depth: int
    backlog: int | None  # None where the kernel does not report it
    service: str  # the one that the port is known for, which need not be the one that answers
    next_free_port: int | None  # at this address, for a listener of this user


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host of the fleet over the last seconds; None: nothing, or too little, was recorded."""

    host: str
    is_home: bool
    newest_s: int  # second of its newest frame
    answers_per_s: float | None = None
    error_ratio: float | None = None  # 5xx over all answers
    p95_s: float | None = None  # of the requests that were read
    cpu_utilization: float | None = None
    memory_utilization: float | None = None


@dataclass(frozen=True, slots=True)
class DashboardStatus:
    """The process that answers, its leader, and how fresh the shown figures are."""

    pid: int
    role: str  # leader, follower
    leader_pid: int | None
    instances: int  # dashboard processes on this data folder
    newest_s: int | None  # second of the newest frame
    lag_s: float | None  # now minus the end of that second
    notices: tuple[str, ...]  # whole sentences for the person: a port taken, a full disk
