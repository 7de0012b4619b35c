"""Start and stop a comparison: the same load on two to four models, listeners, apps, hosts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from servescope.actions import fields
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.hostable_apps import why_not_hostable
from servescope.actions.load_targets import found_host, is_origin, load_targets
from servescope.errors import LoadRefusedError
from servescope.load.targets import target_of
from servescope.records.comparisons import LEAST_TARGETS, MOST_TARGETS, ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario
from servescope.scenarios.checks import check_same_for_each, check_scenario
from servescope.scenarios.scenario_file import from_toml

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.control.comparisons import Comparisons
    from servescope.load.targets import Targets
    from servescope.records.comparisons import Comparison
    from servescope.settings import Settings

_CHOOSE = f"choose {LEAST_TARGETS} to {MOST_TARGETS} models, listeners, apps and named hosts"


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """A comparison as a person described it, unread; `rate` in requests per second, on each."""

    models: object  # names of concurrency models
    endpoint: object  # a name of `compared_endpoints`, for the models
    target: object  # path and query; nothing is "/"
    rate: object
    seconds: object
    connections: object
    together: bool = False  # all at once, instead of one after the other
    # Names of listeners that stand, and of apps that record here; origins that the operator named.
    listeners: object = ()
    file: object = ""  # a scenario file's text, in place of target, rate, seconds and connections


def start(control: Control, settings: Settings, request: ComparisonRequest) -> Comparison:
    """Ask the leader for a comparison.

    A named host is looked up now, which may take the resolver's time. Raises LoadRefusedError when
    it is out of bounds, its app may not be hosted, a target cannot be loaded, or while any load
    goes on.
    """
    plan = read(settings, request)
    check_targets(plan)
    plan = replace(plan, hosts=tuple(found_host(one.origin, settings) for one in plan.hosts))
    check(plan, settings, load_targets(control, settings))
    return control.comparisons.request(plan, time.time())


def stop(comparisons: Comparisons, comparison_id: int) -> Comparison:
    """Ask the leader for the end of a comparison; one that is over stays as it is.

    Raises LoadRefusedError when there is no such comparison.
    """
    return comparisons.request_stop(comparison_id)


def read(settings: Settings, request: ComparisonRequest) -> ComparisonPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    models, listeners = request.models or (), request.listeners or ()
    if not isinstance(models, list | tuple) or not isinstance(listeners, list | tuple):
        raise LoadRefusedError(_CHOOSE)
    chosen = tuple(one for one in ConcurrencyModel if one in models)
    app = loop_app = ""
    if chosen:
        endpoint = compared_endpoints(settings).get(str(request.endpoint))
        if endpoint is None:
            raise LoadRefusedError("choose an endpoint")
        app, loop_app = endpoint.app, endpoint.loop_app
    return ComparisonPlan(
        chosen,
        app,
        _scenario(request),
        loop_app=loop_app,
        together=request.together,
        listeners=tuple(str(one) for one in listeners if not is_origin(one)),
        hosts=tuple(NamedHost(str(one)) for one in listeners if is_origin(one)),
    )


def _scenario(request: ComparisonRequest) -> Scenario:
    if request.file:
        return from_toml(str(request.file)).scenario
    rate = fields.number_of("requests per second", "the rate", request.rate)
    seconds = fields.number_of("seconds", "the duration", request.seconds)
    if not fields.text(request.connections):
        raise LoadRefusedError("fill in a number of connections")
    connections = fields.whole_number(request.connections)
    if connections is None:
        raise LoadRefusedError(
            f"the number of connections is a whole number, not {fields.quoted(request.connections)}"
        )
    step = RequestStep(target=fields.text(request.target or "/"))
    return Scenario(Constant(rate, seconds), (Flow((step,)),), max_connections=connections)


def check_targets(plan: ComparisonPlan) -> None:
    """Raise LoadRefusedError unless there are enough targets, and each of them is there once."""
    names = [(one.model, one.label) for one in plan.targets]
    if not LEAST_TARGETS <= len(names) <= MOST_TARGETS or len(set(names)) != len(names):
        raise LoadRefusedError(f"{_CHOOSE}, each of them once")


def check(plan: ComparisonPlan, settings: Settings, targets: Targets) -> None:
    """Raise LoadRefusedError with a sentence that says what can be, for a plan that may not run."""
    check_targets(plan)
    compared = plan.targets
    for app in {plan.app_of(one) for one in compared if one.model}:
        why_not = why_not_hostable(settings, app)
        if why_not:
            raise LoadRefusedError(why_not)
    for one in compared:
        if one.model is None:
            target_of(plan.load_on(one), targets)
    check_same_for_each(plan.scenario)
    most = settings.load_max_rate / (len(compared) if plan.together else 1)
    check_scenario(plan.scenario, most, settings.load_max_seconds)
