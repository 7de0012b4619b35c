"""The same load on several concurrency models: what is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping


LEAST_MODELS: Final = 2


NAME: Final = "compare-{}"
"""How the listener of a model is called while it is compared: with the model in it."""


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """One comparison as asked for: each model gets a listener of its own and the same load.

    `app` is a folder or `module:attribute`; `loop_app` takes its place on the model asyncio.
    """

    models: tuple[ConcurrencyModel, ...]
    app: str
    target: str  # origin-form
    rate: float  # requests per second, on each
    seconds: float
    max_connections: int = 32
    loop_app: str = ""
    together: bool = False  # all at once, instead of one after the other

    def app_of(self, model: ConcurrencyModel) -> str:
        """The app that this model hosts."""
        on_loop = model is ConcurrencyModel.ASYNCIO and self.loop_app
        return self.loop_app if on_loop else self.app

    def load_on(self, model: ConcurrencyModel, comparison_id: int = 0) -> LoadPlan:
        """The load on one of the models: the same requests at the same times for each."""
        return LoadPlan.constant(
            listener=NAME.format(model),
            target=self.target,
            rate=self.rate,
            seconds=self.seconds,
            max_connections=self.max_connections,
            comparison=comparison_id,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ComparisonPlan:
        """Read what `dataclasses.asdict` made."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["models"] = tuple(map(ConcurrencyModel, known["models"]))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Contender:
    """One model's part: how it stands, and what was measured; None where nothing was.

    `result` is the load run's, see `servescope.load.report`; CPU time and memory are those of all
    its processes. `series` has a point a second: `second` of the run, `p50_ms` and `p99_ms` of the
    requests that ended in it.
    """

    model: ConcurrencyModel
    app: str
    app_kind: AppKind | None = None
    threads: int = 0  # request threads of each process, where it has some
    workers: int = 0  # processes of prefork
    state: str = "waiting"  # then starting, and as the run's state
    run_id: int = 0
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    cpu_us_per_request: float | None = None
    memory_bytes: int | None = None  # proportional set size: shared pages are shared out
    processes: int | None = None
    all_threads: int | None = None
    accept_queue_max: int | None = None
    series: dict[str, list[float | None]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Contender:
        """Read what `dataclasses.asdict` made."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["model"] = ConcurrencyModel(known["model"])
        if known.get("app_kind"):
            known["app_kind"] = AppKind(known["app_kind"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The object the store keeps; its keys are the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison in the store, its contenders in the order of the plan's models."""

    id: int
    plan: ComparisonPlan
    state: RunState
    requested_s: float
    started_s: float | None
    ended_s: float | None
    contenders: tuple[Contender, ...]
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in TERMINAL_STATES
