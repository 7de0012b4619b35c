"""One load run on one side: a generator process from its start to its result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from servescope.errors import ComparisonError
from servescope.load.generator_limits import is_latency_delayed
from servescope.load.report import QUANTILES as QUANTILE_OF_FIELD
from servescope.load.supervisor import GeneratorProcess
from servescope.records.load import LoadPlan, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from servescope.load.report import LatencySummary, Result
    from servescope.records.scenarios import Scenario
    from servescope.verdicts.sides import Destination

PATIENCE_S: Final = 30.0
"""How much longer than its schedule and a timeout a run may take: its process has to start."""

POLL_S: Final = 0.1
STOP_S: Final = 2.0

_FIELDS: Final = {quantile: field for field, quantile in QUANTILE_OF_FIELD.items()}
_GOOD: Final = ("2xx", "3xx")

QUANTILES: Final = tuple(_FIELDS)
"""Those that a run tells."""


@dataclass(frozen=True, slots=True)
class SideRun:
    """A run that ended as planned."""

    result: Result
    stages_ms: Mapping[str, float]  # means; empty where the server is not hosted here
    span_s: tuple[float, float] = (0.0, 0.0)  # Unix seconds: its generator's start and end

    @property
    def good(self) -> int:
        """Requests answered with a status below 400."""
        return sum(self.result.status_classes.get(name, 0) for name in _GOOD)

    @property
    def failed(self) -> int:
        """Those that were not: other statuses, timeouts, broken connections."""
        return self.result.sent - self.good

    def was_late(self, quantiles: Iterable[float]) -> bool:
        """Whether one of these quantiles says too little of the server for the generator's delay.

        The delay is that of the same quantile: one request of a short run that was late moves
        neither the median nor the p90, and is its p99. It is in the figures of both sides, and
        makes them look alike.
        """
        naive_ms = self.result.naive_ms
        return any(
            is_latency_delayed(self._lag_ms(one), self.quantile_ms(one), quantile_of(naive_ms, one))
            for one in quantiles
        )

    def _lag_ms(self, quantile: float) -> float:
        """The generator's delay at a quantile; of an older result the p99, which is no less."""
        lag = self.result.lag_ms
        of_quantile: float | None = getattr(lag, _FIELDS[quantile])
        return (lag.p99 if of_quantile is None else of_quantile) or 0.0

    def quantile_ms(self, quantile: float) -> float | None:
        """Latency from the time a request was due; None when nothing was answered."""
        return quantile_of(self.result.latency_ms, quantile)


def quantile_of(summary: LatencySummary, quantile: float) -> float | None:
    """One of QUANTILES."""
    value: float | None = getattr(summary, _FIELDS[quantile])
    return value


def run_on(
    destination: Destination,
    scenario: Scenario,
    pin_core: int | None,
    following: Callable[[int], None] | None = None,
) -> SideRun:
    """Put this load on the side. Raises ComparisonError when the run does not come to its end.

    `following` is called with the generator's pid again and again; an exception of it ends the run.
    """
    plan = LoadPlan(destination.side, scenario)
    began_s = time.time()
    with TemporaryDirectory(prefix="servescope-run-") as rings:
        generator = GeneratorProcess(1, plan, destination.target, Path(rings), pin_core)
        try:
            is_over = _is_over(generator, plan.seconds + scenario.timeout_seconds, following)
        finally:
            generator.kill()
            generator.wait(STOP_S)
    if not is_over or generator.state is not RunState.DONE or generator.result is None:
        raise ComparisonError(
            f"the load generator did not finish its run on {destination.label}"
            + (f": {generator.message}" if generator.message else "")
        )
    stages_ms = destination.hosted.stages_ms() if destination.hosted is not None else {}
    return SideRun(generator.result, stages_ms, (began_s, time.time()))


def _is_over(
    generator: GeneratorProcess, seconds: float, following: Callable[[int], None] | None
) -> bool:
    """Whether the run came to an end, of whatever kind, in its time and PATIENCE_S more."""
    give_up = time.monotonic() + seconds + PATIENCE_S
    if following is None:
        return generator.wait(seconds + PATIENCE_S)
    while not (is_over := generator.wait(POLL_S)) and time.monotonic() < give_up:
        following(generator.pid)
    return is_over
