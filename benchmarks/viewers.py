"""The cost of fifty people who look at the overview, while demo load of 500 requests/s runs.

Starts gunicorn with two workers in a data folder of its own, starts the load as a person would, and
measures the CPU time of all workers from /proc over two windows: without viewers, then with them.
The workers host the loaded listener too. Its threads are pinned to a core each, which tells them
apart; they answer the same 500 requests/s in both windows, though dearer in the second, for the
viewers' own process and the generator then share the cores. The viewers' cost is what all other
threads of the workers use more. Prints both groups, the CPU time of a poll, which says more than
waiting times where other programs want the cores, the memory of the workers, and the percentiles.

    python benchmarks/viewers.py [VIEWERS] [SECONDS]
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from servescope.records.load import LoadPlan, RunState
from tests.processes import Dashboards, children, eventually, gunicorn

VIEWERS: Final = 50
SECONDS: Final = 20
RATE: Final = 500
TARGET_CPU: Final = 0.10
TARGET_P95_MS: Final = 20.0
WARM_UP_S: Final = 3
DELTA: Final = "overview-delta.data"


def cpu_seconds(pids: list[int]) -> tuple[float, float]:
    """CPU time so far of the workers' listener threads, and of all their other threads."""
    listening = others = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            if len(os.sched_getaffinity(int(task.name))) == 1:
                listening += ticks
            else:
                others += ticks
    hertz = os.sysconf("SC_CLK_TCK")
    return listening / hertz, others / hertz


def anonymous_mib(pid: int) -> float:
    """Memory of a process that no file backs (RssAnon, proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def answered(crowd: list[Viewer]) -> int:
    """How many polls were answered so far."""
    return sum(len(viewer.milliseconds) for viewer in crowd)


def poll_payload(url: str) -> dict[str, Any]:
    """The request a browser sends at each poll of the overview, from Dash's own description."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    connection.request("GET", "/_dash-dependencies")
    dependencies = json.loads(connection.getresponse().read())
    connection.close()
    callback = next(
        one for one in dependencies if DELTA in one["output"] and not one["clientside_function"]
    )
    values = {"tick.n_intervals": 1, "view.data": {"last": "5m"}}

    def filled(arguments: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [one | {"value": values.get(f"{one['id']}.{one['property']}")} for one in arguments]

    component, _, name = DELTA.partition(".")
    return {
        "output": callback["output"],
        "outputs": {"id": component, "property": name},
        "inputs": filled(callback["inputs"]),
        "changedPropIds": ["tick.n_intervals"],
        "state": filled(callback["state"]),
    }


class Viewer(threading.Thread):
    """One browser tab: a poll a second on a kept connection, each with the last one's cursor."""

    def __init__(self, url: str, payload: dict[str, Any], offset_s: float, until: float) -> None:
        super().__init__()
        self.milliseconds: list[float] = []
        self.sizes: list[int] = []
        self.failed = 0
        self._address = urlsplit(url)
        self._payload = json.loads(json.dumps(payload))
        self._next = time.monotonic() + offset_s
        self._until = until

    def run(self) -> None:
        """Poll until the end."""
        connection = http.client.HTTPConnection(
            str(self._address.hostname), self._address.port, timeout=10
        )
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        while self._next < self._until:
            time.sleep(max(0.0, self._next - time.monotonic()))
            body = json.dumps(self._payload)
            begun = time.perf_counter()
            try:
                connection.request("POST", "/_dash-update-component", body, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.failed += 1
            else:
                self.milliseconds.append((time.perf_counter() - begun) * 1e3)
                self.sizes.append(len(content))
                self.failed += answer.status not in {200, 204}
                self._keep_cursor(answer.getheader("Content-Encoding"), content)
            self._next += 1.0

    def _keep_cursor(self, encoding: str | None, content: bytes) -> None:
        if encoding == "gzip":
            import gzip

            content = gzip.decompress(content)
        if not content:
            return
        sealed = json.loads(content)["response"]["overview-delta"]["data"]
        delta = json.loads(sealed["text"])
        for state in self._payload["state"]:
            if state["id"] == "overview-cursor":
                state["value"] = {name: delta[name] for name in ("view", "shape", "cursor")}


def main(viewers: int, seconds: int) -> int:
    """Run the measurement; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        dashboards = Dashboards(Path(folder), has_own_interpreter=True)
        try:
            return measure(dashboards, viewers, seconds)
        finally:
            dashboards.end()


def measure(dashboards: Dashboards, viewers: int, seconds: int) -> int:
    """Measure one started dashboard."""
    running = dashboards(*gunicorn())
    workers = children(running.process.pid)
    payload = poll_payload(running.url)
    control = running.control
    plan = LoadPlan.constant("wsgi", "/whoami", RATE, 2 * seconds + 2 * WARM_UP_S + 5)
    run_id = control.load_runs.request(plan, time.time()).id
    eventually(lambda: control.load_runs.by_id(run_id).state is RunState.RUNNING)
    time.sleep(WARM_UP_S)

    def window(crowd: list[Viewer]) -> tuple[float, float, float]:
        for viewer in crowd:
            viewer.start()
        time.sleep(WARM_UP_S if crowd else 0)
        before, polled, begun = cpu_seconds(workers), answered(crowd), time.monotonic()
        time.sleep(seconds)
        after, lasted = cpu_seconds(workers), time.monotonic() - begun
        polls_per_s = (answered(crowd) - polled) / lasted
        for viewer in crowd:
            viewer.join()
        return (after[0] - before[0]) / lasted, (after[1] - before[1]) / lasted, polls_per_s

    alone = window([])
    until = time.monotonic() + WARM_UP_S + seconds + 1
    crowd = [Viewer(running.url, payload, index / viewers, until) for index in range(viewers)]
    watched = window(crowd)
    memory = ", ".join(f"{anonymous_mib(pid):.0f}" for pid in workers)
    control.load_runs.request_stop(run_id)
    control.close()
    polls = sorted(one for viewer in crowd for one in viewer.milliseconds)
    sizes = [one for viewer in crowd for one in viewer.sizes]
    failed = sum(viewer.failed for viewer in crowd)
    p50, p95 = polls[len(polls) // 2], polls[int(len(polls) * 0.95)]
    print(f"gunicorn, 2 gthread workers, load {RATE} requests/s, {seconds} s each window")
    print("% of a core                listener threads   all other threads")
    print(f"without viewers              {alone[0]:14.1%}      {alone[1]:14.1%}")
    print(f"with {viewers:3d} viewers             {watched[0]:14.1%}      {watched[1]:14.1%}")
    cost = watched[1] - alone[1]
    print(f"cost of the viewers          {cost:.1%} of a core (target {TARGET_CPU:.0%})")
    print(f"CPU of a poll {1e6 * cost / watched[2]:.0f} µs, at {watched[2]:.0f} polls/s")
    print(f"anonymous memory of the workers, MiB: {memory}")
    print(f"polls {len(polls)}, failed {failed}, median size {statistics.median(sizes):.0f} bytes")
    print(f"p50 {p50:.1f} ms, p95 {p95:.1f} ms (target {TARGET_P95_MS:.0f} ms)")
    return 0 if cost < TARGET_CPU and p95 < TARGET_P95_MS and not failed else 1


if __name__ == "__main__":
    arguments = [int(one) for one in sys.argv[1:3]]
    raise SystemExit(main(*(arguments + [VIEWERS, SECONDS][len(arguments) :])))
