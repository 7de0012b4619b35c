"""One scenario carried out against one server: all that takes part in it, put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.load.connection_pool import ConnectionPool
from servescope.load.loop import LoadLoop
from servescope.load.mix import Mix
from servescope.load.models import ClosedModel, OpenModel
from servescope.load.report import LoadModel
from servescope.load.rule_watches import RuleWatches
from servescope.load.tally import Tally
from servescope.records.scenarios import Users, WebSocketStep
from servescope.request_fields import RequestFlag
from servescope.scenarios.bounds import MAX_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.load.models import Arrivals
    from servescope.load.report import Progress, Result
    from servescope.load.tls_connections import TrustedServer
    from servescope.recording.recorder import Recorder
    from servescope.records.scenarios import Scenario, Step

_NS: Final = 1_000_000_000


class ScenarioRun:
    """Runs `scenario` against `destination`, an address and a port; `server` is None without TLS.

    `host` is the value of the Host field, `agent` that of User-Agent. Records go into the ring of
    `recorder` under the listener's name. Raises LoadRefusedError when the scenario cannot be run,
    ValueError for a request that would be none.
    """

    def __init__(
        self,
        scenario: Scenario,
        recorder: Recorder,
        listener: str,
        *,
        destination: tuple[str, int],
        host: str,
        agent: str,
        server: TrustedServer | None = None,
    ) -> None:
        self._scenario = scenario
        schedule = scenario.schedule
        users = schedule if isinstance(schedule, Users) else None
        is_tls = server is not None
        self._tally = Tally(
            recorder,
            listener,
            RequestFlag.TLS if is_tls else RequestFlag(0),
            LoadModel.OPEN if users is None else LoadModel.CLOSED,
            round(scenario.timeout_seconds * _NS),
        )
        mix = Mix(scenario, self._tally, host=host, agent=agent, is_tls=is_tls)
        self._pool = ConnectionPool(destination, server, scenario.max_connections)
        exchanges = [sum(map(_exchanges_of, flow.steps)) for flow in scenario.flows]
        self._open_model: OpenModel | None = None
        if users is None:
            self._open_model = OpenModel(scenario, mix)
            self._arrivals: Arrivals = self._open_model
        else:
            self._arrivals = ClosedModel(
                scenario,
                users,
                mix,
                connections=self._pool.limit,
                most_flows=MAX_REQUESTS // max(exchanges),
            )
        planned = None
        if self._open_model and all(len(flow.steps) == 1 for flow in scenario.flows):
            planned = self._open_model.flows
        self._rules = RuleWatches(scenario.rules, self._tally.requests(), planned)
        self._users = users
        self._loop = LoadLoop(
            scenario,
            self._arrivals,
            self._pool,
            self._tally,
            is_stepwise=mix.is_stepwise or users is not None,
        )

    def run(
        self, control: int, on_control: Callable[[], None], on_tick: Callable[[Progress], None]
    ) -> None:
        """Carry it out; see `LoadLoop.run`."""

        def tick(now_ns: int) -> None:
            self._tally.align_clock()
            progress = self._tally.progress(
                now_ns,
                self._loop.start_ns,
                flows=self._arrivals.started,
                connections=len(self._pool.by_fd),
                waiting=self._loop.waiting,
                awaited=self._loop.awaited,
            )
            rules = self._rules.judge()
            if self._scenario.auto_stop and any(rule.is_settled for rule in rules):
                self.stop()
            on_tick(replace(progress, rules=rules))

        self._loop.run(control, on_control, tick)

    def stop(self) -> None:
        """Send nothing more; `run` ends within half a second."""
        self._loop.stop()

    def result(self) -> Result:
        """The result, once `run` has ended."""
        tally, loop, schedule = self._tally, self._loop, self._scenario.schedule
        elapsed_s = max((tally.last_end_ns - loop.start_ns) / _NS, 0.0)
        seconds = elapsed_s if loop.stopped else max(elapsed_s, schedule.seconds)
        rate, requests_per_flow = None, None
        if self._open_model is not None:
            requests_per_flow = self._open_model.requests_per_flow
            rate = self._open_model.flows * requests_per_flow / schedule.seconds
        result = tally.result(
            rate,
            seconds,
            loop.schedule_seconds,
            flows=self._arrivals.started,
            stopped=loop.stopped,
        )
        return replace(
            result,
            users=self._users.users if self._users is not None else None,
            requests_per_flow=requests_per_flow,
            connection_limit=self._pool.limit,
            connections_max=self._pool.most,
            rules=self._rules.final(),
        )


def _exchanges_of(step: Step) -> int:
    """Requests and messages of a step, each of which has a latency to be kept."""
    return 1 + len(step.messages) if isinstance(step, WebSocketStep) else 1
