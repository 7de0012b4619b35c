"""Start and stop a load run."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.actions.load_targets import found_host, is_origin, load_targets
from servescope.errors import LoadRefusedError
from servescope.load.plan import check
from servescope.records.load import LoadPlan
from servescope.records.scenarios import (
    BodyKind,
    Constant,
    Flow,
    Poisson,
    Ramp,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
)
from servescope.scenarios.scenario_file import from_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.control import Control
    from servescope.control.load_runs import LoadRuns
    from servescope.records.load import LoadRun
    from servescope.records.scenarios import Schedule
    from servescope.settings import Settings

_PER_SECOND: Final = "requests per second"


@dataclass(frozen=True, slots=True)
class LoadRunRequest:
    """A load run as a person described it, unread; rates in requests per second.

    `schedule` has the fields of a record of `scenarios` and its `kind`, except for what `rate` and
    `seconds` say; `requests` those of steps, with `weight`, and header fields as lines of text. The
    first of them is sent to `target`, unless it has a target of its own.
    """

    listener: object  # its name; or an origin, if the operator named its host
    target: object  # path and query; nothing is "/"
    rate: object
    seconds: object
    schedule: Mapping[str, object] = field(default_factory=dict)  # nothing: constant
    requests: Sequence[Mapping[str, object]] = ()  # nothing: one GET
    keep_alive: object = True
    rules: object = ""  # one a line
    auto_stop: object = False  # stop the run when a rule can no longer pass
    file: object = ""  # a scenario file's text: it says all but where the run aims


def start(control: Control, settings: Settings, request: LoadRunRequest) -> LoadRun:
    """Ask the leader for a load run.

    A named host is looked up now, which may take the resolver's time. Raises LoadRefusedError when
    the run is out of bounds, aims at nothing that it may, or while other load goes on.
    """
    plan = admitted(control, settings, read(request))
    return control.load_runs.request(plan, time.time())


def admitted(control: Control, settings: Settings, plan: LoadPlan) -> LoadPlan:
    """The plan, with the kind of its target and the present address of a named host.

    Raises LoadRefusedError when it is out of bounds, or aims at nothing that it may.
    """
    if plan.origin:
        plan = plan.on(found_host(plan.origin, settings))
    targets = load_targets(control, settings)
    check(plan, targets, settings.load_max_rate, settings.load_max_seconds)
    return replace(plan, is_recorded_app=targets.app(plan.listener) is not None)


def stop(load_runs: LoadRuns, run_id: int) -> LoadRun:
    """Ask the leader for the end of a load run; one that is over stays as it is.

    Raises LoadRefusedError when there is no such run.
    """
    return load_runs.request_stop(run_id)


def read(request: LoadRunRequest) -> LoadPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    aim = request.listener
    if not (aim and isinstance(aim, str)):
        raise LoadRefusedError("choose a listener, an app or a host")
    is_host = is_origin(aim)
    return LoadPlan(
        listener="" if is_host else aim,
        scenario=read_scenario(request),
        origin=aim if is_host else "",
    )


def read_scenario(request: LoadRunRequest) -> Scenario:
    """The scenario that a request describes, unchecked. Raises LoadRefusedError as `read`."""
    if request.file:
        return from_toml(str(request.file)).scenario
    rows = request.requests or ({},)
    flows = tuple(
        _flow(row, request.target if number == 1 else None, number)
        for number, row in enumerate(rows, 1)
    )
    lines = map(str.strip, fields.text(request.rules).splitlines())
    return Scenario(
        _schedule(request),
        flows,
        keep_alive=bool(request.keep_alive),
        rules=tuple(filter(None, lines)),
        auto_stop=bool(request.auto_stop),
    )


def _schedule(request: LoadRunRequest) -> Schedule:
    told = request.schedule
    kind = told.get("kind") or Constant.kind
    seconds = fields.number_of("seconds", "the duration", request.seconds)

    def rate_of(name: str, key: str) -> float:
        return fields.number_of(_PER_SECOND, name, told.get(key))

    def seconds_of(name: str, key: str) -> float:
        return fields.number_of("seconds", name, told.get(key))

    if kind == Users.kind:
        users = fields.whole_number(told.get("users"))
        if users is None:
            raise LoadRefusedError("fill in a whole number of users")
        return Users(users, seconds_of("the think time", "think_seconds"), seconds)
    if kind == Steps.kind:
        rates = _rates(told.get("rates"))
        return Steps(rates, seconds / len(rates))
    rate = fields.number_of(_PER_SECOND, "the rate", request.rate)
    if kind == Constant.kind:
        return Constant(rate, seconds)
    if kind == Poisson.kind:
        return Poisson(rate, seconds)
    if kind == Ramp.kind:
        return Ramp(rate_of("the first rate", "from_rate"), rate, seconds)
    if kind == Spike.kind:
        return Spike(
            rate,
            rate_of("the rate of the spike", "peak_rate"),
            seconds_of("the beginning of the spike", "peak_at"),
            seconds_of("the length of the spike", "peak_seconds"),
            seconds,
        )
    raise LoadRefusedError(f"{fields.quoted(kind)} is no schedule that a form describes")


def _rates(value: object) -> tuple[float, ...]:
    """`100, 200 400` as three numbers."""
    texts = re.split(r"[,;\s]+", fields.text(value).strip(",; "))
    return tuple(
        fields.number_of(_PER_SECOND, f"the rate of step {number}", text)
        for number, text in enumerate(texts, 1)
    )


def _flow(row: Mapping[str, object], target: object, number: int) -> Flow:
    kind = row.get("body_kind") or BodyKind.TEXT
    if kind not in tuple(BodyKind):
        raise LoadRefusedError(f"the kind of a body is {', '.join(BodyKind)}")
    weight = row.get("weight")
    step = RequestStep(
        name=fields.text(row.get("name")),
        method=fields.text(row.get("method")) or "GET",
        target=fields.text(row.get("target") or target or "/"),
        headers=_headers(row.get("headers"), number),
        body="" if row.get("body") is None else str(row.get("body")),
        body_kind=BodyKind(str(kind)),
        send_seconds=_seconds(row.get("send_seconds"), f"the time to send request {number}"),
        read_seconds=_seconds(row.get("read_seconds"), f"the time to read answer {number}"),
    )
    if not fields.text(weight):
        return Flow((step,))
    return Flow((step,), fields.number_of("parts", f"the weight of request {number}", weight))


def _seconds(value: object, name: str) -> float:
    """A time that may be left out."""
    return fields.number_of("seconds", name, value) if fields.text(value) else 0.0


def _headers(value: object, number: int) -> tuple[tuple[str, str], ...]:
    """Lines of `Name: value`."""
    headers = []
    for line in fields.text(value).splitlines():
        name, colon, text = line.partition(":")
        if line.strip() and not colon:
            raise LoadRefusedError(
                f"a header field of request {number} is a line as Accept: text/html, "
                f"not {fields.quoted(line)}"
            )
        if line.strip():
            headers.append((name.strip(), text.strip()))
    return tuple(headers)
