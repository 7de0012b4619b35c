"""The cost of a request of the load generator, and how late it is, beside wrk in the same rounds.

A bare epoll responder runs on one core; generator and wrk, in turn, on another. CPU is that of the
generator's process, kernel included. wrk knows no rate, so the ratio compares both when they never
sleep; at a set rate the generator sleeps between requests, and the cost of one sleep and wake-up
on this machine is printed to tell that share. The same behind TLS, kept connections and one each,
with a certificate on P-256.
Run: python benchmarks/generator.py [--rounds N] [--seconds S] [--rates R,R,...]
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
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope.load.supervisor import GeneratorProcess
from servescope.load.tls_connections import Trust
from servescope.records.load import LoadPlan
from servescope.serving.tls.certificates import context_of, read_pair, self_signed_pair, shown
from servescope.wire.tls_channel import TlsChannel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from servescope.load.report import Result

RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)
BUDGET_US = 20.0
SATURATING_RATE = 60_000
WRK_CONNECTIONS = 32


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
    """One run of the generator."""
    plan = LoadPlan.constant("bare", "/", rate, seconds, keep_alive=keep_alive)
    with tempfile.TemporaryDirectory() as folder:
        process = GeneratorProcess(1, plan, "127.0.0.1", port, Path(folder), core, trust)
        process.wait()
    if process.result is None:
        raise SystemExit(process.message)
    return process.result


def wrk(port: int, seconds: float, core: int) -> tuple[float, float]:
    """One run of wrk: CPU µs per request, requests per second."""
    command = ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds:.0f}s"]
    with subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}/"], stdout=subprocess.PIPE, text=True
    ) as process:
        os.sched_setaffinity(process.pid, {core})
        text = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    found = re.search(r"(\d+) requests in", text)
    if found is None:
        raise SystemExit(f"wrk said: {text}")
    requests = int(found[1])
    return (usage.ru_utime + usage.ru_stime) / requests * 1e6, requests / seconds


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
    peers: list[tuple[float, float]] = []
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
            if shutil.which("wrk"):
                peers.append(wrk(port, options.seconds, load_core))
    print(f"medians of {options.rounds} rounds of {options.seconds:g} s; latencies in ms")
    print(f"{'':28} CPU µs/r     req/s   lag p99   lag max       p50       p99 naive p50       p99")
    for name, runs in results.items():
        cpu_us = show(name, runs)
    print(f"one sleep and wake-up costs {sleep_cost_us(load_core):.1f} µs of CPU here")
    if peers:
        peer_us = statistics.median(cost for cost, _ in peers)
        peer_rate = statistics.median(rate for _, rate in peers)
        print(
            f"wrk: {peer_us:.1f} µs a request at {peer_rate:,.0f}/s; "
            f"the generator, never sleeping, costs {cpu_us / peer_us:.2f} times that"
        )
    print(f"budget {BUDGET_US:g} µs a request: {'kept' if cpu_us <= BUDGET_US else 'exceeded'}")
    return 0 if cpu_us <= BUDGET_US else 1


if __name__ == "__main__":
    sys.exit(main())
