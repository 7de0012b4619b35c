"""A verdict between two listeners: what is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.records.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class VerdictPlan:
    """One verdict as asked for: whether `after` is slower than `before`."""

    before: str  # name of a listener
    after: str  # name of a listener; the same one shows how much chance does
    scenario: Scenario  # of each run
    tolerance: float  # 0.05: up to 5 % slower is not slower
    most_pairs: int

    @property
    def most_seconds(self) -> float:
        """Of load in all pairs; starting generators and reading stages takes more."""
        return 2 * self.most_pairs * self.scenario.schedule.seconds

    def load_on(self, listener: str) -> LoadPlan:
        """The load of one run."""
        return LoadPlan(listener, self.scenario)

    def to_json(self) -> dict[str, Any]:
        """An object that `from_json` reads."""
        return {
            "before": self.before,
            "after": self.after,
            "scenario": self.scenario.to_json(),
            "tolerance": self.tolerance,
            "most_pairs": self.most_pairs,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> VerdictPlan:
        """Read what `to_json` made."""
        return cls(**{**values, "scenario": Scenario.from_json(values["scenario"])})


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
