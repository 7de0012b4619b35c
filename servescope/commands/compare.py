"""`python -m servescope compare`: whether one server, or version of an app, is slower than another.

Exit status: 0 not slower; 1 slower by more than the tolerance, or failing requests that the other
answers; 2 bad input; 3 too noisy to decide. Standard output has the result, standard error the
progress. A side may be a run that was measured before: then one run of each is judged.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from servescope.commands.interruption import INTERRUPTED, TERMINATED, handled
from servescope.commands.option_values import above_zero, whole
from servescope.errors import (
    ComparisonError,
    ListenerError,
    LoadRefusedError,
    RunFileError,
    ServescopeError,
    UsageError,
)
from servescope.figures.run_texts import offered_text
from servescope.figures.units import length
from servescope.records.listeners import ConcurrencyModel
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.run_files.archive import SUFFIX, open_run_file
from servescope.scenarios.checks import check_same_for_each, check_scenario
from servescope.scenarios.scenario_file import read_scenario
from servescope.settings import load_settings
from servescope.statistics.sequential_verdict import (
    JUDGED,
    MOST_PAIRS,
    SequentialVerdict,
    Side,
    told_by,
)
from servescope.verdicts.comparing import PairedComparison, measured_once
from servescope.verdicts.hosted_app import Hosting
from servescope.verdicts.side import SIDE, side_of
from servescope.verdicts.side_runs import QUANTILES
from servescope.verdicts.sides import named_sides
from servescope.verdicts.two_runs import RunSide, judged_runs
from servescope.verdicts.wording import (
    SLOWER,
    exit_status,
    lines,
    pair_line,
    quantile_name,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from servescope.settings import Settings
    from servescope.verdicts.comparing import Outcome
    from servescope.verdicts.sides import Sides

HELP: Final = "judge whether one server or version of an app is slower than another"


MOST_SECONDS: Final = 600
MOST_TOLERANCE: Final = 10.0
_LOAD: Final[dict[str, Any]] = {
    "target": "/",
    "rate": 50,
    "seconds": 4,
    "connections": 64,
    "timeout": 10,
}
"""Without a scenario."""

_BY_NAME: Final = {quantile_name(one): one for one in QUANTILES}
_KINDS: Final = ", ".join(_BY_NAME)


def percent(text: str) -> float:
    """Reads `5%`, `5 %` or `5` as 0.05."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not 0 < share <= MOST_TOLERANCE:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 % and {MOST_TOLERANCE:.0%}")
    return share


def quantile_list(text: str) -> tuple[float, ...]:
    """Reads `p50,p90`; `none` is the empty list."""
    names = [] if text == "none" else [part.strip() for part in text.split(",")]
    if unknown := [name for name in names if name not in _BY_NAME]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {_KINDS}")
    return tuple(_BY_NAME[name] for name in names)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add = parser.add_argument
    add("before", metavar="BEFORE", help=SIDE)
    add("after", metavar="AFTER", help="the same; is this one slower?")
    add(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="what one run sends, and when: a TOML file; then none of the five options below",
    )
    add("--target", help=f"path and query of each request, a GET; default: {_LOAD['target']}")
    add(
        "--rate",
        type=above_zero,
        help="requests per second, at random times that both sides share; "
        f"default: {_LOAD['rate']}",
    )
    add("--seconds", type=above_zero, help=f"of each run; default: {_LOAD['seconds']}")
    add(
        "--connections",
        type=whole(1, 4_096),
        help=f"at most; default: {_LOAD['connections']}",
    )
    add(
        "--timeout",
        type=above_zero,
        metavar="SECONDS",
        help=f"an answer that takes longer is a failure; default: {_LOAD['timeout']}",
    )
    add(
        "--tolerance",
        type=percent,
        default=0.05,
        metavar="PERCENT",
        help="up to so much slower is not slower; default: 5%%",
    )
    add(
        "--pairs",
        type=whole(2, 1_000),
        default=MOST_PAIRS,
        help="most pairs of runs; it ends before as soon as it is certain; default: %(default)s",
    )
    add(
        "--judge",
        type=quantile_list,
        default=JUDGED,
        metavar="QUANTILES",
        help=f"of {_KINDS}: all of these must be as fast; default: p50,p90",
    )
    add(
        "--watch",
        type=quantile_list,
        metavar="QUANTILES",
        help="shown too, and slower if certainly so, but not waited for; or none; default: p99, "
        "where a run has requests enough",
    )
    add("--seed", type=whole(0, 2**31), default=1, help="of the arrivals; default: %(default)s")
    add(
        "--model",
        choices=[str(model) for model in ConcurrencyModel],
        help="that hosts the apps; default: asyncio for ASGI, else thread_pool",
    )
    add("--threads", type=whole(1, 256), default=8, help="of each app; default: %(default)s")
    add("--workers", type=whole(1, 64), default=2, help="of prefork; default: %(default)s")
    add("--no-pin", action="store_true", help="let apps and generator run on any core")
    add("--json", action="store_true", help="write the result as one object of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare; answer the exit status.

    Raises UsageError for bad input and ComparisonError where it could not be measured to the end.
    """
    try:
        return _compare(arguments)
    except KeyboardInterrupt:
        _tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:  # no descriptors, no disk
        raise ComparisonError(f"nothing can be measured on this machine now: {error}") from error
    except ServescopeError as error:
        if error.exit_status == SLOWER:  # which is a verdict, and this is none
            raise ComparisonError(str(error)) from error
        raise


def _compare(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    named = {side: str(getattr(arguments, side)) for side in Side}
    files = {side: Path(text) for side, text in named.items() if text.endswith(f".{SUFFIX}")}
    if files:
        return _compare_runs(arguments, settings, files)
    scenario = _scenario(arguments, settings)
    sequence = _sequence(arguments, scenario)
    hosting = _hosting(arguments)
    with (
        handled([signal.SIGTERM], _end),
        TemporaryDirectory(prefix="servescope-revisions-") as checkouts,
    ):
        found = {
            side: side_of(getattr(arguments, side), Path(checkouts) / side, settings.load_hosts)
            for side in Side
        }
        try:
            sides = named_sides(found, hosting)
            comparison = PairedComparison(sides, scenario, sequence, hosting.cores[1])
            _announce(scenario, sides, sequence)
            comparison.check()
        except ListenerError as error:
            raise UsageError(str(error)) from error
        try:
            for pair in comparison.pairs():
                _tell(pair_line(pair))
        except (KeyboardInterrupt, SystemExit) as ended:  # what was measured until then is sound
            status = TERMINATED if isinstance(ended, SystemExit) else INTERRUPTED
            _show(comparison.outcome(), as_json=arguments.json, status=status)
            raise
        except ListenerError as error:  # it started a moment ago
            raise ComparisonError(str(error)) from error
    outcome = comparison.outcome()
    status = exit_status(outcome)
    _show(outcome, as_json=arguments.json, status=status)
    return status


def _compare_runs(
    arguments: argparse.Namespace, settings: Settings, files: Mapping[Side, Path]
) -> int:
    """Judge two runs; a side that is no file gets the run of the other one's scenario."""
    if not arguments.judge:
        raise UsageError("at least one quantile is judged")
    said = [name for name in ("scenario", *_LOAD) if getattr(arguments, name) is not None]
    if said:
        raise UsageError(f"--{said[0]} cannot be changed: the run file says it")
    runs = {side: _of_file(path) for side, path in files.items()}
    for side in Side:
        if side not in runs:
            runs[side] = _measured(arguments, settings, side, runs[side.other].scenario)
    for side in Side:
        _tell(f"{side}: {runs[side].label}")
    outcome = judged_runs(runs, arguments.tolerance, arguments.judge, arguments.watch)
    status = exit_status(outcome)
    _show(outcome, as_json=arguments.json, status=status)
    return status


def _of_file(path: Path) -> RunSide:
    try:
        with open_run_file(path) as opened:
            document = opened.document
    except RunFileError as error:
        raise UsageError(f"{path}: {error}") from error
    label = f"run {document.run.id} of {document.host}, in {path}"
    return RunSide.of_run(label, document.host, document.run)


def _measured(
    arguments: argparse.Namespace, settings: Settings, side: Side, scenario: Scenario
) -> RunSide:
    """A run of the scenario on the side, now."""
    try:
        check_scenario(scenario, settings.load_max_rate, settings.load_max_seconds)
        check_same_for_each(scenario)
    except LoadRefusedError as error:
        raise UsageError(str(error)) from error
    hosting = _hosting(arguments)
    with (
        handled([signal.SIGTERM], _end),
        TemporaryDirectory(prefix="servescope-revisions-") as checkouts,
    ):
        named = side_of(getattr(arguments, side), Path(checkouts) / side, settings.load_hosts)
        try:
            sides = named_sides({side: named}, hosting)
            seconds, label = scenario.schedule.seconds, sides.labels[side]
            _tell(f"{scenario.label}, {offered_text(scenario)} for {seconds:g} s on {label}")
            run = measured_once(sides, side, scenario, hosting.cores[1])
        except ListenerError as error:
            raise UsageError(str(error)) from error
    return RunSide(f"{sides.labels[side]}, now", settings.instance, scenario, run.result)


def _hosting(arguments: argparse.Namespace) -> Hosting:
    model = ConcurrencyModel(arguments.model) if arguments.model else None
    return Hosting(model, arguments.threads, arguments.workers, not arguments.no_pin)


def _scenario(arguments: argparse.Namespace, settings: Settings) -> Scenario:
    given = {name: getattr(arguments, name) for name in _LOAD}
    said = [name for name, value in given.items() if value is not None]
    try:
        if arguments.scenario is None:
            scenario = _one_request(**_LOAD | {name: given[name] for name in said})
        elif said:
            raise UsageError(f"--{said[0]} cannot be changed: the scenario's file says it")
        else:
            scenario = read_scenario(arguments.scenario).scenario
        check_scenario(
            scenario, settings.load_max_rate, min(settings.load_max_seconds, MOST_SECONDS)
        )
        check_same_for_each(scenario)
    except LoadRefusedError as error:
        raise UsageError(str(error)) from error
    return scenario


def _one_request(
    target: str, rate: float, seconds: float, connections: int, timeout: float
) -> Scenario:
    return Scenario(
        Poisson(rate, seconds),
        (Flow((RequestStep(target=target),)),),
        max_connections=connections,
        timeout_seconds=timeout,
    )


def _sequence(arguments: argparse.Namespace, scenario: Scenario) -> SequentialVerdict:
    requests = (scenario.schedule.mean_rate or 0) * scenario.schedule.seconds
    watched = arguments.watch
    try:
        return SequentialVerdict(
            arguments.tolerance,
            arguments.judge,
            told_by(requests) if watched is None else watched,
            arguments.pairs,
            arguments.seed,
        ).of_runs(requests)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _announce(scenario: Scenario, sides: Sides, sequence: SequentialVerdict) -> None:
    for side, label in sides.labels.items():
        _tell(f"{side}: {label}")
    seconds = scenario.schedule.seconds
    most = sequence.most_pairs
    _tell(
        f"{scenario.label}, {offered_text(scenario)} for {seconds:g} s on "
        f"each in turn; at most {most} pairs, {length(most * 2 * seconds)} of load"
    )


def _show(outcome: Outcome, *, as_json: bool, status: int) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(to_json(outcome, status))}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(outcome))
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _end(_number: int, _frame: FrameType | None) -> None:
    """End the command by an exception, so that nothing of it is left behind."""
    raise SystemExit(TERMINATED)
