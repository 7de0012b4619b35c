"""The master's side: what the workers are ordered, and the run file that comes of their reports."""

from __future__ import annotations

import math
import os
import platform
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.findings.said_of_run import said_of_run
from servescope.locust_load.merging import merged
from servescope.locust_load.order import WorkersOrder
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Constant, Poisson, Ramp, Spike, Steps, Users, WebSocketStep
from servescope.run_files.archive import SUFFIX, write_archive
from servescope.run_files.document import RunDocument
from servescope.sampling.run_environment import read_environment
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.rules import RuleState
from servescope.scenarios.scenario_file import ScenarioFile, read_scenario, to_toml
from servescope.verdicts.side import ServerSide, side_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.load.report import Result
    from servescope.records.scenarios import Scenario, Schedule
    from servescope.settings import Settings

PATIENCE_S: Final = 30.0
"""How much longer than its schedule and its timeouts a run may take."""

WITHOUT_SERIES: Final = (
    "Locust's workers sent the load: no Servescope recorded its seconds, and of the server nothing "
    "is known"
)


class Coordinator:
    """One test of Locust: the scenario of a file, ordered, and its run.

    `version` is Locust's, `target` the file to be written, None for one that is named after the
    time. Raises LoadRefusedError for a scenario that cannot be carried out so.
    """

    def __init__(self, path: Path, target: Path | None, settings: Settings, version: str) -> None:
        self._file = read_scenario(path)
        self._target = target
        self._settings = settings
        self._version = version
        scenario = self._file.scenario
        check_scenario(scenario, settings.load_max_rate, settings.load_max_seconds)
        for step in (step for flow in scenario.flows for step in flow.steps):
            if isinstance(step, WebSocketStep):
                raise LoadRefusedError(
                    f"{step.label} is a WebSocket conversation, which is not carried out by Locust "
                    "here: take python -m servescope load"
                )
            for done, seconds in (("sent", step.send_seconds), ("read", step.read_seconds)):
                if seconds:
                    raise LoadRefusedError(
                        f"{step.label} is {done} over {seconds:g} s, which is not carried out by "
                        "Locust here: take python -m servescope load"
                    )
        if scenario.auto_stop and scenario.rules:
            raise LoadRefusedError(
                "auto_stop is not carried out by Locust here, where rules are judged at the end: "
                "leave it out, or take python -m servescope load"
            )
        self._order: WorkersOrder | None = None
        self._requested_s = 0.0
        self._reports: dict[int, Mapping[str, Any]] = {}
        self._complete = threading.Event()
        self._is_written = False

    @property
    def scenario(self) -> Scenario:
        """The scenario that the workers carry out."""
        return self._file.scenario

    @property
    def origin(self) -> str:
        """Where the file aims; empty where it does not say."""
        return self._file.origin

    @property
    def is_complete(self) -> bool:
        """Whether each worker has reported."""
        return self._complete.is_set()

    def users(self, workers: int) -> int:
        """How many users Locust should have, one at each worker at least: see `most_at_once`."""
        schedule = self.scenario.schedule
        if isinstance(schedule, Users):
            return schedule.users
        return max(most_at_once(self.scenario), workers)

    @property
    def longest_s(self) -> float:
        """Seconds after which a test is ended, whatever its workers are about."""
        scenario = self.scenario
        steps = max(len(flow.steps) for flow in scenario.flows)
        return scenario.schedule.seconds + steps * scenario.timeout_seconds + PATIENCE_S

    def order(self, host: str, workers: Sequence[str]) -> WorkersOrder:
        """The order for these workers, against `host` or else where the file aims.

        Raises LoadRefusedError or UsageError when that may not be loaded, or cannot be parted.
        """
        origin = (host or self.origin).rstrip("/")
        if not origin:
            raise LoadRefusedError(
                "the scenario does not say where it aims: add --host http://ADDRESS:PORT"
            )
        side = side_of(origin, Path(), self._settings.load_hosts)
        if not isinstance(side, ServerSide):
            raise LoadRefusedError(f"{origin}: a server is named as http://ADDRESS:PORT")
        users = self.users(len(workers))
        most = self.scenario.max_connections
        if len(workers) > min(users, most):
            raise LoadRefusedError(
                f"{len(workers)} workers are more than the {min(users, most)} connections that the "
                "scenario may have"
            )
        parts = {name: number for number, name in enumerate(sorted(workers))}
        self._order = WorkersOrder(
            to_toml(ScenarioFile(self.scenario)), origin, side.target.address, users, parts
        )
        self._reports.clear()
        self._complete.clear()
        self._is_written = False
        self._requested_s = time.time()
        return self._order

    def take(self, report: Mapping[str, Any]) -> None:
        """A worker has carried out its part."""
        self._reports[report["part"]] = report
        if self._order is not None and len(self._reports) >= len(self._order.parts):
            self._complete.set()

    def wait(self, seconds: float) -> None:
        """Wait for the reports of all workers, that long at most."""
        self._complete.wait(seconds)

    def write(self) -> tuple[Path, Result] | None:
        """Write the run file, once for each test; None when there is nothing to be written.

        Raises OSError when it cannot be written.
        """
        if self._order is None or self._is_written or not self._reports:
            return None
        self._is_written = True
        run, result = self._run(self._order)
        document = RunDocument(
            run, platform.node() or "localhost", time.time(), said_of_run(run), WITHOUT_SERIES
        )
        target = self._target or Path(self._default_name())
        _write(target, b"".join(write_archive(document, (), ())))
        return target, result

    def _run(self, order: WorkersOrder) -> tuple[LoadRun, Result]:
        reports, ordered = list(self._reports.values()), len(order.parts)
        generator = f"Locust {self._version}, {ordered} worker{'' if ordered == 1 else 's'}"
        missing = ordered - len(reports)
        if missing:
            generator += f", {missing} of which never reported"
        result = merged(self.scenario, reports, order.users, generator)
        started_s = min(report["started_s"] for report in reports)
        run = LoadRun(
            id=0,
            plan=LoadPlan("", self.scenario, origin=order.origin, address=order.address),
            state=RunState.STOPPED if result.stopped else RunState.DONE,
            requested_s=self._requested_s,
            started_s=started_s,
            ended_s=started_s + result.seconds,
            progress={},
            result=result.to_json(),
            tags=("locust",),
            environment=read_environment(None),
        )
        return run, result

    def _default_name(self) -> str:
        when = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._requested_s))
        return f"locust-{when}.{SUFFIX}"


def most_at_once(scenario: Scenario) -> int:
    """Connections that an open schedule can need: those that it may have at most, or fewer.

    More flows than start within the timeouts of one cannot be under way.
    """
    steps = max(len(flow.steps) for flow in scenario.flows)
    longest = _peak_rate(scenario.schedule) * scenario.timeout_seconds * steps
    return max(math.ceil(min(scenario.max_connections, longest)), 1)


def _peak_rate(schedule: Schedule) -> float:
    """The highest number of flows that start in a second; infinite where it is drawn."""
    match schedule:
        case Constant():
            return schedule.rate
        case Ramp():
            return max(schedule.from_rate, schedule.to_rate)
        case Steps():
            return max(schedule.rates)
        case Spike():
            return max(schedule.rate, schedule.peak_rate)
        case Poisson():
            return math.inf
    return math.inf


def exit_code_of(result: Result) -> int | None:
    """1 when a rule of the scenario did not pass; None leaves it to Locust."""
    return 1 if any(rule.state is not RuleState.PASSING for rule in result.rules) else None


def _write(target: Path, content: bytes) -> None:
    """Write the file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o600)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
