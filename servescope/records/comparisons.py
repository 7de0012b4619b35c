"""The same load on two to four targets side by side: what is asked for, and what came of it.

A target is a concurrency model, which gets a listener of its own for a while, or stands already: a
listener, an app that records its requests on this machine under another server, or a host that the
operator named.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping


LEAST_TARGETS: Final = 2
MOST_TARGETS: Final = 4


NAME: Final = "compare-{}"
"""How the listener of a model is called while it is compared: with the model in it."""

_OLD_LOAD: Final = ("target", "rate", "seconds", "max_connections")
"""Of plans from before a scenario could be compared on."""


@dataclass(frozen=True, slots=True)
class ComparedTarget:
    """One side of a comparison: a model, the name of a listener or app that stands, or a host."""

    model: ConcurrencyModel | None = None
    standing: str = ""
    host: NamedHost | None = None

    @property
    def listener(self) -> str:
        """The name of the listener or app that gets the load; nothing of a host."""
        if self.host is not None:
            return ""
        return self.standing or NAME.format(self.model)

    @property
    def label(self) -> str:
        """Its name at the head of a column: no two targets of a comparison share one."""
        if self.host is not None:
            return self.host.origin
        return self.standing or (self.model.label if self.model else "")


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """One comparison as asked for: each target gets the same load.

    `app` is a folder or `module:attribute` that the models host; `loop_app` takes its place on the
    model asyncio. Both are empty where no model is compared.
    """

    models: tuple[ConcurrencyModel, ...]
    app: str
    scenario: Scenario
    loop_app: str = ""
    together: bool = False  # all at once, instead of one after the other
    listeners: tuple[str, ...] = ()  # names of those that stand, and of apps that record here
    hosts: tuple[NamedHost, ...] = ()

    @classmethod
    def constant(
        cls,
        models: tuple[ConcurrencyModel, ...],
        app: str,
        target: str,
        rate: float,
        seconds: float,
        max_connections: int = 32,
        **others: Any,
    ) -> ComparisonPlan:
        """GET of one target at a constant rate."""
        flows = (Flow((RequestStep(target=target),)),)
        scenario = Scenario(Constant(rate, seconds), flows, max_connections=max_connections)
        return cls(models, app, scenario, **others)

    @property
    def targets(self) -> tuple[ComparedTarget, ...]:
        """The models, then the listeners and apps, then the hosts."""
        standing = (ComparedTarget(standing=name) for name in self.listeners)
        hosts = (ComparedTarget(host=one) for one in self.hosts)
        return (*map(ComparedTarget, self.models), *standing, *hosts)

    def app_of(self, target: ComparedTarget) -> str:
        """The app that a model hosts; nothing of what stands, which has its own."""
        if target.model is None:
            return ""
        on_loop = target.model is ConcurrencyModel.ASYNCIO and self.loop_app
        return self.loop_app if on_loop else self.app

    def load_on(self, target: ComparedTarget, comparison_id: int = 0) -> LoadPlan:
        """The load on one of the targets: the same requests at the same times for each."""
        plan = LoadPlan(target.listener, self.scenario, comparison_id)
        return plan if target.host is None else plan.on(target.host)

    def to_json(self) -> dict[str, Any]:
        """An object that `from_json` reads."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        hosts = [asdict(one) for one in self.hosts]
        return own | {"scenario": self.scenario.to_json(), "hosts": hosts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ComparisonPlan:
        """Read what `to_json` made, or a plan from before a scenario could be compared on."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["models"] = tuple(map(ConcurrencyModel, known["models"]))
        known["listeners"] = tuple(known.get("listeners", ()))
        known["hosts"] = tuple(NamedHost(**one) for one in known.get("hosts", ()))
        if "scenario" not in known:
            return cls.constant(**known, **{name: values[name] for name in _OLD_LOAD})
        return cls(**known | {"scenario": Scenario.from_json(known["scenario"])})


@dataclass(frozen=True, slots=True)
class Contender:
    """One target's part: how it stands, and what was measured; None where nothing was.

    `result` is the load run's, see `servescope.load.report`; CPU time and memory are those of all
    its processes, and not known of a listener inside the dashboard's own process. `readings` are a
    `statistics.capacity_limits.EdgeEvidence`. `series` is as `runtime.run_series` makes it; one of
    an older version has a point a second, and names no bounds.
    """

    model: ConcurrencyModel | None  # None of a listener until its turn comes, of an app, of a host
    app: str
    standing: str = ""  # name of a listener or app that stands, origin of a host
    is_recorded_app: bool = False  # known from when its turn comes
    is_named_host: bool = False  # nothing of it is read but its answers
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
    readings: dict[str, Any] = field(default_factory=dict)
    series: dict[str, list[float | None]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name at the head of a column."""
        return self.standing or (self.model.label if self.model else "")

    @property
    def kind(self) -> ServerKind:
        """The kind of target; an app counts as a listener until its turn comes."""
        if not self.standing:
            return ServerKind.MODEL
        if self.is_named_host:
            return ServerKind.HOST
        return ServerKind.APP if self.is_recorded_app else ServerKind.LISTENER

    @property
    def name(self) -> str:
        """Its name in a sentence, as `sequential`, `listener wsgi` or `app shop`."""
        return self.target if self.standing else self.label

    @property
    def target(self) -> str:
        """The target of its load run, as sentences name it."""
        return self.kind.called(self.label)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Contender:
        """Read what `to_json` made."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        if known["model"]:
            known["model"] = ConcurrencyModel(known["model"])
        if known.get("app_kind"):
            known["app_kind"] = AppKind(known["app_kind"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The object the store keeps; its keys are the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison in the store, its contenders in the order of the plan's targets."""

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
