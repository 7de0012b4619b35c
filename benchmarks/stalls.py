"""A server that is stopped for a second in every ten, under the program's own load.

Of requests that come at a steady rate, a tenth meet the stop, and wait evenly between nothing and a
second: p95 is 500 ms, p99 900 ms. A closed model of ten users asks nothing meanwhile, and its p99
says nothing of it.

python benchmarks/stalls.py [PERIODS]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Final

PERIOD_S: Final = 10.0
STOP_S: Final = 1.0
RATE: Final = 50
EXPECTED_MS: Final = {"p95": 500.0, "p99": 900.0}
CLOSED: Final = """
[schedule]
kind = "users"
users = 10
think_seconds = 0.01
seconds = {seconds}

[[flows]]
target = "/a.txt"
"""


def program(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start `python -m servescope` with a data folder of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "servescope", *arguments],
        env=os.environ | {"SERVESCOPE_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def url_of(output: IO[str]) -> str:
    """The address that a server says it has."""
    for line in output:
        found = [word for word in line.split() if word.startswith("http://")]
        if found:
            return found[0].rstrip("/.,")
    raise SystemExit("the server did not start")


def main() -> int:
    """Print the figures of both models; 1 when one of the open model is more than 5 % off."""
    periods = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    seconds = periods * PERIOD_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site"
        site.mkdir()
        (site / "a.txt").write_text("hello")
        server = program("serve", str(site), "--port", "0", folder=folder / "server")
        assert server.stdout is not None  # noqa: S101 - it was asked for
        try:
            url = url_of(server.stdout)
            closed = folder / "closed.toml"
            closed.write_text(CLOSED.format(seconds=seconds))
            loads = {
                "open, 50 requests/s": program(
                    "load", f"{url}/a.txt", "--rate", str(RATE), "--duration", f"{seconds:g}s",
                    "--json", folder=folder / "open",
                ),
                "closed, 10 users": program(
                    "load", str(closed), "--target", url, "--json", folder=folder / "closed"
                ),
            }  # fmt: skip
            begin = time.monotonic() + 2.0  # they start by then
            for period in range(periods):
                time.sleep(  # the moment of the stall is part of the experiment
                    max(begin + period * PERIOD_S + 4.0 - time.monotonic(), 0.0)
                )
                os.kill(server.pid, signal.SIGSTOP)
                time.sleep(STOP_S)  # so long it stands still
                os.kill(server.pid, signal.SIGCONT)
            results = {
                name: json.loads(load.communicate(timeout=60)[0]) for name, load in loads.items()
            }
        finally:
            os.kill(server.pid, signal.SIGCONT)
            server.terminate()
            server.wait(10)
    far_off = False
    for model, result in results.items():
        latency = result["result"]["latency_ms"]
        print(f"{model}: " + ", ".join(f"{q} {latency[q]:.1f} ms" for q in ("p50", "p95", "p99")))
        if model.startswith("open"):
            off = {q: latency[q] / expected - 1 for q, expected in EXPECTED_MS.items()}
            print("  off: " + ", ".join(f"{q} {share:+.1%}" for q, share in off.items()))
            far_off = any(abs(share) > 0.05 for share in off.values())
    return int(far_off)


if __name__ == "__main__":
    sys.exit(main())
