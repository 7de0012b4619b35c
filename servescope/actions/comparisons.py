"""Start and stop a comparison of concurrency models."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servescope.actions import fields
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.hostable_apps import why_not_hostable
from servescope.errors import LoadRefusedError
from servescope.records.comparisons import LEAST_MODELS, ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.scenarios.checks import check_scenario

if TYPE_CHECKING:
    from servescope.control.comparisons import Comparisons
    from servescope.records.comparisons import Comparison
    from servescope.settings import Settings


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """A comparison as a person described it, unread; `rate` in requests per second, on each."""

    models: object  # names of concurrency models
    endpoint: object  # a name of `compared_endpoints`
    target: object  # path and query; nothing is "/"
    rate: object
    seconds: object
    connections: object
    together: bool = False  # all at once, instead of one after the other


def start(comparisons: Comparisons, settings: Settings, request: ComparisonRequest) -> Comparison:
    """Ask the leader for a comparison.

    Raises LoadRefusedError when it is out of bounds, its app may not be hosted, or while any load
    goes on.
    """
    plan = read(settings, request)
    check(plan, settings)
    return comparisons.request(plan, time.time())


def stop(comparisons: Comparisons, comparison_id: int) -> Comparison:
    """Ask the leader for the end of a comparison; one that is over stays as it is.

    Raises LoadRefusedError when there is no such comparison.
    """
    return comparisons.request_stop(comparison_id)


def read(settings: Settings, request: ComparisonRequest) -> ComparisonPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    endpoint = compared_endpoints(settings).get(str(request.endpoint))
    if endpoint is None:
        raise LoadRefusedError("choose an endpoint")
    if not isinstance(request.models, list | tuple):
        raise LoadRefusedError("choose two to four models")
    rate = fields.number_of("requests per second", "the rate", request.rate)
    seconds = fields.number_of("seconds", "the duration", request.seconds)
    if not fields.text(request.connections):
        raise LoadRefusedError("fill in a number of connections")
    connections = fields.whole_number(request.connections)
    if connections is None:
        raise LoadRefusedError(
            f"the number of connections is a whole number, not {fields.quoted(request.connections)}"
        )
    return ComparisonPlan(
        models=tuple(one for one in ConcurrencyModel if one in request.models),
        app=endpoint.app,
        target=fields.text(request.target or "/"),
        rate=rate,
        seconds=seconds,
        max_connections=connections,
        loop_app=endpoint.loop_app,
        together=request.together,
    )


def check(plan: ComparisonPlan, settings: Settings) -> None:
    """Raise LoadRefusedError with a sentence that says what can be, for a plan that may not run."""
    models = set(plan.models)
    if len(models) < LEAST_MODELS or len(models) != len(plan.models):
        raise LoadRefusedError(f"choose at least {LEAST_MODELS} models, each of them once")
    for app in {plan.app_of(model) for model in plan.models}:
        why_not = why_not_hostable(settings, app)
        if why_not:
            raise LoadRefusedError(why_not)
    most = settings.load_max_rate / (len(models) if plan.together else 1)
    check_scenario(plan.load_on(plan.models[0]).scenario, most, settings.load_max_seconds)
