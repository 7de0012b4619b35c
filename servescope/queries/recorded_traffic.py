"""Traffic that a listener has had, as a scenario that repeats its counts.

The store knows routes, not requests: a recording has GET and HEAD of route templates, without
queries, header fields and bodies, so no secret of anybody gets into it. A variable of a template is
sent as `1`. A request is counted in the second in which it ended.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np

from servescope import catalog
from servescope.errors import LoadRefusedError
from servescope.queries.span import View
from servescope.queries.traffic import METHOD, ROUTE, of_listener
from servescope.records.scenarios import Flow, Recorded, RequestStep, Scenario
from servescope.scenarios.bounds import MAX_FLOWS
from servescope.scenarios.flow_checks import ORIGIN_FORM, WITHOUT_BODY
from servescope.sentences import counted
from servescope.store.query import Aggregation, Query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext

SECONDS: Final = 60
LIVE: Final = View()
_VARIABLE: Final = re.compile(r"\{[^{}]*\}")
_AS_IT_IS: Final = "/:@!$&'()*+,;=~%"


@dataclass(frozen=True, slots=True)
class RecordedTraffic:
    """A scenario of recorded traffic, and a sentence on what is in it and what was left out."""

    scenario: Scenario
    told: str


def recorded_minute(
    context: QueryContext, listener: str, factor: float, view: View = LIVE
) -> RecordedTraffic:
    """The last minute of a view of a listener's traffic: of a live one, the last that there is.

    `factor` times as many requests are to be sent. Raises LoadRefusedError when there was none that
    can be sent again, or when its seconds are no longer kept.
    """
    newest = context.newest()
    end = (int(time.time()) if newest is None else newest) + 1
    if view.fixed is not None:
        end = min(view.fixed[1], end)
    start = end - SECONDS
    query = Query(
        catalog.REQUEST_DURATION, start, end, by=(METHOD, ROUTE), where=of_listener(listener)
    )
    found = context.store.aggregate(query, Aggregation.SUM)
    if found.actual_step != 1:
        raise LoadRefusedError(
            f"the minute from {_clock(start)} UTC is kept as a whole, without its seconds; show a "
            "later one in the time bar"
        )
    counts: dict[tuple[str, str], NDArray[np.int64]] = {}
    left_out = 0
    for (method, route), row in zip(found.groups, found.values, strict=True):
        seconds = np.nan_to_num(row).round().astype(np.int64)
        target = target_of_route(route)
        if method in WITHOUT_BODY and target:
            counts[method, target] = counts.get((method, target), 0) + seconds
        else:
            left_out += int(seconds.sum())
    busiest = sorted(counts, key=lambda key: -int(counts[key].sum()))
    kept = [key for key in busiest[:MAX_FLOWS] if counts[key].any()]
    left_out += sum(int(counts[key].sum()) for key in busiest[MAX_FLOWS:])
    if not kept:
        raise LoadRefusedError(
            f"no GET or HEAD to {listener!r} is known of the minute from {_clock(start)} "
            "UTC; there is nothing to record"
        )
    arrivals = np.stack([counts[key] for key in kept], axis=1)
    flows = tuple(Flow((RequestStep(method=method, target=target),)) for method, target in kept)
    source = f"{listener}, {_clock(start)} to {_clock(end)} UTC"
    recorded = Recorded(tuple(map(tuple, arrivals.tolist())), factor, source)
    told = (
        f"{counted(int(arrivals.sum()), 'request')} to {counted(len(kept), 'route')} in "
        f"{len(arrivals)} s. Bodies, header fields and queries are not known and not sent; a "
        "variable of a route is sent as 1."
    )
    if left_out:
        verb = "was" if left_out == 1 else "were"
        told += f" {counted(left_out, 'other request')} {verb} left out."
    return RecordedTraffic(Scenario(recorded, flows, f"{listener} {_clock(start)}"), told)


def target_of_route(route: str) -> str:
    """The target that stands for a route template; nothing for what is no path."""
    target = quote(_VARIABLE.sub("1", route), safe=_AS_IT_IS)
    return target if ORIGIN_FORM.fullmatch(target) else ""


def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(second))
