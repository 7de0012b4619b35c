"""Load runs: what is asked for, how it stands, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final


class LoadOutcome(IntEnum):
    """How one request of a load run ended; stored in a load record's `protocol` field."""

    ANSWERED = 0
    REFUSED = 1  # connection refused
    RESET = 2  # the connection broke after the request was sent
    TIMED_OUT = 3  # no whole response before the plan's timeout
    PROTOCOL = 4  # the response was no HTTP
    HANDSHAKE = 5  # connected, but the TLS handshake failed


TIMEOUT_S: Final = 10.0
"""Seconds after which a request without a whole answer counts as timed out, unless a plan says."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run as asked for: an open model at a constant rate.

    Raises nothing: `servescope.load.plan.check` holds it against the bounds.
    """

    listener: str
    target: str  # origin-form, e.g. "/search?q=x"
    rate: float  # requests per second
    seconds: float
    timeout_seconds: float = TIMEOUT_S
    max_connections: int = 512
    keep_alive: bool = True
    seed: int = 1
    comparison: int = 0  # the comparison it is a part of; 0: of none


class RunState(StrEnum):
    """Where a load run, or a comparison, stands; see TERMINAL_STATES."""

    REQUESTED = "requested"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


TERMINAL_STATES = frozenset({RunState.DONE, RunState.STOPPED, RunState.FAILED})
"""Nothing more comes of what is in one of these."""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A load run in the store: plan, progress and, at the end, result.

    `progress` and `result` are the generator's JSON objects, see `servescope.load.report`.
    """

    id: int
    plan: LoadPlan
    state: RunState
    requested_s: float
    started_s: float | None
    ended_s: float | None
    progress: dict[str, Any]
    result: dict[str, Any]
    message: str = ""
