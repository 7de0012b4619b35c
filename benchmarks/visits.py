"""How long a browser takes to the first graph, on its first three visits, and its bytes.

Starts a dashboard in a data folder of its own for each tree, and visits the overview in turns, each
round in a Chromium with a new profile and then again with what that has kept. Prints medians: time
to the first graph, CPU time of the page's main thread until then, bytes over the wire, requests.
On a machine that others use, only the ratios of trees that took turns say something.

A second visit fetches no file, but it parses and compiles all scripts again: Chromium makes the
code cache of a script when it loads it a second time, and uses it from the third on, if the profile
is on disk: a private window has none.

Each visit opens a tab in a window that stands, and begins when Chromium has nothing else to do: to
open a window takes it as much CPU time as the page does, at the same time.

    python benchmarks/visits.py [--rounds 9] [--path /] [TREE …]

A TREE is a folder with another state of the repository; without one, it is this one alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, DESKTOP, FLAGS
from tests.browser.traffic import Visit, visit
from tests.processes import ROOT, Dashboards

KINDS: Final = ("first visit", "second visit", "third visit")
WARM_UP_S: Final = 5
"""After which the graphs have lines to draw."""

LOOK_S: Final = 0.5
IDLE_CPU_S: Final = 0.01
IDLE_WITHIN_S: Final = 60
"""Chromium is idle when its processes take less CPU time than IDLE_CPU_S in LOOK_S."""


def main(trees: list[Path], path: str, rounds: int) -> None:
    """Measure all trees in turns, and print a row for each and each kind of visit."""
    visits: dict[tuple[Path, str], list[Visit]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        dashboards = Dashboards(Path(folder), has_own_interpreter=True)
        try:
            urls = {
                tree: dashboards(folder=Path(folder) / str(index), cwd=tree).url
                for index, tree in enumerate(trees)
            }
            time.sleep(WARM_UP_S)
            for _ in range(rounds):
                for tree, url in urls.items():
                    for kind, one in zip(KINDS, visit_thrice(playwright, url + path), strict=True):
                        visits.setdefault((tree, kind), []).append(one)
        finally:
            dashboards.end()
    print(f"{rounds} rounds, medians: first graph ms, main thread CPU ms, kB, requests")
    for (tree, kind), all_of_it in visits.items():
        print(f"{tree!s:40} {kind:13}", summary(all_of_it))


def visit_thrice(playwright: Any, url: str) -> list[Visit]:
    """Visit with a new profile, then with what it kept."""
    with tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS, **DESKTOP
        )
        visits = []
        try:
            for _ in KINDS:
                wait_idle()
                visits.append(visit(context, url))
        finally:
            context.close()
    return visits


def wait_idle() -> None:
    """Wait until the Chromium that this process started has nothing to do."""
    deadline = time.monotonic() + IDLE_WITHIN_S
    before = chromium_cpu_s()
    while True:
        time.sleep(LOOK_S)
        now = chromium_cpu_s()
        if now - before < IDLE_CPU_S:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"Chromium is still busy after {IDLE_WITHIN_S} s")
        before = now


def chromium_cpu_s() -> float:
    """CPU time of the processes of Chromium below this one, of those that are there now."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            pass  # it ended meanwhile
    return total


def summary(visits: list[Visit]) -> str:
    """Medians of the visits, as columns."""
    figures = (
        [one.first_graph_ms for one in visits],
        [one.main_thread_ms for one in visits],
        [one.bytes / 1000 for one in visits],
        [float(len(one.fetched)) for one in visits],
    )
    return "".join(f"{statistics.median(values):10.0f}" for values in figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="*", type=Path, default=[ROOT])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--path", default="/")
    options = parser.parse_args()
    main(options.trees, options.path, options.rounds)
