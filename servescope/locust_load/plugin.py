"""The parts that Locust asks for: a class of users, a shape of load, and listeners of its events.

Locust makes users and shapes itself, so that they find what they belong to by their environment.
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from locust import LoadTestShape, User, __version__, task
from locust.runners import MasterRunner, WorkerRunner

from servescope.errors import ServescopeError
from servescope.locust_load.coordinator import Coordinator, exit_code_of
from servescope.locust_load.order import WorkersOrder
from servescope.locust_load.worker import EndedRequest, WorkerLoad
from servescope.settings import load_settings

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment
    from locust.event import Events

BAD_INPUT: Final = 2
FINAL_REPORTS_S: Final = 5.0
"""How long the reports of workers are waited for when a person ended a test."""

_REPORT: Final = "servescope_report"
_FINISH: Final = "servescope_finish"
_ORDER: Final = "servescope_order"
"""Among the parsed options of Locust, which travel from the master to its workers."""

_log = logging.getLogger(__name__)
_coordinators: WeakKeyDictionary[Environment, Coordinator] = WeakKeyDictionary()
_loads: WeakKeyDictionary[Environment, WorkerLoad] = WeakKeyDictionary()


class ScenarioUser(User):
    """One connection of a run."""

    @task
    def carry_out(self) -> None:
        """Carry out flows until there are no more, then wait for Locust to end this user."""
        load = _loads.get(self.environment)
        if load is not None:
            load.be_user()
        threading.Event().wait()


class ScenarioShape(LoadTestShape):
    """All users at once, until each worker has reported."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._users = 0  # kept while a test goes on: workers that come later have no part in it

    def reset_time(self) -> None:
        """Another test starts: it may have other workers."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._users = 0

    def tick(self) -> tuple[int, float] | None:
        runner = self.runner
        coordinator = None if runner is None else _coordinators.get(runner.environment)
        if runner is None or coordinator is None:
            return None
        run_time_s: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if coordinator.is_complete or run_time_s > coordinator.longest_s:
            return None
        if not self._users:
            workers = runner.worker_count if isinstance(runner, MasterRunner) else 1
            self._users = coordinator.users(workers)
        return self._users, float(self._users)


def register(events: Events) -> None:
    """Listen to Locust's events."""
    events.init_command_line_parser.add_listener(_add_arguments)
    events.init.add_listener(_init)
    events.test_start.add_listener(_test_started)
    events.spawning_complete.add_listener(_all_users_are_there)
    events.test_stop.add_listener(_test_stopped)


def _add_arguments(parser: ArgumentParser, **_: Any) -> None:
    parser.add_argument(
        "--scenario",
        metavar="FILE",
        default="",
        env_var="SERVESCOPE_LOCUST_SCENARIO",
        include_in_web_ui=False,
        help="Servescope's scenario (TOML) that is carried out; given to the master alone",
    )
    parser.add_argument(
        "--run-file",
        metavar="FILE",
        default="",
        include_in_web_ui=False,
        help="where the run is written; default: locust-DATE-TIME.servescope, here",
    )


_current: list[Environment] = []
"""The one of this process: some events do not say where they come from."""


def _init(environment: Environment, runner: Any, **_: Any) -> None:
    _current[:] = [environment]
    if isinstance(runner, WorkerRunner):
        runner.register_message(_FINISH, _finish)
        return
    options: Any = environment.parsed_options
    if not options.scenario:
        _refuse("name the scenario: --scenario FILE")
    target = Path(options.run_file) if options.run_file else None
    try:
        coordinator = Coordinator(Path(options.scenario), target, load_settings(), __version__)
    except ServescopeError as error:
        _refuse(str(error))
    _coordinators[environment] = coordinator
    if not environment.host:
        environment.host = coordinator.origin or None
    if isinstance(runner, MasterRunner):

        def take(environment: Environment, msg: Any, **_: Any) -> None:
            del environment
            coordinator.take(msg.data)

        runner.register_message(_REPORT, take)


def _refuse(sentence: str) -> Any:
    """End Locust before it begins."""
    sys.stderr.write(f"servescope: {sentence}\n")
    raise SystemExit(BAD_INPUT)


def _test_started(environment: Environment, **_: Any) -> None:
    runner: Any = environment.runner
    options: Any = environment.parsed_options
    coordinator = _coordinators.get(environment)
    if coordinator is not None:
        is_master = isinstance(runner, MasterRunner)
        workers = [one.id for one in _ready(runner)] if is_master else [runner.client_id]
        try:
            order = coordinator.order(environment.host or "", workers)
        except ServescopeError as error:
            _log.error("servescope: %s", error)
            environment.process_exit_code = BAD_INPUT
            runner.quit()
            return
        setattr(options, _ORDER, order.to_json())
        if is_master:
            return
    _take_part(environment, runner, options)


def _ready(runner: MasterRunner) -> list[Any]:
    return [*runner.clients.ready, *runner.clients.running, *runner.clients.spawning]


def _take_part(environment: Environment, runner: Any, options: Any) -> None:
    """This process has users of its own."""
    _loads.pop(environment, None)
    told = getattr(options, _ORDER, None)
    share = None
    if told:
        order = WorkersOrder.from_json(told)
        share = order.share_of(runner.client_id)
    if share is None:
        _log.warning("servescope: this worker came after the test had begun: it sends nothing")
        return

    def on_request(ended: EndedRequest) -> None:
        environment.events.request.fire(
            request_type=ended.method,
            name=ended.label,
            response_time=ended.milliseconds,
            response_length=ended.received,
            exception=ServescopeError(ended.fault) if ended.fault else None,
            context={},
        )

    def on_end(report: dict[str, Any]) -> None:
        coordinator = _coordinators.get(environment)
        if coordinator is None:
            runner.send_message(_REPORT, report)
        else:
            coordinator.take(report)

    _loads[environment] = WorkerLoad(order, share, on_request, on_end)


def _all_users_are_there(**_: Any) -> None:
    for environment in _current:
        load = _loads.get(environment)
        if load is not None:
            runner: Any = environment.runner
            load.begin(runner.target_user_count)


def _finish(environment: Environment, **_: Any) -> None:
    load = _loads.get(environment)
    if load is not None:
        load.finish(stopped=True)


def _test_stopped(environment: Environment, **_: Any) -> None:
    _finish(environment)
    coordinator = _coordinators.get(environment)
    if coordinator is None:
        return
    if not coordinator.is_complete:  # a person ended it
        runner: Any = environment.runner
        runner.send_message(_FINISH)
        coordinator.wait(FINAL_REPORTS_S)
    _write(environment, coordinator)


def _write(environment: Environment, coordinator: Coordinator) -> None:
    try:
        written = coordinator.write()
    except OSError as error:
        _log.error("servescope: the run file cannot be written: %s", error)
        environment.process_exit_code = BAD_INPUT
        return
    if written is None:
        return
    path, result = written
    code = exit_code_of(result)
    if code is not None:
        environment.process_exit_code = code
    _log.info(
        "servescope: the run is in %s; the page Load of a dashboard opens it, as does "
        "servescope.read_run",
        path,
    )
