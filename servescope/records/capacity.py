"""A search for the rate that a server carries: what is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import MAX_CONNECTIONS
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

QUANTILE: Final = 0.99
"""Of the latency limit: 99 of 100 requests are to be answered within it."""

DEFAULT_TOTAL_S: Final = 300.0
LIMITS: Final = 100.0
"""So many times its latency limit a search may take: a step is five of them, and its queue has to
drain."""

LEAST_TIMEOUT_S: Final = 5.0
STEP_S: Final = 5.0
FIRST_RATE: Final = 20.0


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """One search as asked for; `error_limit` is the share that may fail, 0.01 for 1 %."""

    listener: str  # or app that records here; nothing of a host
    target: str  # origin-form
    latency_limit_s: float
    error_limit: float
    most_rate: float  # requests per second
    total_s: float = DEFAULT_TOTAL_S  # of the whole search, at most
    step_s: float = STEP_S
    seed: int = 1
    max_connections: int = MAX_CONNECTIONS  # of the generator
    is_recorded_app: bool = False  # `listener` names an app that records under another server
    host: NamedHost | None = None

    @property
    def destination(self) -> str:
        """The name of the listener or app, or the origin, that gets the load."""
        return self.listener if self.host is None else self.host.origin

    @property
    def kind(self) -> ServerKind:
        """The kind of server that gets the load."""
        if self.host is not None:
            return ServerKind.HOST
        return ServerKind.APP if self.is_recorded_app else ServerKind.LISTENER

    @property
    def called(self) -> str:
        """The server under search in a sentence, as `listener wsgi`."""
        return self.kind.called(self.destination)

    @property
    def timeout_s(self) -> float:
        """After so long a request of a step counts as not answered."""
        return max(LEAST_TIMEOUT_S, 2 * self.latency_limit_s)

    def load_at(self, rate: float, seconds: float, seed: int) -> LoadPlan:
        """The load of one step: evenly spaced arrivals."""
        plan = LoadPlan.constant(
            self.listener,
            self.target,
            rate,
            seconds,
            seed=seed,
            max_connections=self.max_connections,
        )
        return plan if self.host is None else plan.on(self.host)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CapacityPlan:
        """Read what `dataclasses.asdict` made."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        if known.get("host"):
            known["host"] = NamedHost(**known["host"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class SearchedCapacity:
    """A search in the store.

    `steps` are results of steps (`statistics.capacity_search.StepResult`) in order, as JSON
    objects; `step` is the one under way: its `rate`, its `seconds`, when it `started_s`. `evidence`
    are readings of steps just above the edge (`statistics.capacity_limits.EdgeEvidence`).
    """

    id: int
    plan: CapacityPlan
    state: RunState
    requested_s: float
    started_s: float | None
    ended_s: float | None
    steps: tuple[dict[str, Any], ...] = ()
    step: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in TERMINAL_STATES
