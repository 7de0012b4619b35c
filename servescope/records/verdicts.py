"""A verdict between two sides, servers or models: what is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Scenario
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class JudgedSide:
    """A server that stands, or a model that hosts an app in new processes for the verdict."""

    listener: str = ""  # or app that records here
    model: ConcurrencyModel | None = None
    app: str = ""  # a folder, or `module:attribute`
    host: NamedHost | None = None

    @property
    def label(self) -> str:
        """Its name in a sentence."""
        if self.host is not None:
            return ServerKind.HOST.called(self.host.origin)
        if self.model is None:
            return self.listener
        module, colon, attribute = self.app.partition(":")
        name = module.rpartition(".")[2] if colon else PurePath(self.app).name
        return f"{self.model.label} with {name}{colon}{attribute}"

    def to_json(self) -> dict[str, Any]:
        """An object that `from_json` reads."""
        host = None if self.host is None else asdict(self.host)
        return {
            "listener": self.listener,
            "model": self.model or "",
            "app": self.app,
            "host": host,
        }

    @classmethod
    def from_json(cls, value: str | Mapping[str, Any]) -> JudgedSide:
        """Read what `to_json` made, or the name of a listener, as older plans have it."""
        if isinstance(value, str):
            return cls(value)
        model = ConcurrencyModel(value["model"]) if value["model"] else None
        host = NamedHost(**value["host"]) if value.get("host") else None
        return cls(value["listener"], model, value["app"], host)


@dataclass(frozen=True, slots=True)
class VerdictPlan:
    """One verdict as asked for: whether `after` is slower than `before`."""

    before: JudgedSide
    after: JudgedSide  # the same one shows how much chance does
    scenario: Scenario  # of each run
    tolerance: float  # 0.05: up to 5 % slower is not slower
    most_pairs: int

    @property
    def most_seconds(self) -> float:
        """Of load in all pairs; starting generators and reading stages takes more."""
        return 2 * self.most_pairs * self.scenario.schedule.seconds

    def load_on(self, side: JudgedSide) -> LoadPlan:
        """The load of one run on a server that stands."""
        plan = LoadPlan(side.listener, self.scenario)
        return plan if side.host is None else plan.on(side.host)

    def to_json(self) -> dict[str, Any]:
        """An object that `from_json` reads."""
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "scenario": self.scenario.to_json(),
            "tolerance": self.tolerance,
            "most_pairs": self.most_pairs,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> VerdictPlan:
        """Read what `to_json` made."""
        sides = {name: JudgedSide.from_json(values[name]) for name in ("before", "after")}
        return cls(**{**values, **sides, "scenario": Scenario.from_json(values["scenario"])})


@dataclass(frozen=True, slots=True)
class RequestedVerdict:
    """A verdict in the store.

    `result` is that of the pairs so far: the object of `verdicts.wording.to_json`, and for each
    side under `histograms` the counts of `servescope.histogram`. Empty until a pair was measured.
    """

    id: int
    plan: VerdictPlan
    state: RunState
    requested_s: float
    started_s: float | None
    ended_s: float | None
    result: dict[str, Any] = field(default_factory=dict)
    message: str = ""

    @property
    def pairs(self) -> int:
        """How many pairs count so far."""
        return int(self.result.get("pairs", 0))

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in TERMINAL_STATES
