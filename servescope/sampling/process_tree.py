"""The cost of a process and those it started together, now.

psutil finds the processes, their threads and their memory: 5 ms in place of 0.8
(`benchmarks/sampling.py`), asked before and after a load. Their CPU time is the scheduler's own in
nanoseconds; psutil's comes in ticks of 10 ms.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from servescope.sampling.process import process_clock


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """CPU time since each process began, and what they hold now.

    `memory_bytes` is the proportional set size (proc(5), smaps_rollup): a page that several share
    is shared out among them; None where the kernel does not tell.
    """

    cpu_ns: int
    memory_bytes: int | None
    processes: int
    threads: int


def tree_of(pid: int) -> list[int]:
    """The process and its living descendants."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]


def usage_of(*pids: int) -> TreeUsage:
    """Of these processes and those below them; one that ends meanwhile is passed over."""
    cpu_ns = threads = processes = 0
    memory: int | None = 0
    for one in {one for pid in pids for one in tree_of(pid)}:
        try:
            process = psutil.Process(one)
            cpu_ns += time.clock_gettime_ns(process_clock(one))
            threads += process.num_threads()
        except (OSError, psutil.NoSuchProcess):
            continue
        processes += 1
        try:
            memory = None if memory is None else memory + process.memory_full_info().pss
        except psutil.Error:
            memory = None
    return TreeUsage(cpu_ns, memory, processes, threads)
