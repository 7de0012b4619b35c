"""Memory, descriptors and threads of a watched dashboard, and of its pages, over a long run.

Starts `python app.py`, or gunicorn with two workers, in a data folder of its own, sends the hosted
listeners a steady rate of requests, and lets browsers watch: each viewer looks at every page in
turn and stays a while on each; pages that are left open stay as they are in one more browser.
Once every SAMPLE_S seconds prints of each process its resident set (Rss), its share of it where
pages of memory are shared (Pss), the part that no file backs (Anonymous; proc(5), smaps_rollup),
open descriptors and threads; and of each page left open the polls that were answered, its heap
after a collection of garbage, its DOM nodes and event listeners. At the end those at the start, at
half time and at the end, and those of a page just opened, which shows more than at the start, too.

    python benchmarks/soak.py [app|gunicorn] [--minutes 60] [--viewers 2] [--rate 100]
                              [--open PATH …]

Ends by itself, aims at loopback only, and fails when a process is above TARGET_MIB at the end or
grew by more than GROWTH_MIB in the second half, or a page left open holds more than a new one.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import re
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.browser.conftest import CHROMIUM, DESKTOP, FLAGS
from tests.page_files import pages_in_navigation
from tests.processes import Dashboards, RunningDashboard, children, gunicorn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

MINUTES: Final = 60.0
VIEWERS: Final = 2
RATE: Final = 100
SAMPLE_S: Final = 30.0
STAY_S: Final = 20.0
"""How long a viewer stays on a page."""

WARM_UP_S: Final = 60.0
"""Until the first sample: every page was opened once, and what is made once is made."""

TARGET_MIB: Final = 140.0
GROWTH_MIB: Final = 4.0
MORE_HEAP_MIB: Final = 4.0
MORE_NODES: Final = 100
"""Than a page just opened: what a browser keeps of its own, and the newest answers."""

FRESH_S: Final = 20.0
"""After which a page that was just opened shows all it has."""

LOOKS: Final = 3
"""The last samples, of which the least counts: what was just drawn anew is in memory twice."""

POLL: Final = "/_dash-update-component"
PAGES: Final = tuple(page.path for page in pages_in_navigation())
PATHS: Final = {
    "files": ("/", "/favicon.ico", "/missing"),
    "wsgi": ("/", "/whoami", "/search?q=x", "/api/notes"),
    "asgi": ("/", "/whoami", "/items/7", "/items/8"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process; sizes in MiB."""

    rss: float
    pss: float
    anonymous: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Read a process's figures from /proc (proc(5)). Raises OSError when it is gone."""
        folder = Path(f"/proc/{pid}")
        kib = dict(
            re.findall(r"^(\w+): +(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
        )
        return cls(
            rss=int(kib["Rss"]) / 1024,
            pss=int(kib["Pss"]) / 1024,
            anonymous=int(kib["Anonymous"]) / 1024,
            descriptors=len(list((folder / "fd").iterdir())),
            threads=len(list((folder / "task").iterdir())),
        )

    def __str__(self) -> str:
        return (
            f"RSS {self.rss:6.1f} MiB (PSS {self.pss:6.1f}, anonymous {self.anonymous:6.1f}), "
            f"{self.descriptors:3d} descriptors, {self.threads:2d} threads"
        )


@dataclass(frozen=True, slots=True)
class PageSample:
    """One look at a page that is left open, after all that is free was given back."""

    polls: int
    heap: float  # MiB
    nodes: int
    listeners: int

    def __str__(self) -> str:
        return (
            f"{self.polls:5d} polls, heap {self.heap:5.1f} MiB, "
            f"{self.nodes:5d} nodes, {self.listeners:4d} listeners"
        )


class LeftPage:
    """A page that is opened once and then left alone."""

    def __init__(self, page: Page, url: str) -> None:
        self.samples: list[PageSample] = []
        self._polls = 0
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")
        page.on("requestfinished", self._count)
        page.goto(url)

    def _count(self, request: Any) -> None:
        self._polls += POLL in request.url

    def look(self) -> PageSample:
        """Take and keep a sample."""
        self._session.send("HeapProfiler.collectGarbage")
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        now = {one["name"]: one["value"] for one in metrics}
        self.samples.append(
            PageSample(
                self._polls,
                now["JSHeapUsedSize"] / 2**20,
                round(now["Nodes"]),
                round(now["JSEventListeners"]),
            )
        )
        return self.samples[-1]


@dataclass(slots=True)
class Load:
    """Sends requests at a steady rate to all listeners, on kept connections, until stopped."""

    ports: dict[str, int]
    rate: float
    sent: int = 0
    failed: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin, with a thread for each listener."""
        for name, port in self.ports.items():
            thread = threading.Thread(target=self._send, args=(name, port), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End all threads."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)

    def _send(self, name: str, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        interval_s = len(self.ports) / self.rate
        due = time.monotonic()
        for path in itertools.cycle(PATHS[name]):
            due += interval_s
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                break
            try:
                connection.request("GET", path)
                connection.getresponse().read()
                self.sent += 1
            except (OSError, http.client.HTTPException):
                self.failed += 1
                connection.close()
        connection.close()


def watch(url: str, number: int, stopping: threading.Event, troubles: list[str]) -> None:
    """One viewer: a browser that goes from page to page until it is stopped."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(**DESKTOP)
        page.on("pageerror", lambda error: troubles.append(f"viewer {number}: {error}"))
        for path in itertools.islice(itertools.cycle(PAGES), number, None):
            try:
                page.goto(url + path)
            except Error as error:
                troubles.append(f"viewer {number} at {path}: {error.message}")
            if stopping.wait(STAY_S):
                break
        browser.close()


def leave_open(
    url: str,
    samples: dict[str, list[PageSample]],
    fresh: dict[str, PageSample],
    stopping: threading.Event,
    troubles: list[str],
) -> None:
    """A browser that opens pages, one for each path of `samples`, and leaves them open.

    At the end it opens them once more, for `fresh`.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(**DESKTOP)
        context.on("weberror", lambda error: troubles.append(f"page left open: {error.error}"))
        pages = {path: LeftPage(context.new_page(), url + path) for path in samples}
        began = time.monotonic()
        for number in itertools.count():
            due = began + WARM_UP_S + number * SAMPLE_S
            while time.monotonic() < due and not stopping.is_set():
                context.pages[0].wait_for_timeout(500)  # meanwhile events are dealt with
            if stopping.is_set():
                break
            for path, page in pages.items():
                samples[path].append(page.look())
                minute = (time.monotonic() - began) / 60
                print(f"{minute:6.1f} min  {path:9s} {samples[path][-1]}", flush=True)
        opened = {path: LeftPage(context.new_page(), url + path) for path in samples}
        context.pages[0].wait_for_timeout(FRESH_S * 1000)
        fresh.update((path, page.look()) for path, page in opened.items())
        browser.close()


def soak(
    running: RunningDashboard, minutes: float, viewers: int, rate: float, paths: Sequence[str] = ()
) -> int:
    """Run it, with the pages of `paths` left open; print the samples; return the exit code."""
    names = {running.process.pid: "app.py" if not children(running.process.pid) else "arbiter"}
    for pid in children(running.process.pid):
        names[pid] = "leader" if pid == running.leader else "follower"
    load = Load({name: running.port(name) for name in PATHS}, rate)
    stopping, troubles = threading.Event(), []
    crowd = [
        threading.Thread(target=watch, args=(running.url, number, stopping, troubles))
        for number in range(viewers)
    ]
    left: dict[str, list[PageSample]] = {path: [] for path in paths}
    fresh: dict[str, PageSample] = {}
    if paths:
        arguments = (running.url, left, fresh, stopping, troubles)
        crowd.append(threading.Thread(target=leave_open, args=arguments))
    load.start()
    for thread in crowd:
        thread.start()
    samples: dict[int, list[Sample]] = {pid: [] for pid in names}
    began = time.monotonic()
    for number in itertools.count():
        due = began + WARM_UP_S + number * SAMPLE_S
        if due > began + WARM_UP_S + minutes * 60 or running.process.poll() is not None:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        for pid, name in names.items():
            with suppress(OSError):
                samples[pid].append(Sample.of(pid))
                minute = (time.monotonic() - began) / 60
                print(f"{minute:6.1f} min  {name:9s} {samples[pid][-1]}", flush=True)
    stopping.set()
    for thread in crowd:
        thread.join(60 + FRESH_S)
    load.stop()
    print(f"{load.sent} requests answered, {load.failed} failed; viewers' troubles: {troubles}")
    return max(verdict(names, samples), verdict_on_pages(left, fresh))


def verdict_on_pages(left: dict[str, list[PageSample]], fresh: dict[str, PageSample]) -> int:
    """Print start, half and end of each page left open; 1 when one holds more than a fresh one."""
    status = 0
    for path, taken in left.items():
        now = fresh.get(path)
        if not taken or now is None:
            print(f"{path:9s} was not seen to the end")
            status = 1
            continue
        moments = {
            "start": taken[0],
            "half": taken[len(taken) // 2],
            "end": taken[-1],
            "fresh": now,
        }
        for moment, sample in moments.items():
            print(f"{path:9s} {moment:5s} {sample}")
        newest = taken[-LOOKS:]
        if (
            min(one.heap for one in newest) - now.heap > MORE_HEAP_MIB
            or min(one.nodes for one in newest) - now.nodes > MORE_NODES
            or min(one.listeners for one in newest) > now.listeners
        ):
            status = 1
    if left:
        print(
            f"target: at most {MORE_HEAP_MIB:.0f} MiB of heap and {MORE_NODES} nodes more than a "
            "page just opened, no listener more"
        )
    return status


def verdict(names: dict[int, str], samples: dict[int, list[Sample]]) -> int:
    """Print start, half and end of each process; 1 when one is too large or still grows."""
    status = 0
    for pid, name in names.items():
        taken = samples[pid]
        half, last = taken[len(taken) // 2], taken[-1]
        for moment, sample in (("start", taken[0]), ("half", half), ("end", last)):
            print(f"{name:9s} {moment:5s} {sample}")
        if last.rss > TARGET_MIB or last.rss - half.rss > GROWTH_MIB:
            status = 1
    print(f"target: at most {TARGET_MIB:.0f} MiB, second half at most {GROWTH_MIB:.0f} MiB more")
    return status


def main(how: str, minutes: float, viewers: int, rate: float, paths: Sequence[str]) -> int:
    """Start what was asked for, and run it."""
    with tempfile.TemporaryDirectory() as folder:
        dashboards = Dashboards(Path(folder), has_own_interpreter=True)
        try:
            running = dashboards(*(gunicorn() if how == "gunicorn" else ()))
            return soak(running, minutes, viewers, rate, paths)
        finally:
            dashboards.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("how", nargs="?", choices=("app", "gunicorn"), default="app")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--rate", type=float, default=RATE, help="requests per second")
    parser.add_argument("--open", nargs="*", default=[], metavar="PATH", help="a page left open")
    given = parser.parse_args()
    raise SystemExit(main(given.how, given.minutes, given.viewers, given.rate, given.open))
