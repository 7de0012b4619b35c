"""The cost of each reading of the host, beside psutil's way to the same one in the same rounds.

Prints CPU microseconds of this thread, the median over the rounds; the kernel's share is in them,
and in ours the making of samples too. A reading of our own stays where it is taken each second and
psutil's costs more, or where psutil does not have it.
Run: python benchmarks/sampling.py [--rounds N] [--connections N]
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
from servescope.sampling.owners import OwnerFinder
from servescope.sampling.proc_tcp import ProcTcp
from servescope.sampling.process import ProcessSampler
from servescope.sampling.process_tree import usage_of
from servescope.sampling.queues import PortLabels, SocketSampler

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
    cpu, memory, disk, network = host_samplers()
    process = ProcessSampler(lambda: {"dashboard": [os.getpid()]})
    # No ration: each round pays for both readings, as the worst second does.
    sockets = SocketSampler(
        lambda: {port: PortLabels(str(port)) for port in ports}, reading_share=float("inf")
    )
    text = ProcTcp()

    def tree_by_psutil() -> None:
        for one in (itself, *itself.children(recursive=True)):
            with one.oneshot():
                one.cpu_times()
                one.num_threads()
            one.memory_full_info()

    # The reading, whether it is taken each second, ours, psutil's.
    pairs: list[tuple[str, bool, Callable[[], object], Callable[[], object]]] = [
        (
            "cpu",
            True,
            lambda: list(cpu.sample()),
            lambda: (psutil.cpu_times(percpu=True), psutil.cpu_times(), psutil.getloadavg()),
        ),
        (
            "memory",
            True,
            lambda: list(memory.sample()),
            lambda: (psutil.virtual_memory(), psutil.swap_memory()),
        ),
        ("disk", True, disk.sample, lambda: psutil.disk_io_counters(perdisk=True)),
        ("network", True, network.sample, lambda: psutil.net_io_counters(pernic=True)),
        (
            "process",
            True,
            lambda: list(process.sample()),
            lambda: (itself.cpu_times(), itself.memory_info()),
        ),
        (
            "socket, by netlink",
            True,
            lambda: list(sockets.sample()),
            lambda: psutil.net_connections("tcp"),
        ),
        (
            "socket, where netlink is refused",
            False,
            lambda: (text.listening_sockets(), text.connection_counts(ports)),
            lambda: psutil.net_connections("tcp"),
        ),
        (
            "owner of a socket, nothing kept",
            False,
            lambda: OwnerFinder().owner_of([2**31]),
            lambda: psutil.net_connections("tcp"),
        ),
        ("a process and its children", False, lambda: usage_of(os.getpid()), tree_by_psutil),
    ]
    works = {f"our {name}": ours for name, _, ours, _ in pairs}
    works |= {f"psutil's {name}": theirs for name, _, _, theirs in pairs}
    cost = medians(works, rounds)
    print(f"{rounds} rounds, {connections} connections, {len(psutil.pids())} processes")
    print(f"{'CPU µs (median)':<36}{'ours':>8}{'psutil':>8}{'ratio':>8}")
    for title, wanted in (("each second", True), ("on demand", False)):
        print(f"  {title}")
        for name, is_each_second, _, _ in pairs:
            if is_each_second is wanted:
                ours, theirs = cost[f"our {name}"], cost[f"psutil's {name}"]
                print(f"    {name:<32}{ours:>8.0f}{theirs:>8.0f}{theirs / ours:>8.1f}")
    each_second = [name for name, is_each_second, _, _ in pairs if is_each_second]
    total = sum(cost[f"our {name}"] for name in each_second)
    theirs = sum(cost[f"psutil's {name}"] for name in each_second)
    print(f"all samplers {total:.0f} µs a second = {total / 1e4:.3f} % of a core at 1 Hz")
    print(
        f"psutil's way {theirs:.0f} µs a second = {theirs / 1e4:.3f} %, {theirs / total:.1f} times"
    )
    return int(total / 1e6 > BUDGET)


if __name__ == "__main__":
    raise SystemExit(main())
