"""Start and stop a verdict between two servers or models."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.hostable_apps import why_not_hostable
from servescope.actions.load_targets import found_host, is_origin, load_targets
from servescope.errors import LoadRefusedError
from servescope.load.targets import target_of
from servescope.records.listeners import ConcurrencyModel
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.records.verdicts import JudgedSide, VerdictPlan
from servescope.scenarios.checks import check_same_for_each, check_scenario
from servescope.scenarios.scenario_file import from_toml
from servescope.statistics.sequential_verdict import JUDGED, SequentialVerdict, told_by

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.control.verdicts import Verdicts
    from servescope.load.targets import Targets
    from servescope.records.verdicts import RequestedVerdict
    from servescope.settings import Settings

MOST_PAIRS: Final = 100
MOST_RUN_SECONDS: Final = 60.0
MOST_TOLERANCE_PERCENT: Final = 1_000.0
MOST_CONNECTIONS: Final = 64
"""Of the load that the fields describe; a scenario file says its own."""

MODEL: Final = "model:"
"""Begins the name of a side that is a model; no listener's name has a colon."""

_PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class VerdictRequest:
    """A verdict as a person described it, unread."""

    # The name of a listener or app, the origin of a host that the operator named, or MODEL and the
    # name of a model.
    before: object
    after: object
    target: object  # path and query; nothing is "/"
    rate: object  # requests per second
    seconds: object  # of one run
    tolerance_percent: object
    pairs: object  # at most
    file: object = ""  # a scenario file's text, in place of target, rate and seconds
    endpoint: object = ""  # a name of `compared_endpoints`: the app that models host


def start(control: Control, settings: Settings, request: VerdictRequest) -> RequestedVerdict:
    """Ask the leader for a verdict.

    A named host is looked up now, which may take the resolver's time. Raises LoadRefusedError when
    the verdict is out of bounds, aims at nothing that it may, or while other load goes on.
    """
    plan = _with_addresses(read(settings, request), settings)
    most_seconds = min(settings.load_max_seconds, MOST_RUN_SECONDS)
    targets = load_targets(control, settings)
    for side in (plan.before, plan.after):
        _check_side(plan, side, targets, settings)
    check_scenario(plan.scenario, settings.load_max_rate, most_seconds)
    _check_design(plan)
    return control.verdicts.request(plan, time.time())


def stop(verdicts: Verdicts, verdict_id: int) -> RequestedVerdict:
    """Ask the leader for the end of a verdict; one that is over stays as it is.

    Raises LoadRefusedError when there is no such verdict.
    """
    return verdicts.request_stop(verdict_id)


def _with_addresses(plan: VerdictPlan, settings: Settings) -> VerdictPlan:
    """The plan with the present addresses of named hosts. Raises LoadRefusedError.

    A host on both sides is looked up once: two addresses of a name may be two machines.
    """
    origins = {one.host.origin for one in (plan.before, plan.after) if one.host is not None}
    found = {origin: found_host(origin, settings) for origin in sorted(origins)}

    def with_address(side: JudgedSide) -> JudgedSide:
        return side if side.host is None else replace(side, host=found[side.host.origin])

    return replace(plan, before=with_address(plan.before), after=with_address(plan.after))


def _check_side(plan: VerdictPlan, side: JudgedSide, targets: Targets, settings: Settings) -> None:
    """Raise LoadRefusedError for a server that gets no load, or an app that is not hosted."""
    if side.model is None:
        target_of(plan.load_on(side), targets)
    elif why_not := why_not_hostable(settings, side.app):
        raise LoadRefusedError(why_not)


def read(settings: Settings, request: VerdictRequest) -> VerdictPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    before, after = (_side(settings, one, request) for one in (request.before, request.after))
    percent = fields.number_of("percent", "the tolerance", request.tolerance_percent)
    if not 0 < percent <= MOST_TOLERANCE_PERCENT:
        raise LoadRefusedError(
            f"the tolerance is above 0 and at most {MOST_TOLERANCE_PERCENT:,.0f} %, "
            f"not {percent:,.10g}"
        )
    pairs = fields.whole_number(request.pairs)
    if pairs is None or not 0 < pairs <= MOST_PAIRS:
        raise LoadRefusedError(
            f"the most pairs are a whole number from 1 to {MOST_PAIRS}, "
            f"not {fields.quoted(request.pairs)}"
        )
    return VerdictPlan(before, after, _scenario(request), percent / _PERCENT, pairs)


def _side(settings: Settings, chosen: object, request: VerdictRequest) -> JudgedSide:
    if not chosen or not isinstance(chosen, str):
        raise LoadRefusedError("choose two listeners, apps, hosts or models")
    if is_origin(chosen):
        return JudgedSide(host=NamedHost(chosen))
    if not chosen.startswith(MODEL):
        return JudgedSide(chosen)
    name = chosen.removeprefix(MODEL)
    if name not in list(ConcurrencyModel):
        raise LoadRefusedError(f"there is no model {fields.quoted(name)}")
    endpoint = compared_endpoints(settings).get(str(request.endpoint))
    if endpoint is None:
        raise LoadRefusedError("choose an endpoint for the models")
    model = ConcurrencyModel(name)
    return JudgedSide(model=model, app=endpoint.app_on(model))


def _scenario(request: VerdictRequest) -> Scenario:
    if request.file:
        scenario = from_toml(str(request.file)).scenario
    else:
        schedule = Poisson(
            fields.number_of("requests per second", "the rate", request.rate),
            fields.number_of("seconds", "the length of a run", request.seconds),
        )
        step = RequestStep(target=fields.text(request.target or "/"))
        scenario = Scenario(schedule, (Flow((step,)),), max_connections=MOST_CONNECTIONS)
    check_same_for_each(scenario)
    return scenario


def _check_design(plan: VerdictPlan) -> None:
    """Raise LoadRefusedError when so few pairs, or such short runs, can decide nothing."""
    requests = (plan.scenario.schedule.mean_rate or 0) * plan.scenario.schedule.seconds
    try:
        sequence = SequentialVerdict(plan.tolerance, JUDGED, told_by(requests), plan.most_pairs)
        sequence.of_runs(requests)
    except ValueError as error:
        raise LoadRefusedError(str(error)) from error
