"""Start and stop a load run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servescope.actions import fields
from servescope.errors import LoadRefusedError
from servescope.load.plan import check
from servescope.records.load import LoadPlan

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.control.load_runs import LoadRuns
    from servescope.records.load import LoadRun
    from servescope.settings import Settings


@dataclass(frozen=True, slots=True)
class LoadRunRequest:
    """A load run as a person described it, unread; `rate` in requests per second."""

    listener: object
    target: object  # path and query; nothing is "/"
    rate: object
    seconds: object


def start(control: Control, settings: Settings, request: LoadRunRequest) -> LoadRun:
    """Ask the leader for a load run.

    Raises LoadRefusedError when it is out of bounds, aims at no listener of ours, or while other
    load goes on.
    """
    plan = read(request)
    statuses = control.listeners.statuses()
    check(plan, statuses, settings.load_max_rate, settings.load_max_seconds)
    return control.load_runs.request(plan, time.time())


def stop(load_runs: LoadRuns, run_id: int) -> LoadRun:
    """Ask the leader for the end of a load run; one that is over stays as it is.

    Raises LoadRefusedError when there is no such run.
    """
    return load_runs.request_stop(run_id)


def read(request: LoadRunRequest) -> LoadPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    if not (request.listener and isinstance(request.listener, str)):
        raise LoadRefusedError("choose a listener")
    return LoadPlan.constant(
        listener=request.listener,
        target=fields.text(request.target or "/"),
        rate=fields.number_of("requests per second", "the rate", request.rate),
        seconds=fields.number_of("seconds", "the duration", request.seconds),
    )
