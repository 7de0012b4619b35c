"""Steps of a search for a capacity: what is offered, what came of it, whether the objective held.

A step breaks the objective when more requests than it allows were late or failed, or when more
were unanswered at its end than could be answered in time.

Steps in which the generator was late are of no use. Steps in which other programs took the
processor count where they held, and not where they broke: the server might have held without them.
Steps whose figures contradict Little's law (Operations Research 9, 1961) are left out too.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVEL: Final = 0.95
"""Of intervals."""

NEAR: Final = 0.16
"""Steps within this distance of the edge, in the logarithm of the rate, say where it is."""

_FEW_UNANSWERED: Final = 0.01


class Judgement(StrEnum):
    """How a step stands to the objective."""

    HELD = "held"
    BROKE = "broke"
    USELESS = "not used"


@dataclass(frozen=True, slots=True)
class Objective:
    """`quantile` of the requests answered within `latency_limit_s`, and few failures.

    `error_limit` is the highest share of requests that may fail, 0.01 for 1 %.
    """

    latency_limit_s: float
    quantile: float = 0.99
    error_limit: float = 0.01


@dataclass(frozen=True, slots=True)
class Step:
    """Offer `rate` requests per second for `warm_up_s` + `seconds`, with arrivals from `seed`.

    Requests that are due in the warm-up count nowhere in the result.
    """

    rate: float
    seconds: float
    seed: int
    warm_up_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step as it was carried out.

    `late` are requests answered after the limit or never. `failed` are those without a whole
    answer and those answered with a server error. `in_flight` is the mean number of requests under
    way between the start and the last end, as counted; None without counts.
    """

    rate: float
    seconds: float
    sent: int
    answered_in_schedule: int
    late: int
    failed: int
    mean_latency_s: float
    shortest_latency_s: float
    quantile_s: float | None  # the objective's quantile of the latencies
    elapsed_s: float  # from the start to the last end
    spent_s: float  # of the search's time, start and end of the generator included
    in_flight: float | None = None
    in_flight_error: float = 0.0  # standard error of that mean, where it is one of samples
    generator_limited: bool = False
    disturbed: bool = False  # other programs took the processor
    others_cores: float | None = None  # that other programs used

    @property
    def throughput(self) -> float:
        """Answers per second; none can come before the shortest latency has passed."""
        return self.answered_in_schedule / max(self.seconds - self.shortest_latency_s, 1e-9)

    @property
    def arrival_rate(self) -> float:
        """Requests per second up to the last end: below `rate` where that comes late."""
        return self.sent / max(self.elapsed_s, 1e-9)

    @property
    def concurrency(self) -> float:
        """Mean number of requests in the system by Little's law: arrival rate x mean latency."""
        return self.arrival_rate * self.mean_latency_s

    @property
    def agrees_with_littles_law(self) -> bool | None:
        """Whether the count of requests under way is their rate x their latency; None: no count.

        An answer may wait to be read until the next request is due, which is worth up to one
        request; a quarter of the figure and three standard errors are allowed above it.
        """
        if self.in_flight is None:
            return None
        allowed = 1 + 3 * self.in_flight_error + 0.25 * max(self.concurrency, self.in_flight)
        return abs(self.in_flight - self.concurrency) <= allowed

    def is_piling_up(self, objective: Objective) -> bool:
        """Whether far more are unanswered at the schedule's end than can be answered in time."""
        unanswered = self.sent - self.answered_in_schedule
        most = max(2 * self.rate * objective.latency_limit_s, _FEW_UNANSWERED * self.sent, 1.0)
        return unanswered > most

    def share_late(self, objective: Objective) -> float:
        """Share of late requests; failures count by how close they are to their own limit."""
        if not self.sent:
            return 0.0
        late = self.late / self.sent
        failed = self.failed / self.sent
        if not failed:
            return late
        allowed = 1 - objective.quantile
        scaled = failed * allowed / objective.error_limit if objective.error_limit else 1.0
        return min(max(late, scaled), 1.0)

    def judge(self, objective: Objective) -> Judgement:
        """Whether the objective held."""
        if self.generator_limited or not self.sent or self.agrees_with_littles_law is False:
            return Judgement.USELESS
        if (
            self.is_piling_up(objective)
            or self.share_late(objective) > 1 - objective.quantile + 1e-12
        ):
            return Judgement.USELESS if self.disturbed else Judgement.BROKE
        return Judgement.HELD

    def is_clear_break(self, objective: Objective) -> bool:
        """Whether more were late than chance makes of what is allowed; for a step that broke."""
        allowed = (1 - objective.quantile) * self.sent
        late = self.share_late(objective) * self.sent
        return late > allowed + 3 * math.sqrt(allowed) + 1 or self.share_late(objective) <= 0

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StepResult:
        """Read what `to_json` wrote."""
        return cls(**values)


def is_near(rate: float, edge: float, distance: float = NEAR) -> bool:
    """Whether two rates are within a distance in their logarithm."""
    return abs(math.log(rate / edge)) <= distance
