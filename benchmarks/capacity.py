"""Searches for the capacity of pools of threads, beside how much they answer when all are busy.

    python benchmarks/capacity.py [THREADS …]

An app that sleeps 20 ms, on 1, 2, 4 and 8 threads, and one that computes, on 8. A thread answers a
little less than 50 requests per second: the sleep lasts longer than asked for, and the server works
before and after it. So twice as many users as there are threads ask the same pool first, without a
pause: the search should find the rate at which they are answered. Takes about ten minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from load import carry_out

from servescope.control import Control
from servescope.control.listeners import LEADER
from servescope.queries.capacity import models_of, resumed
from servescope.recording.recorder import Recorder
from servescope.records.capacity import CapacityPlan
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Scenario, Users
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence, limit_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from servescope.records.capacity import SearchedCapacity

APPS: Final = "tests.runtime.capacity_apps"
LIMITS_S: Final = {"waiting": 0.05, "computing": 0.5}
SATURATED_S: Final = 10.0
SEARCH_S: Final = 360.0
"""A search takes 300 s at most, and the step under way at their end some more."""


def measure(app: str, threads: int) -> None:
    """Serve an app by so many threads, keep them busy, then search; print both."""
    with tempfile.TemporaryDirectory() as name, closing(Control(Path(name))) as control:
        folder = Path(name)
        settings = Settings(data_dir=folder, wsgi_port=0)
        recorder = Recorder(folder / "rings")
        (spec,) = (one for one in configured_listeners(settings) if one.name == "wsgi")
        spec = replace(spec, app=f"{APPS}:{app}", options=replace(spec.options, threads=threads))
        listeners = ListenerReconciler(
            [spec], recorder, folder / "logs", why_not_hostable=lambda _: ""
        )
        host = ListenerHost(listeners, control, LEADER)
        searches = CapacitySearchReconciler(control, folder / "rings", settings, host.load)
        try:
            host.reconcile()
            (status,) = control.listeners.statuses()
            users = LoadPlan("wsgi", Scenario(Users(2 * threads, 0.0, SATURATED_S)))
            saturated = carry_out(users, status.port).answered_in_schedule / SATURATED_S
            print(f"{app}, {threads} threads: all busy {saturated:.1f} requests/s", flush=True)
            plan = CapacityPlan("wsgi", "/", LIMITS_S[app], 0.01, most_rate=5_000)
            print(f"  {in_words(search(control, searches, plan))}", flush=True)
        finally:
            searches.stop()
            listeners.stop(1)
            recorder.close()


def search(
    control: Control, searches: CapacitySearchReconciler, plan: CapacityPlan
) -> SearchedCapacity:
    """Carry out one search to its end."""
    number = control.capacity_searches.request(plan, time.time()).id

    def over() -> SearchedCapacity | None:
        searches.reconcile()
        found = control.capacity_searches.by_id(number)
        return found if found is not None and found.is_over else None

    return eventually(over, SEARCH_S, step=0.2, what="the end of the search")


def in_words(over: SearchedCapacity) -> str:
    """The result of a search in a line."""
    search = resumed(over)
    result, models = search.result(), models_of(search.steps, search.objective)
    found = result.outcome.value
    if result.capacity is not None:
        capacity = result.capacity
        found += f" {capacity.rate:.1f} ({capacity.low:.1f} to {capacity.high:.1f}) requests/s"
    reason = result.reason or f"limited by {limit_of(EdgeEvidence(**over.evidence))}"
    model = models.chosen.kind if models else "none"
    return f"{found}; {reason}; model: {model}; {len(search.steps)} steps, {search.spent_s:.0f} s"


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ("1", "2", "4", "8")):
        measure("waiting", count)
    measure("computing", 8)
