"""The cost of an ASGI hello on the model asyncio, beside uvicorn where it is installed.

One worker each on core 0, wrk on the last core, 32 kept connections, interleaved rounds; CPU time
of the server's process from /proc, recording on for ours. Prints the median and the ratio.
Run: .venv/bin/python benchmarks/asgi.py [rounds]
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SECONDS = 2
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
PORTS = {"servescope": 18_871, "uvicorn": 18_872}


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Say hello."""
    if scope["type"] != "http":
        raise AssertionError(scope["type"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def serve(port: int) -> None:
    """Serve the app until stdin closes."""
    from servescope.recording.recorder import Recorder
    from servescope.records.listeners import (
        AppKind,
        ConcurrencyModel,
        ListenerOptions,
        ListenerSpec,
    )
    from servescope.serving import start_listener

    with tempfile.TemporaryDirectory() as folder:
        spec = ListenerSpec(
            "asgi",
            "127.0.0.1",
            port,
            ConcurrencyModel.ASYNCIO,
            AppKind.ASGI,
            "asgi:app",
            options=ListenerOptions(pin_core=0),
        )
        listener = start_listener(spec, Recorder(Path(folder)))
        sys.stdin.read()
        listener.stop(0.5)


def start(name: str) -> subprocess.Popen[bytes]:
    """Start one server and wait until it answers."""
    port = str(PORTS[name])
    commands = {
        "servescope": [sys.executable, __file__, "serve", port],
        "uvicorn": [
            "taskset", "-c", "0", sys.executable, "-m", "uvicorn", "asgi:app", "--port", port,
            "--no-access-log", "--http", "httptools", "--log-level", "error",
        ],
    }  # fmt: skip
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}:{here.parent}"}
    process = subprocess.Popen(commands[name], stdin=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # until the next try to connect
        else:
            return process


def cpu_us(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_US


def measure(name: str, pid: int) -> float:
    """CPU microseconds a request of one round."""
    core = str((os.cpu_count() or 1) - 1)
    command = ["taskset", "-c", core, "wrk", "-t1", "-c32", f"-d{SECONDS}"]
    before = cpu_us(pid)
    told = subprocess.run(
        [*command, f"http://127.0.0.1:{PORTS[name]}/"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"(\d+) requests in", told)
    if found is None:
        raise RuntimeError(told)
    return (cpu_us(pid) - before) / int(found[1])


def main() -> None:
    """Measure in turns and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    names = [name for name in PORTS if find_spec(name) is not None]
    servers = {name: start(name) for name in names}
    try:
        seen: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                seen[name].append(measure(name, servers[name].pid))
    finally:
        for name, process in servers.items():
            if name != "servescope":
                process.terminate()
            process.communicate(timeout=10)  # closes its stdin: ours ends with that
    medians = {name: statistics.median(figures) for name, figures in seen.items()}
    ours = medians["servescope"]
    for name, median in medians.items():
        print(f"{name:12} {median:6.1f} us of CPU a request; ours costs {ours / median:.2f} of it")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
