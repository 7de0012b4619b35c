"""What a process and those it started cost together, now."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servescope.sampling.process import process_clock

_KIB: Final = 1024


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
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += tree_of(int(child))
    return found


def usage_of(pid: int) -> TreeUsage:
    """Read it; a process that ends meanwhile is passed over."""
    cpu_ns = threads = processes = 0
    memory: int | None = 0
    for one in tree_of(pid):
        try:
            cpu_ns += time.clock_gettime_ns(process_clock(one))
            threads += _field(one, "status", "Threads:")
        except OSError:
            continue
        processes += 1
        try:
            memory = None if memory is None else memory + _field(one, "smaps_rollup", "Pss:") * _KIB
        except OSError:
            memory = None
    return TreeUsage(cpu_ns, memory, processes, threads)


def _field(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
