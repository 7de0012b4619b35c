"""What a round of all samplers costs, beside psutil's way to the same readings in the same rounds.

Prints CPU microseconds of this thread per sample, the median over the rounds; the kernel's share is
in them. Run: python benchmarks/sampling.py [--rounds N] [--connections N]
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil

from servescope.sampling.host import host_samplers
from servescope.sampling.inet_diag import InetDiag
from servescope.sampling.owners import OwnerFinder
from servescope.sampling.proc_tcp import ProcTcp
from servescope.sampling.process import ProcessSampler
from servescope.sampling.queues import SocketSampler

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = 0.01  # of a core, all samplers together at 1 Hz
IDLE_SECONDS = 0.01  # between rounds: at 1 Hz no sampler finds its caches warm from the last one


def cost_us(work: Callable[[], object]) -> float:
    """CPU time of one call in microseconds of this thread, kernel included."""
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / 1000


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median cost of each, all run in turn in each round."""
    costs: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            costs[name].append(cost_us(work))
        time.sleep(IDLE_SECONDS)
    return {name: statistics.median(values) for name, values in costs.items()}


def main() -> int:
    """Print the table; exit code 1 when the budget is exceeded."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--connections", type=int, default=100, help="to our ports")
    options = arguments.parse_args()
    with ExitStack() as stack:
        listening = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
            for _ in range(2)
        ]
        for number in range(options.connections):
            address = listening[number % 2].getsockname()
            stack.enter_context(socket.create_connection(address))
        ports = [opened.getsockname()[1] for opened in listening]
        return report(ports, options.rounds, options.connections)


def report(ports: list[int], rounds: int, connections: int) -> int:
    """Measure and print."""
    itself = psutil.Process()
    samplers = [
        *host_samplers(),
        ProcessSampler(lambda: {"dashboard": [os.getpid()]}),
        # No ration: each round pays for both readings, as the worst second does.
        SocketSampler(lambda: {port: str(port) for port in ports}, reading_share=float("inf")),
    ]
    ours = {sampler.name: lambda taken=sampler: list(taken.sample()) for sampler in samplers}
    netlink, text = InetDiag(), ProcTcp()
    parts: dict[str, Callable[[], object]] = {
        "InetDiag.listening_sockets": netlink.listening_sockets,
        "InetDiag.connection_counts": lambda: netlink.connection_counts(ports),
        "ProcTcp.connection_counts": lambda: text.connection_counts(ports),
        "OwnerFinder, nothing kept": lambda: OwnerFinder().owner_of([2**31]),
    }
    peers = {
        "psutil.cpu_times(percpu)": lambda: psutil.cpu_times(percpu=True),
        "psutil.cpu_times, load average": lambda: (psutil.cpu_times(), psutil.getloadavg()),
        "psutil.virtual_memory": psutil.virtual_memory,
        "psutil.swap_memory": psutil.swap_memory,
        "psutil.disk_io_counters": lambda: psutil.disk_io_counters(perdisk=True),
        "psutil.net_io_counters": lambda: psutil.net_io_counters(pernic=True),
        "psutil.Process cpu, memory": lambda: (itself.cpu_times(), itself.memory_info()),
        "psutil.net_connections(tcp)": lambda: psutil.net_connections("tcp"),
    }
    cost = medians({**ours, **parts, **peers}, rounds)
    total = sum(cost[name] for name in ours)
    theirs = sum(cost[name] for name in peers)
    print(f"{rounds} rounds, {connections} connections, {len(psutil.pids())} processes")
    print("CPU µs per sample (median)")
    for title, names in (("samplers", ours), ("parts, on demand", parts), ("peers", peers)):
        print(f"  {title}")
        for name in names:
            print(f"    {name:<30}{cost[name]:>10.0f}")
    print(f"all samplers {total:.0f} µs a second = {total / 1e4:.3f} % of a core at 1 Hz")
    print(
        f"psutil's way {theirs:.0f} µs a second = {theirs / 1e4:.3f} %, {theirs / total:.1f} times"
    )
    return int(total / 1e6 > BUDGET)


if __name__ == "__main__":
    raise SystemExit(main())
