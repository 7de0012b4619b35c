"""The cost of a request of the load generator, and how late it is, beside its peers.

Against nginx, in the same rounds: CPU a request and the highest rate on one core, by Servescope,
wrk, hey, oha, Locust (its fast client) and aiohttp, and how many times those of Servescope's open
model they are. nginx has one worker on one core, each of them in turn runs on another. CPU is that
of the peer's process, kernel included; for those in Python, of its time under load. One that is
not installed is said to be absent.

Against a bare epoll responder: rates at which the generator sleeps between requests, and the same
behind TLS, kept connections and one each, with a certificate on P-256. It also prints the CPU
time of one sleep and wake-up on this machine: below saturation each request may cost one.
Run: python benchmarks/load.py [--rounds N] [--seconds S] [--rates R,R,...] [--python PYTHON]
where PYTHON has Locust and aiohttp, if the one that runs this has not.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target
from servescope.load.tls_connections import Trust
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Scenario, Users
from servescope.serving.tls.certificates import context_of, read_pair, self_signed_pair, shown
from servescope.wire.tls_channel import TlsChannel
from tests.ports import free_port
from tests.processes import is_bound
from tests.waiting import eventually

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from servescope.load.report import Result

RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)
BUDGET_US = 20.0
SATURATING_RATE = 60_000
CONNECTIONS = 32
OPEN_MODEL = "Servescope, open model"
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
worker_cpu_affinity {mask};
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "hello"; }}
    }}
}}
"""
AIOHTTP = """
import asyncio, sys, time
import aiohttp

async def main(url, seconds, connections):
    count = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        end, begin = time.monotonic() + seconds, time.process_time()
        async def user():
            nonlocal count
            while time.monotonic() < end:
                async with session.get(url) as response:
                    await response.read()
                count += 1
        await asyncio.gather(*(user() for _ in range(connections)))
        print(count, time.process_time() - begin)

asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
"""
LOCUST = """
import gevent.monkey
gevent.monkey.patch_all()
import sys, time
import gevent
from locust import FastHttpUser, constant, task
from locust.env import Environment

class Visitor(FastHttpUser):
    host = sys.argv[1]
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/")

environment = Environment(user_classes=[Visitor])
runner = environment.create_local_runner()
begin = time.process_time()
runner.start(int(sys.argv[3]), spawn_rate=1000)
gevent.sleep(float(sys.argv[2]))
count, cpu = environment.stats.total.num_requests, time.process_time() - begin
runner.quit()
print(count, cpu)
"""


class Plain:
    """A responder's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def answer(self, data: bytes) -> None:
        """Answer what came."""
        del data
        self.socket.send(RESPONSE)


class Encrypted(Plain):
    """The same behind TLS."""

    context: ssl.SSLContext

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.channel = TlsChannel(self.context)

    def answer(self, data: bytes) -> None:
        """Answer what came; shake hands first."""
        if self.channel.receive_data(data):
            self.channel.encrypt(RESPONSE)
        self.socket.send(self.channel.take_output())


def respond(pair_folder: str) -> None:
    """Answer fixed bytes to whatever comes, until standard input ends; print the port first.

    Behind TLS with the pair in `pair_folder`, if any.
    """
    kind = Plain
    if pair_folder:
        kind, Encrypted.context = (
            Encrypted,
            context_of(read_pair(*self_signed_pair(Path(pair_folder)))),
        )
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listening.setblocking(False)
    epoll = select.epoll()
    epoll.register(listening.fileno(), select.EPOLLIN)
    epoll.register(0, select.EPOLLIN)
    connections: dict[int, Plain] = {}
    print(listening.getsockname()[1], flush=True)
    while True:
        for fd, _ in epoll.poll():
            if fd == 0:
                return
            if fd == listening.fileno():
                connection, _ = listening.accept()
                connection.setblocking(False)
                connections[connection.fileno()] = kind(connection)
                epoll.register(connection.fileno(), select.EPOLLIN)
                continue
            try:
                data = connections[fd].socket.recv(65_536)
            except ConnectionResetError:
                data = b""
            if data:
                with suppress(BrokenPipeError, ConnectionResetError):
                    connections[fd].answer(data)
            else:
                connections.pop(fd).socket.close()


@contextmanager
def responder(core: int, pair_folder: str = "") -> Iterator[int]:
    """A responder in a process of its own on `core`; yields its port."""
    with subprocess.Popen(
        [sys.executable, __file__, "--respond", pair_folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        os.sched_setaffinity(process.pid, {core})
        yield int(process.stdout.readline())
        process.stdin.close()


def generate(
    port: int,
    rate: float,
    seconds: float,
    core: int,
    *,
    keep_alive: bool,
    trust: Trust | None = None,
) -> Result:
    """One run of the generator, by the open model."""
    plan = LoadPlan.constant("bare", "/", rate, seconds, keep_alive=keep_alive)
    return carry_out(plan, port, core, trust)


def carry_out(
    plan: LoadPlan, port: int, core: int | None = None, trust: Trust | None = None
) -> Result:
    """The result of a plan, whose generator runs on `core`, if any."""
    with tempfile.TemporaryDirectory() as folder:
        target = Target("127.0.0.1", port, trust=trust)
        process = GeneratorProcess(1, plan, target, Path(folder), core)
        process.wait()
    if process.result is None:
        raise SystemExit(process.message)
    return process.result


@contextmanager
def nginx(core: int) -> Iterator[int]:
    """An nginx with one worker on `core`; yields its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # its worker may be another user
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(NGINX.format(folder=folder, port=port, mask=f"{1 << core:b}"))
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(configuration)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: is_bound(port), what="nginx")
                yield port
            finally:
                process.terminate()


def timed(command: list[str], core: int) -> tuple[str, float]:
    """The output of a command, and the CPU seconds that its process took on `core`."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        os.sched_setaffinity(process.pid, {core})
        text = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return text, usage.ru_utime + usage.ru_stime


def wrk(port: int, seconds: float, core: int) -> tuple[float, float]:
    """One run of wrk: CPU µs a request, requests per second."""
    return by_words(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", f"http://127.0.0.1:{port}/"],
        r"(\d+) requests in",
        seconds,
        core,
    )


def hey(port: int, seconds: float, core: int) -> tuple[float, float]:
    """The same of hey."""
    url = f"http://127.0.0.1:{port}/"
    command = ["hey", "-cpus", "1", "-c", str(CONNECTIONS), "-z", f"{seconds:.0f}s", url]
    return by_words(command, r"\[200\]\s+(\d+) responses", seconds, core)


def oha(port: int, seconds: float, core: int) -> tuple[float, float]:
    """The same of oha."""
    url = f"http://127.0.0.1:{port}/"
    command = ["oha", "--no-tui", "-c", str(CONNECTIONS), "-z", f"{seconds:.0f}s", url]
    return by_words(command, r"\[200\]\s+(\d+) responses", seconds, core)


def by_words(command: list[str], words: str, seconds: float, core: int) -> tuple[float, float]:
    """Run a command that prints how many requests it made."""
    text, cpu_s = timed(command, core)
    found = re.search(words, text)
    if found is None:
        raise SystemExit(f"{command[0]} said: {text}")
    requests = int(found[1])
    return cpu_s / requests * 1e6, requests / seconds


def in_python(
    interpreter: str, script: str, port: int, seconds: float, core: int
) -> tuple[float, float] | None:
    """Run a peer that prints requests and CPU seconds; None when it cannot be imported."""
    command = [interpreter, "-c", script, f"http://127.0.0.1:{port}", str(seconds)]
    text, _ = timed([*command, str(CONNECTIONS)], core)
    if not text:
        return None
    count, cpu_s = text.split()[-2:]
    return float(cpu_s) / int(count) * 1e6, int(count) / seconds


def open_model(port: int, seconds: float, core: int) -> tuple[float, float]:
    """The same of this project's generator, due more often than it can send."""
    result = generate(port, SATURATING_RATE, seconds, core, keep_alive=True)
    return result.cpu_seconds / result.sent * 1e6, result.rate_achieved


def closed_model(port: int, seconds: float, core: int) -> tuple[float, float]:
    """The same with users who do not think, as all its peers have them."""
    plan = LoadPlan("bare", Scenario(Users(CONNECTIONS, 0.0, seconds)))
    result = carry_out(plan, port, core)
    return result.cpu_seconds / result.sent * 1e6, result.rate_achieved


def beside_peers(rounds: int, seconds: float, cores: tuple[int, int], interpreter: str) -> float:
    """Print each peer's medians against nginx; return CPU µs a request of the generator."""
    server_core, load_core = cores
    peers: dict[str, Callable[[int, float, int], tuple[float, float] | None]] = {
        OPEN_MODEL: open_model,
        f"Servescope, {CONNECTIONS} users": closed_model,
        "aiohttp": partial(in_python, interpreter, AIOHTTP),
        "Locust (FastHttpUser)": partial(in_python, interpreter, LOCUST),
    }
    peers |= {one.__name__: one for one in (wrk, hey, oha) if shutil.which(one.__name__)}
    absent = [name for name in ("wrk", "hey", "oha") if name not in peers]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    with nginx(server_core) as port:
        for _ in range(rounds):
            for name, run in peers.items():
                figures = run(port, seconds, load_core)
                if figures is not None:
                    found[name].append(figures)
    print(f"against nginx on one core, {CONNECTIONS} connections; {rounds} rounds of {seconds:g} s")
    medians = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)]
        for name, runs in found.items()
        if runs
    }
    own_cost, own_rate = medians[OPEN_MODEL]
    print(f"{'':28} CPU µs/r     req/s   CPU ratio  rate ratio")
    for name, (cost, rate) in medians.items():
        ratios = f"{cost / own_cost:11.2f} {rate / own_rate:11.2f}"
        print(f"{name:28} {cost:8.1f} {rate:9,.0f} {ratios}")
    absent += [name for name in found if name not in medians]
    if absent:
        print(f"absent: {', '.join(absent)}")
    return own_cost


def sleep_cost_us(core: int, count: int = 1_000) -> float:
    """CPU of one sleep of 200 µs and its wake-up in this process on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    start = time.process_time()
    for _ in range(count):
        time.sleep(200e-6)
    cost = (time.process_time() - start) / count * 1e6
    os.sched_setaffinity(0, before)
    return cost


def show(name: str, results: list[Result]) -> float:
    """Print the medians of some runs; return CPU µs per request."""
    cpu_us = statistics.median(result.cpu_seconds / result.sent * 1e6 for result in results)

    def median(*path: str) -> float:
        values = []
        for result in results:
            value = result.to_json()
            for key in path:
                value = value[key]
            values.append(value)
        return statistics.median(values)

    print(
        f"{name:28} {cpu_us:7.1f} {median('rate_achieved'):9.0f} "
        f"{median('lag_ms', 'p99'):9.3f} {median('lag_ms', 'max'):9.3f} "
        f"{median('latency_ms', 'p50'):9.3f} {median('latency_ms', 'p99'):9.3f} "
        f"{median('naive_ms', 'p50'):9.3f} {median('naive_ms', 'p99'):9.3f}"
    )
    return cpu_us


def main() -> int:
    """Print the table; exit code 1 when the saturated cost exceeds the budget."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--rates", default="500,5000,20000")
    arguments.add_argument("--python", default=sys.executable)
    arguments.add_argument("--respond", default=None, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.respond is not None:
        respond(options.respond)
        return 0
    cores = sorted(os.sched_getaffinity(0))
    server_core, load_core = cores[0], cores[-1]
    cases = [(f"{float(rate):,.0f}/s", float(rate), True) for rate in options.rates.split(",")]
    cases += [
        ("2,000/s, connection each", 2_000, False),
        ("never sleeping", SATURATING_RATE, True),
    ]
    encrypted = [
        ("TLS, 2,000/s", 2_000, True),
        ("TLS, 200/s, connection each", 200, False),
        ("TLS, never sleeping", SATURATING_RATE, True),
    ]
    results: dict[str, list[Result]] = {name: [] for name, *_ in encrypted + cases}
    with (
        tempfile.TemporaryDirectory() as folder,
        responder(server_core) as port,
        responder(server_core, folder) as tls_port,
    ):
        pair = read_pair(*self_signed_pair(Path(folder)))
        trust = Trust.in_certificate(shown(pair, 0.0))
        for _ in range(options.rounds):
            for name, rate, keep_alive in encrypted:
                run = generate(
                    tls_port, rate, options.seconds, load_core, keep_alive=keep_alive, trust=trust
                )
                results[name].append(run)
            for name, rate, keep_alive in cases:
                run = generate(port, rate, options.seconds, load_core, keep_alive=keep_alive)
                results[name].append(run)
    print(f"medians of {options.rounds} rounds of {options.seconds:g} s; latencies in ms")
    print(f"{'':28} CPU µs/r     req/s   lag p99   lag max       p50       p99 naive p50       p99")
    for name, runs in results.items():
        cpu_us = show(name, runs)
    print(f"one sleep and wake-up costs {sleep_cost_us(load_core):.1f} µs of CPU here\n")
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        cores = (server_core, load_core)
        cpu_us = beside_peers(options.rounds, options.seconds, cores, options.python)
    else:
        print("nginx is absent: no peer is measured")
    print(f"budget {BUDGET_US:g} µs a request: {'kept' if cpu_us <= BUDGET_US else 'exceeded'}")
    return 0 if cpu_us <= BUDGET_US else 1


if __name__ == "__main__":
    sys.exit(main())
