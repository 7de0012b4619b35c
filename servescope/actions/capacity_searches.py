"""Start and stop a search for the rate that a server carries."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.actions.load_targets import found_host, is_origin, load_targets
from servescope.errors import LoadRefusedError
from servescope.load.plan import check
from servescope.records.capacity import DEFAULT_TOTAL_S, FIRST_RATE, LIMITS, CapacityPlan
from servescope.records.named_hosts import NamedHost

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.control.capacity_searches import CapacitySearches
    from servescope.records.capacity import SearchedCapacity
    from servescope.settings import Settings

MOST_LIMIT_MS: Final = 5_000.0
"""Highest latency limit: a step of some seconds shows no longer one."""

_MS: Final = 1e3
_PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """A search as a person described it, unread."""

    listener: object  # its name, or an app's; or an origin, if the operator named its host
    target: object  # path and query; nothing is "/"
    limit_ms: object  # within which 99 of 100 requests are to be answered
    errors_percent: object  # of the requests, that may fail


def start(control: Control, settings: Settings, request: CapacityRequest) -> SearchedCapacity:
    """Ask the leader for a search.

    A named host is looked up now, which may take the resolver's time. Raises LoadRefusedError when
    the search is out of bounds, aims at nothing that it may, or while other load goes on.
    """
    plan = read(request, settings)
    if plan.host is not None:
        plan = replace(plan, host=found_host(plan.host.origin, settings))
    first = plan.load_at(FIRST_RATE, plan.step_s, plan.seed)
    targets = load_targets(control, settings)
    check(first, targets, settings.load_max_rate, settings.load_max_seconds)
    plan = replace(plan, is_recorded_app=targets.app(plan.listener) is not None)
    return control.capacity_searches.request(plan, time.time())


def stop(capacity_searches: CapacitySearches, search_id: int) -> SearchedCapacity:
    """Ask the leader for the end of a search; one that is over stays as it is.

    Raises LoadRefusedError when there is no such search.
    """
    return capacity_searches.request_stop(search_id)


def read(request: CapacityRequest, settings: Settings) -> CapacityPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    if not (request.listener and isinstance(request.listener, str)):
        raise LoadRefusedError("choose a listener, an app or a host")
    limit_ms = fields.number_of("milliseconds", "the latency", request.limit_ms)
    if not 0 < limit_ms <= MOST_LIMIT_MS:
        raise LoadRefusedError(
            f"the latency is above 0 and at most {MOST_LIMIT_MS:,.0f} ms, not {limit_ms:,.10g}"
        )
    percent = fields.number_of("percent", "the share of errors", request.errors_percent)
    if not 0 <= percent < _PERCENT:
        raise LoadRefusedError(
            f"the share of errors is at least 0 and below 100 %, not {percent:g}"
        )
    is_host = is_origin(request.listener)
    return CapacityPlan(
        listener="" if is_host else request.listener,
        target=fields.text(request.target or "/"),
        latency_limit_s=limit_ms / _MS,
        error_limit=percent / _PERCENT,
        most_rate=float(settings.load_max_rate),
        total_s=max(DEFAULT_TOTAL_S, LIMITS * limit_ms / _MS),
        host=NamedHost(request.listener) if is_host else None,
    )
