"""Memory, descriptors and threads of a watched dashboard over a long run.

Starts `python app.py`, or gunicorn with two workers, in a data folder of its own, sends the hosted
listeners a steady rate of requests, and lets browsers watch: each viewer looks at every page in
turn and stays a while on each. Prints for each process, once every SAMPLE_S seconds, its resident
set (VmRSS), the part of it that no other process shares and no file backs (RssAnon), open
descriptors and threads; at the end those at the start, at half time and at the end.

    python benchmarks/soak.py [app|gunicorn] [MINUTES] [VIEWERS] [REQUESTS_PER_SECOND]

Ends by itself, aims at loopback only, and fails when a process is above TARGET_MIB at the end or
grew by more than GROWTH_MIB in the second half.
"""

from __future__ import annotations

import http.client
import itertools
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.browser.conftest import CHROMIUM, DESKTOP, FLAGS
from tests.page_files import pages_in_navigation
from tests.processes import Dashboards, RunningDashboard, children, gunicorn

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
    anonymous: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Read a process's figures from /proc (proc(5)). Raises OSError when it is gone."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return cls(
            rss=int(fields["VmRSS"].split()[0]) / 1024,
            anonymous=int(fields["RssAnon"].split()[0]) / 1024,
            descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            threads=int(fields["Threads"]),
        )

    def __str__(self) -> str:
        return (
            f"RSS {self.rss:6.1f} MiB (anonymous {self.anonymous:6.1f}), "
            f"{self.descriptors:3d} descriptors, {self.threads:2d} threads"
        )


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


def soak(running: RunningDashboard, minutes: float, viewers: int, rate: float) -> int:
    """Run it; print the samples; return the exit code."""
    names = {running.process.pid: "app.py" if not children(running.process.pid) else "arbiter"}
    for pid in children(running.process.pid):
        names[pid] = "leader" if pid == running.leader else "follower"
    load = Load({name: running.port(name) for name in PATHS}, rate)
    stopping, troubles = threading.Event(), []
    crowd = [
        threading.Thread(target=watch, args=(running.url, number, stopping, troubles))
        for number in range(viewers)
    ]
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
        thread.join(60)
    load.stop()
    print(f"{load.sent} requests answered, {load.failed} failed; viewers' troubles: {troubles}")
    return verdict(names, samples)


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


def main(arguments: list[str]) -> int:
    """Start what was asked for, and run it."""
    given: dict[str, Any] = dict(
        zip(("how", "minutes", "viewers", "rate"), arguments, strict=False)
    )
    with tempfile.TemporaryDirectory() as folder:
        dashboards = Dashboards(Path(folder))
        try:
            how = given.get("how", "app")
            running = dashboards(*(gunicorn() if how == "gunicorn" else ()))
            return soak(
                running,
                float(given.get("minutes", MINUTES)),
                int(given.get("viewers", VIEWERS)),
                float(given.get("rate", RATE)),
            )
        finally:
            dashboards.end()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
