"""Searches for a capacity on pools of which it is known: W threads that wait 20 ms carry 50 W.

python benchmarks/capacity.py [THREADS …]
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from servescope.control import Control
from servescope.control.listeners import LEADER
from servescope.queries.capacity import models_of, resumed
from servescope.recording.recorder import Recorder
from servescope.records.capacity import CapacityPlan
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence, limit_of

APPS: Final = "tests.runtime.capacity_apps"
CASES: Final = {"waiting": 0.05, "computing": 0.5}


def search(app: str, threads: int, limit_s: float) -> None:
    """Carry out one search and print it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder, wsgi_port=0)
        control, recorder = Control(folder), Recorder(folder / "rings")
        (spec,) = (one for one in configured_listeners(settings) if one.name == "wsgi")
        options = replace(spec.options, threads=threads)
        listeners = ListenerReconciler(
            [replace(spec, app=f"{APPS}:{app}", options=options)],
            recorder,
            folder / "logs",
            why_not_hostable=lambda _: "",
        )
        host = ListenerHost(listeners, control, LEADER)
        host.reconcile()
        searches = CapacitySearchReconciler(control, folder / "rings", settings, host.load)
        plan = CapacityPlan("wsgi", "/", limit_s, 0.01, most_rate=5_000)
        number = control.capacity_searches.request(plan, time.time()).id
        while not (found := control.capacity_searches.by_id(number)).is_over:  # type: ignore[union-attr]
            searches.reconcile()
            time.sleep(0.2)
        done = resumed(found)  # type: ignore[arg-type]
        result = done.result()
        said = result.outcome.value
        if result.capacity is not None:
            one = result.capacity
            said += f" {one.rate:.1f} ({one.low:.1f} to {one.high:.1f}) requests/s"
        models = models_of(done.steps, done.objective)
        model = models.chosen.kind if models else "none"
        limit = limit_of(EdgeEvidence(**found.evidence))  # type: ignore[union-attr]
        print(
            f"{app} {threads} threads: {said}; {result.reason or 'limited by ' + limit}; "
            f"model: {model}; {len(done.steps)} steps, {done.spent_s:.0f} s"
        )
        searches.stop()
        listeners.stop(1)
        recorder.close()
        control.close()


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ("1", "2", "4", "8")):
        search("waiting", count, CASES["waiting"])
    search("computing", 8, CASES["computing"])
