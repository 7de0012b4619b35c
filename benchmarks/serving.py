"""The cost of a request by server: CPU µs of its whole process tree, beside its peers.

One worker each, pinned to one core, wrk on another, in interleaved rounds; our own servers with
recording on. `--free` leaves the peers on all cores, as they come: none of them pins itself. CPU is
read from /proc before and after wrk's run. Cases: hello on 32 kept connections, plain and with 12
browser headers; a new connection each; a file of 10 KB. Peers that are not installed are skipped
(requirements-bench.txt). wrk repeats one request, so heads are remembered from the second time on,
as with any client that repeats itself.
Run: python benchmarks/serving.py [--rounds N] [--seconds S] [--servers A,B] [--cases A,B] [--free]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from servescope.sampling.process_tree import tree_of
from servescope.serving.models import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 32
THREADS = 8
BODY = b"Hello, world!"
FILE_BYTES = 10_240
CASES = ("plain", "browser", "connect", "static")
BROWSER = (
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="140", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9",
)
"""With Host, which wrk sends, twelve."""

TARGETS = (
    ("thread_pool", "plain", "waitress", 0.2),
    ("thread_pool", "plain", "gunicorn-gthread", 0.2),
    ("thread_pool", "plain", "granian-wsgi", 1.2),
    ("thread_pool", "static", "nginx", 2.0),
    ("thread_pool", "connect", "uvicorn", 0.7),
    ("asyncio", "plain", "uvicorn", 0.6),
    ("asyncio", "plain", "granian-asgi", 0.8),
    ("asyncio", "connect", "uvicorn", 0.7),
)
"""Ours, case, peer, and the ratio of their costs that is not to be exceeded."""

NGINX_CONF = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
sendfile on; keepalive_requests 100000000; open_file_cache max=100; default_type text/plain;
server {{ listen 127.0.0.1:{port}; root {folder};
location = / {{ return 200 "Hello, world!"; }} }} }}
"""


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Hello, or for peers without files of their own the file named in the environment."""
    body = _file() if environ["PATH_INFO"] == "/ten.bin" else BODY
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same for ASGI."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = _file() if scope["path"] == "/ten.bin" else BODY
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _file() -> bytes:
    return Path(os.environ["BENCH_FILE"]).read_bytes()


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure: its command, with {port}, {folder} and {app}, and what it needs."""

    name: str
    command: tuple[str, ...]
    needs: str = ""  # a module, or a program


def servers() -> list[Server]:
    """Ours, one for each model, and the peers."""
    python = sys.executable
    ours = [
        Server(model, (python, __file__, "--host", model, "--case", "{case}", "{port}", "{folder}"))
        for model in REGISTRY
    ]
    wsgi, asgi = "serving:wsgi_app", "serving:asgi_app"
    granian = (python, "-m", "granian", "--host", "127.0.0.1", "--port", "{port}", "--no-ws")
    gunicorn = (python, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w1", "--no-control-socket")
    uvicorn = ("--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "--loop", "uvloop")
    return [
        *ours,
        Server(
            "waitress",
            (python, "-m", "waitress", "--listen=127.0.0.1:{port}", f"--threads={THREADS}", wsgi),
            "waitress",
        ),
        Server("gunicorn-sync", (*gunicorn, wsgi), "gunicorn"),
        Server(
            "gunicorn-gthread",
            (*gunicorn, "-kgthread", "--threads", str(THREADS), "--keep-alive=60", wsgi),
            "gunicorn",
        ),
        Server("granian-wsgi", (*granian, "--interface", "wsgi", wsgi), "granian"),
        Server("granian-asgi", (*granian, "--interface", "asginl", asgi), "granian"),
        Server(
            "uvicorn",
            (python, "-m", "uvicorn", *uvicorn, "--http", "httptools", "--log-level=error", asgi),
            "uvicorn",
        ),
        Server("nginx", ("nginx", "-c", "{folder}/nginx.conf"), "nginx"),
    ]


def host(model: str, case: str, port: int, folder: str) -> None:
    """Serve with one of our models until standard input ends."""
    from servescope.recording.recorder import Recorder
    from servescope.records.listeners import (
        AppKind,
        ConcurrencyModel,
        ListenerOptions,
        ListenerSpec,
    )
    from servescope.serving import start_listener

    kind, app = AppKind.WSGI, "serving:wsgi_app"
    if case == "static":
        kind, app = AppKind.STATIC, folder
    elif model == "asyncio" and "asgi" in list(AppKind):
        kind, app = AppKind("asgi"), "serving:asgi_app"
    sys.path.insert(0, str(Path(__file__).parent))
    (core,) = os.sched_getaffinity(0)
    spec = ListenerSpec(
        name="bench",
        address="127.0.0.1",
        port=port,
        model=ConcurrencyModel(model),
        app_kind=kind,
        app=app,
        options=ListenerOptions(threads=THREADS, workers=1, backlog=1024, pin_core=core),
    )
    with tempfile.TemporaryDirectory() as rings:
        recorder = Recorder(Path(rings))
        listener = start_listener(spec, recorder)
        sys.stdin.read()
        listener.stop()
        recorder.close()


def cpu_us(pid: int) -> float:
    """CPU time of all threads of a process tree so far (proc(5), schedstat: nanoseconds)."""
    stats = [file for one in tree_of(pid) for file in Path(f"/proc/{one}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in stats) / 1e3


@contextmanager
def running(server: Server, case: str, cores: str, folder: Path) -> Iterator[tuple[int, int]]:
    """The server in a process tree on these cores; its pid and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX_CONF.format(port=port, folder=folder))
    command = [part.format(port=port, folder=folder, case=case) for part in server.command]
    path = os.pathsep.join((str(Path(__file__).parent), str(ROOT)))
    process = subprocess.Popen(
        ["taskset", "-c", cores, *command],
        cwd=folder,  # not ours: gunicorn would take our gunicorn.conf.py
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "BENCH_FILE": str(folder / "ten.bin")},
    )
    try:
        deadline = time.monotonic() + 15
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{server.name} did not start: {' '.join(command)}")
            time.sleep(0.05)  # until the next try to connect
        yield process.pid, port
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wrk(port: int, case: str, core: int, seconds: int) -> tuple[int, int]:
    """One run: requests answered, and those that failed."""
    headers = {"browser": BROWSER, "connect": ("Connection: close",)}.get(case, ())
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for header in headers:
        command += ["-H", header]
    path = "/ten.bin" if case == "static" else "/"
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    answered = re.search(r"(\d+) requests in", done.stdout)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if answered is None:
        raise SystemExit(f"wrk said: {done.stdout}")
    return int(answered[1]), int(failed[1]) if failed else 0


def measure(
    server: Server, case: str, cores: str, load_core: int, seconds: int, folder: Path
) -> tuple[float, float]:
    """One run after a warm-up: CPU µs a request, and requests a second."""
    with running(server, case, cores, folder) as (pid, port):
        wrk(port, case, load_core, 1)
        before = cpu_us(pid)
        answered, failed = wrk(port, case, load_core, seconds)
        cost = (cpu_us(pid) - before) / max(answered, 1)
    if failed:
        print(f"{server.name} {case}: {failed} of {answered} failed")
    return cost, answered / seconds


def is_installed(server: Server) -> bool:
    """Whether what the server needs is here."""
    needs = server.needs
    return not needs or bool(importlib.util.find_spec(needs) or shutil.which(needs))


def show(results: dict[tuple[str, str], list[tuple[float, float]]], rounds: int) -> None:
    """Print the medians and the ratios."""
    cases = [case for case in CASES if any(found == case for _, found in results)]
    print(f"CPU µs a request of the process tree (thousand requests/s), medians of {rounds} rounds")
    print(f"{'':18}" + "".join(f"{case:>16}" for case in cases))
    median = {key: statistics.median(cost for cost, _ in runs) for key, runs in results.items()}
    for name in dict.fromkeys(name for name, _ in results):
        cells = []
        for case in cases:
            runs = results.get((name, case))
            rate = statistics.median(rate for _, rate in runs) / 1e3 if runs else 0
            cells.append(f"{median[name, case]:9.1f} ({rate:4.1f})" if runs else f"{'-':>16}")
        print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells))
    for ours, case, peer, most in TARGETS:
        if (ours, case) in median and (peer, case) in median:
            ratio = median[ours, case] / median[peer, case]
            verdict = "kept" if ratio <= most else "missed"
            print(f"{ours} {case}: {ratio:.2f} x {peer}, target {most:g}: {verdict}")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--servers", default="")
    arguments.add_argument("--cases", default=",".join(CASES))
    arguments.add_argument("--free", action="store_true")
    arguments.add_argument("--host", help=argparse.SUPPRESS)
    arguments.add_argument("--case", help=argparse.SUPPRESS)
    arguments.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.host:
        host(options.host, options.case, int(options.rest[0]), options.rest[1])
        return 0
    if shutil.which("wrk") is None:
        print("wrk is not installed (apt-get install wrk): nothing was measured")
        return 0
    cores = sorted(os.sched_getaffinity(0))
    wanted = options.servers.split(",") if options.servers else []
    chosen = [server for server in servers() if not wanted or server.name in wanted]
    for server in chosen:
        if not is_installed(server):
            print(f"{server.name} is skipped: {server.needs} is not installed")
    results: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker may be another user
        (folder / "ten.bin").write_bytes(os.urandom(FILE_BYTES))
        for _ in range(options.rounds):
            for case in options.cases.split(","):
                for server in filter(is_installed, chosen):
                    if server.name == "sequential" and case != "connect":
                        continue  # it serves one connection at a time
                    is_free = options.free and server.name not in list(REGISTRY)
                    on = ",".join(map(str, cores)) if is_free else str(cores[0])
                    run = measure(server, case, on, cores[-1], options.seconds, folder)
                    results.setdefault((server.name, case), []).append(run)
    show(results, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
