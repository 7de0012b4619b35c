"""Load runs: what is asked for, how it stands, what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario, known_fields
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.records.named_hosts import NamedHost
    from servescope.records.run_environment import RunEnvironment
    from servescope.records.run_origin import RunOrigin


class LoadOutcome(IntEnum):
    """How one request of a load run ended; stored in a load record's `protocol` field."""

    ANSWERED = 0
    REFUSED = 1  # connection refused
    RESET = 2  # the connection broke after the request was sent
    TIMED_OUT = 3  # no whole response before the plan's timeout
    PROTOCOL = 4  # the response was no HTTP
    HANDSHAKE = 5  # connected, but the TLS handshake failed
    VALUE = 6  # never sent: a value it needs was not in an answer, or cannot stand in it
    WEBSOCKET = 7  # the answer opened no WebSocket, or it ended before the message in return


_OUTCOME_NAMES: Final = {
    "refused": "connection refused",
    "reset": "connection cut off",
    "timed_out": "timed out",
    "protocol": "answer not HTTP",
    "handshake": "TLS handshake failed",
    "value": "not sent: a value was missing",
    "websocket": "WebSocket failed",
}


def outcome_name(kind: str) -> str:
    """The name in a report of a kind of failure, a `LoadOutcome` in lower case, or `status_404`."""
    return _OUTCOME_NAMES.get(kind, kind.replace("_", " "))


_OLD_FIELDS: Final = (
    "listener",
    "target",
    "rate",
    "seconds",
    "timeout_seconds",
    "max_connections",
    "keep_alive",
    "seed",
    "comparison",
)
"""Of plans from before there were scenarios."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run as asked for: a scenario, and the listener or the origin that it aims at.

    Raises nothing: `servescope.load.plan.check` says whether it may run.
    """

    listener: str  # or app that records here; nothing: `origin` says where the run aims
    scenario: Scenario
    comparison: int = 0  # the comparison it is a part of; 0: of none
    origin: str = ""  # named by the operator, as https://example.org
    address: str = ""  # numeric: where the origin's host was found when the run was asked for
    lookup_seconds: float | None = None  # how long the system took to find it; None: not looked up
    is_recorded_app: bool = False  # `listener` names an app that records under another server

    @classmethod
    def constant(
        cls,
        listener: str,
        target: str,
        rate: float,
        seconds: float,
        *,
        comparison: int = 0,
        **of_scenario: Any,
    ) -> LoadPlan:
        """GET of one target at a constant rate."""
        flows = (Flow((RequestStep(target=target),)),)
        scenario = Scenario(Constant(rate, seconds), flows, **of_scenario)
        return cls(listener, scenario, comparison)

    def on(self, host: NamedHost) -> LoadPlan:
        """The same load on a host that the operator named."""
        return replace(
            self,
            listener="",
            origin=host.origin,
            address=host.address,
            lookup_seconds=host.lookup_seconds,
        )

    @property
    def destination(self) -> str:
        """The name of the listener, or the origin, that it aims at."""
        return self.listener or self.origin

    @property
    def kind(self) -> ServerKind:
        """The kind of its target."""
        if not self.listener:
            return ServerKind.HOST
        return ServerKind.APP if self.is_recorded_app else ServerKind.LISTENER

    @property
    def rate(self) -> float | None:
        """Flows that start per second, on average; None in the closed model."""
        return self.scenario.schedule.mean_rate

    @property
    def seconds(self) -> float:
        """How long the schedule is."""
        return self.scenario.schedule.seconds

    @property
    def target(self) -> str:
        """The target of the first request."""
        return self.scenario.flows[0].steps[0].target

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps, and that the generator is given."""
        scenario = self.scenario.to_json()
        return {
            "listener": self.listener,
            "scenario": scenario,
            "comparison": self.comparison,
            "origin": self.origin,
            "address": self.address,
            "lookup_seconds": self.lookup_seconds,
            "is_recorded_app": self.is_recorded_app,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LoadPlan:
        """Read what `to_json` wrote, or a plan from before there were scenarios.

        Raises KeyError, TypeError or ValueError when it is something else.
        """
        if "scenario" not in values:
            return cls.constant(**{name: values[name] for name in _OLD_FIELDS if name in values})
        scenario = Scenario.from_json(values["scenario"])
        return cls(**{**known_fields(cls, values), "scenario": scenario})


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

    `progress` and `result` are the generator's JSON objects, see `servescope.load.report`. `name`,
    `note` and `tags` are a person's words; `environment` is None of a run that has not begun, of
    one of a comparison, and of one from before it was kept.
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
    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    environment: RunEnvironment | None = None
    origin: RunOrigin | None = None  # None: it was measured here

    @property
    def kind(self) -> ServerKind:
        """The kind of its target; a plan of an older version does not tell an app from a listener.

        Of an app no more than the port stands in the environment.
        """
        known = self.environment
        if self.plan.listener and known is not None and known.port and not known.app:
            return ServerKind.APP
        return self.plan.kind

    @property
    def called(self) -> str:
        """Its target in a sentence, as `listener wsgi`."""
        return self.kind.called(self.plan.destination)

    @property
    def whole_seconds(self) -> tuple[int, int] | None:
        """The seconds of Unix time that the run touches, half open; None before it began.

        Figures from the store are of these, on each page and in each file. Those of a run under
        way end when its last request can be waited for no longer.
        """
        if self.started_s is None:
            return None
        longest_s = self.plan.seconds + self.plan.scenario.timeout_seconds
        ended_s = self.started_s + longest_s if self.ended_s is None else self.ended_s
        return math.floor(self.started_s), math.floor(ended_s) + 1

    def is_whole_in(self, start: int, end: int) -> bool:
        """Whether the run is over, and all of its seconds lie in `[start, end)`."""
        seconds = self.whole_seconds
        return (
            self.ended_s is not None
            and seconds is not None
            and start <= seconds[0]
            and seconds[1] <= end
        )
