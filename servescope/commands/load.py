"""`python -m servescope load`: put a load on a server, and judge it by rules, without a dashboard.

Exit status: 0 all rules passed; 1 one failed or is not known; 2 bad input; 3 the generator was the
bottleneck, so that nothing is known of the server. Standard output has the result, standard error
the progress.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from servescope.actions.load_targets import load_targets
from servescope.commands.interruption import INTERRUPTED, handled
from servescope.commands.option_values import above_zero, whole
from servescope.commands.terminal import Terminal, progress_line, summary
from servescope.control import Control
from servescope.errors import LoadFailedError, LoadRefusedError, UsageError
from servescope.findings import findings, gathering
from servescope.findings.load_run import is_limited_by_generator, judged_rules, unjudged_rules
from servescope.findings.said_of_run import said_of_run
from servescope.formats.run_report import report_html
from servescope.load.plan import check
from servescope.load.supervisor import GeneratorProcess
from servescope.queries.run_data import RunData
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Constant, Flow, Poisson, RequestStep, Scenario
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.rules import RuleState
from servescope.scenarios.scenario_file import ScenarioFile, read_scenario
from servescope.settings import load_settings
from servescope.verdicts.side import ServerSide, side_of

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from servescope.findings.evidence import Evidence
    from servescope.load.report import Progress
    from servescope.load.targets import Target
    from servescope.settings import Settings

HELP: Final = "put a load on a server, and judge it by rules"

PASSED: Final = 0
FAILED: Final = 1
GENERATOR_LIMITED: Final = 3
"""Exit statuses, beside `INTERRUPTED`."""

PATIENCE_S: Final = 30.0
"""How much longer than its schedule and a timeout a run may take: its process has to start."""

POLL_S: Final = 0.1
PLAIN_LINES: Final = 10
"""Lines of progress, at most, where each one stays."""

_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, None: 1.0}
_RATE: Final = 100.0
_DURATION_S: Final = 10.0
_OPTIONS: Final = ("rate", "duration", "poisson", "connections", "timeout", "new_connections")


def length(text: str) -> float:
    """Reads `30s`, `500ms`, `2min` or `30`, in seconds."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return float(match[1]) * _SECONDS[match[2]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add = parser.add_argument
    add(
        "what",
        metavar="SCENARIO|URL",
        help="a scenario's TOML file, or the http:// or https:// URL of one GET; servers of this "
        "machine, and those that SERVESCOPE_LOAD_HOSTS names",
    )
    add("--target", metavar="ORIGIN", help="the server, as http://ADDRESS:PORT; for a scenario")
    add("--rate", type=above_zero, help=f"requests per second; default: {_RATE:g}")
    add("--duration", type=length, metavar="TIME", help="30s, 2min …; default: 10s")
    add("--poisson", action="store_const", const=True, help="at random times, not evenly spaced")
    add("--connections", type=whole(1, 4_096), help="at most; default: 512")
    add("--timeout", type=length, metavar="TIME", help="of each request; default: 10s")
    add("--new-connections", action="store_const", const=True, help="one for each request")
    add("--seed", type=whole(0, 2**31), help="of what is drawn; default: the scenario's, or 1")
    add(
        "--rule",
        action="append",
        default=[],
        metavar="RULE",
        help="such as 'p99<50ms', 'error rate < 0.1 %%', 'answered >= 99 %%'; with those of the "
        "scenario; may be given several times",
    )
    add("--auto-stop", action="store_true", help="stop when a rule can no longer pass")
    add("--json", action="store_true", help="write the result as one object of JSON")
    add("--report", type=Path, metavar="FILE", help="write a self-contained HTML report too")


def run(arguments: argparse.Namespace) -> int:
    """Run the load; answer the exit status.

    Raises UsageError for bad input, and LoadFailedError where the run did not come to its end.
    """
    settings = load_settings()
    try:
        plan, target = _plan(arguments, settings)
    except LoadRefusedError as error:
        raise UsageError(str(error)) from error
    generator_run, was_interrupted = _measure(plan, target)
    status = INTERRUPTED if was_interrupted else exit_status(gathering.run_of(generator_run))
    if arguments.json:
        sys.stdout.write(f"{json.dumps(_as_json(generator_run, status))}\n")
    else:
        evidence = gathering.run_of(generator_run)
        rules = judged_rules(evidence.run) if evidence.run is not None else ()
        terminal = Terminal.of(sys.stdout)
        sys.stdout.write(summary(generator_run.result, findings(evidence), rules, terminal))
    sys.stdout.flush()
    if arguments.report is not None:
        _write_report(arguments.report, generator_run)
    return status


def exit_status(evidence: Evidence) -> int:
    """The exit status that the evidence of a run stands for."""
    run = evidence.run
    if run is None or is_limited_by_generator(run):
        return GENERATOR_LIMITED
    unjudged = unjudged_rules(run)
    if any(rule.state is not RuleState.PASSING and rule not in unjudged for rule in run.rules):
        return FAILED
    return GENERATOR_LIMITED if unjudged else PASSED


def _plan(arguments: argparse.Namespace, settings: Settings) -> tuple[LoadPlan, Target]:
    """The plan, and the server that it is for. Raises LoadRefusedError, UsageError."""
    read = _of_url(arguments) if "://" in arguments.what else _of_file(arguments)
    scenario = replace(
        read.scenario,
        seed=read.scenario.seed if arguments.seed is None else arguments.seed,
        rules=(*read.scenario.rules, *arguments.rule),
        auto_stop=read.scenario.auto_stop or arguments.auto_stop,
    )
    limits = (settings.load_max_rate, settings.load_max_seconds)
    if read.listener:
        plan = LoadPlan(read.listener, scenario)
        return _of_listener(plan, settings)
    check_scenario(scenario, *limits)
    side = side_of(read.origin, Path(), settings.load_hosts)
    if not isinstance(side, ServerSide):
        raise UsageError(f"{read.origin}: a server is named as http://ADDRESS:PORT")
    plan = LoadPlan(
        "",
        scenario,
        origin=read.origin,
        address=side.target.address,
        lookup_seconds=side.lookup_seconds,
    )
    return plan, side.target


def _of_url(arguments: argparse.Namespace) -> ScenarioFile:
    url = urlsplit(arguments.what)
    if arguments.target is not None:
        raise UsageError("--target is for a scenario: the URL names the server")
    path = url.path or "/"
    target = f"{path}?{url.query}" if url.query else path
    rate = arguments.rate or _RATE
    seconds = _DURATION_S if arguments.duration is None else arguments.duration
    scenario = Scenario(
        Poisson(rate, seconds) if arguments.poisson else Constant(rate, seconds),
        (Flow((RequestStep(target=target),)),),
        keep_alive=not arguments.new_connections,
    )
    changes = {"max_connections": arguments.connections, "timeout_seconds": arguments.timeout}
    changes = {name: value for name, value in changes.items() if value is not None}
    return ScenarioFile(replace(scenario, **changes), origin=f"{url.scheme}://{url.netloc}")


def _of_file(arguments: argparse.Namespace) -> ScenarioFile:
    said = [name for name in _OPTIONS if getattr(arguments, name) is not None]
    if said:
        option = said[0].replace("_", "-")
        raise UsageError(f"--{option} is for a URL: the scenario's file says it")
    read = read_scenario(Path(arguments.what))
    if arguments.target is not None:
        return ScenarioFile(read.scenario, origin=arguments.target.rstrip("/"))
    if not (read.listener or read.origin):
        raise UsageError(
            f"{arguments.what} does not say where it aims: add --target http://ADDRESS:PORT"
        )
    return read


def _of_listener(plan: LoadPlan, settings: Settings) -> tuple[LoadPlan, Target]:
    """The plan with the kind of its target, and where that is: a listener or app of this folder."""
    if not settings.data_dir.is_dir():
        raise UsageError(
            f"the scenario aims at {plan.listener!r}, and no dashboard has the data folder "
            f"{settings.data_dir}: add --target http://ADDRESS:PORT"
        )
    with closing(Control(settings.data_dir)) as control:
        targets = load_targets(control, settings)
    target = check(plan, targets, settings.load_max_rate, settings.load_max_seconds)
    return replace(plan, is_recorded_app=targets.app(plan.listener) is not None), target


def _measure(plan: LoadPlan, target: Target) -> tuple[LoadRun, bool]:
    """The run, over; and whether a person interrupted it. Raises LoadFailedError.

    The first SIGINT or SIGTERM ends the run with its result, a second one at once.
    """
    started_s, was_interrupted = time.time(), False
    interrupted: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if interrupted:
            raise SystemExit(INTERRUPTED)
        interrupted.append(number)

    with (
        TemporaryDirectory(prefix="servescope-load-") as rings,
        handled([signal.SIGINT, signal.SIGTERM], interrupt),
    ):
        generator = GeneratorProcess(1, plan, target, Path(rings), target.free_core)
        try:
            was_interrupted = _follow(generator, plan, interrupted)
        finally:
            generator.kill()
            generator.wait(PATIENCE_S)
    if generator.result is None:
        raise LoadFailedError(
            "the load generator did not finish its run"
            + (f": {generator.message}" if generator.message else "")
        )
    result = generator.result.to_json()
    state = RunState.STOPPED if was_interrupted else RunState.DONE
    return LoadRun(1, plan, state, started_s, started_s, time.time(), {}, result), was_interrupted


def _follow(generator: GeneratorProcess, plan: LoadPlan, interrupted: list[int]) -> bool:
    """Show how far it is until it is over; whether a person ended it."""
    terminal = Terminal.of(sys.stderr)
    give_up = time.monotonic() + plan.seconds + plan.scenario.timeout_seconds + PATIENCE_S
    shown: Progress | None = None
    next_line_s = 0.0
    while not generator.wait(POLL_S) and time.monotonic() < give_up:
        if interrupted:
            generator.stop()
        progress = generator.progress
        if progress is None or progress is shown:
            continue
        shown = progress
        line = progress_line(
            progress.to_json(), plan.seconds, plan.scenario.timeout_seconds, terminal
        )
        if terminal.is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
        elif progress.elapsed_s >= next_line_s:
            next_line_s = progress.elapsed_s + plan.seconds / PLAIN_LINES
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    if terminal.is_terminal:
        sys.stderr.write("\r\x1b[K")
    return bool(interrupted)


def _write_report(file: Path, run: LoadRun) -> None:
    """Raises UsageError when it cannot be written."""
    data = RunData(
        replace(run, id=0),  # it has no number: no store keeps it
        socket.gethostname(),
        said_of_run(run),
        without_series="The run was started on the command line: nothing but the load generator "
        "measured it.",
    )
    try:
        file.write_text(report_html(data), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written to {file}: {error.strerror}") from None


def _as_json(run: LoadRun, status: int) -> dict[str, Any]:
    said = findings(gathering.run_of(run))
    return {
        "exit_status": status,
        "plan": run.plan.to_json(),
        "started_s": run.started_s,
        "result": run.result,
        "findings": [{"severity": one.severity.value, "sentence": one.sentence} for one in said],
    }
