"""Searches for the capacity of pools of threads, beside how much they answer when all are busy.

An app that sleeps 20 ms, on 1, 2, 4 and 8 threads, and one that computes, on 8. A thread answers a
little less than 50 requests per second: the sleep lasts longer than asked for, and the server works
before and after it. So twice as many users as there are threads ask the same pool first, without a
pause: the search should find the rate at which they are answered.

At last the load generator is the limit, of a pool of 8 threads that sleep: once with 2 connections,
once when it is stopped half of the time, 20 ms of 40. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from load import carry_out

from servescope.control import Control
from servescope.control.listeners import LEADER
from servescope.queries.capacity import models_of, resumed
from servescope.recording.recorder import Recorder
from servescope.records.capacity import DEFAULT_TOTAL_S, CapacityPlan
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Scenario, Users
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence, limit_of
from tests.runtime.halted_generator import halted_half_of_the_time
from tests.waiting import eventually

if TYPE_CHECKING:
    from servescope.records.capacity import SearchedCapacity

APPS: Final = "tests.runtime.capacity_apps"
LIMITS_S: Final = {"waiting": 0.05, "computing": 0.5}
SATURATED_S: Final = 10.0
SEARCH_S: Final = 360.0
"""A search takes 300 s at most, and the step under way at their end some more."""


def measure(
    app: str,
    threads: int,
    *,
    connections: int | None = None,
    is_halted: bool = False,
    total_s: float = DEFAULT_TOTAL_S,
) -> None:
    """Serve an app by so many threads, keep them busy, then search; print both.

    The generator of the search may have only so many connections, or half of its time.
    """
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
            plan = CapacityPlan("wsgi", "/", LIMITS_S[app], 0.01, most_rate=5_000, total_s=total_s)
            if connections is not None:
                plan = replace(plan, max_connections=connections)
                print(f"  a generator with {connections} connections", flush=True)
            with ExitStack() as halted:
                if is_halted:
                    print("  a generator that is stopped for 20 of 40 ms", flush=True)
                    halted.enter_context(halted_half_of_the_time(searches.pids))
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


def main() -> None:
    """Print two lines a search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--threads", type=int, nargs="*", default=[1, 2, 4, 8], help="of the pools that sleep"
    )
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_TOTAL_S, help="of one search, at most"
    )
    options = parser.parse_args()
    for count in options.threads:
        measure("waiting", count, total_s=options.seconds)
    measure("computing", 8, total_s=options.seconds)
    measure("waiting", 8, connections=2, total_s=options.seconds)
    measure("waiting", 8, is_halted=True, total_s=options.seconds)


if __name__ == "__main__":
    main()
