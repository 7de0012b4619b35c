"""The cost of the access log: CPU of the whole process a request, with it and without, in turns.

Prints the medians in µs and their ratio, for each model that runs in one process. Needs wrk.

    .venv/bin/python benchmarks/access_log.py --seconds 2 --rounds 5
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HELLO = """
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
"""
ROOT = Path(__file__).parents[1]
TICKS = 100  # of a second, in /proc/PID/stat
AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Server:
    """A server with or without the log."""

    process: subprocess.Popen[str]
    url: str
    log: Path | None

    @classmethod
    def start(cls, folder: Path, model: str, log: Path | None) -> Server:
        """Start `python -m servescope serve`, in a data folder of its own."""
        app = "hello:asgi" if model == "asyncio" else "hello:wsgi"
        given = ["--access-log", str(log), "--access-log-mib", "1024"] if log else []
        process = subprocess.Popen(
            [
                sys.executable, "-m", "servescope", "serve", app, "--port", "0", "--model", model,
                "--data-folder", str(folder / f"data-{model}-{bool(log)}"), *given,
            ],
            cwd=folder,
            env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"http://[\d.:]+/", line)
        if not found:
            raise SystemExit(f"the server did not start: {line}")
        return cls(process, found[0], log)

    def cpu_seconds(self) -> float:
        """User and system time of the process until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def round(self, seconds: int) -> float:
        """CPU µs a request under wrk."""
        before = self.cpu_seconds()
        told = subprocess.run(
            ["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", AGENT, self.url],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        time.sleep(0.3)  # the rest of the queue is written: it belongs to the cost
        spent = self.cpu_seconds() - before
        found = re.search(r"(\d+) requests in", told)
        return spent / int(found[1]) * 1e6 if found else float("nan")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(15)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="asyncio,thread_pool")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hello.py").write_text(HELLO)
        for model in given.models.split(","):
            servers = [Server.start(folder, model, log) for log in (None, folder / f"{model}.log")]
            try:
                for server in servers:
                    server.round(1)  # warm
                rounds = [[server.round(given.seconds) for server in servers]
                          for _ in range(given.rounds)]  # fmt: skip
            finally:
                for server in servers:
                    server.stop()
            off, on = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(pair[1] / pair[0] for pair in rounds)
            lines = servers[1].log.read_bytes().count(b"\n") if servers[1].log else 0
            print(
                f"{model}: {off:.2f} µs a request without, {on:.2f} with the log, "
                f"ratio {ratio:.2f}; {lines:,} lines"
            )


if __name__ == "__main__":
    main()
