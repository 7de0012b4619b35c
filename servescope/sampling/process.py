"""CPU and memory of processes we know by name: the dashboard, a load generator.

Read every second: psutil takes 1.9 times the CPU (`benchmarks/sampling.py`), tells CPU time in
ticks of 10 ms, and finds out by start times whether a pid is still the same process.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.catalog import PROCESS_CPU, PROCESS_MEMORY
from servescope.records.metrics import Sample
from servescope.sampling.procfs import ProcFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED: Final = 2  # linux/posix-timers_types.h


@dataclass(slots=True)
class _Process:
    """A process we follow.

    Its open descriptor is the guard against a pid taken over by another process: it reads of the
    one it was opened for, or fails with ESRCH. Comparing start times would leave a gap.
    """

    pid: int
    statm: ProcFile
    ended: bool = False
    cpu_ns: int | None = None
    read_at_ns: int = 0

    def read(self) -> tuple[float | None, int] | None:
        """Cores used since the reading before (None at the first) and resident bytes.

        None once the process has ended, for good.
        """
        if self.ended:
            return None
        try:
            size, resident = self.statm.read().split(None, 2)[:2]
            cpu_ns = time.clock_gettime_ns(process_clock(self.pid))
        except OSError:
            self.ended = True
            return None
        if size == b"0":  # a zombie: ended, and not yet waited for
            self.ended = True
            return None
        now_ns = time.monotonic_ns()
        cores = None
        if self.cpu_ns is not None and now_ns > self.read_at_ns:
            cores = max(cpu_ns - self.cpu_ns, 0) / (now_ns - self.read_at_ns)
        self.cpu_ns, self.read_at_ns = cpu_ns, now_ns
        return cores, int(resident) * _PAGE_BYTES


class ProcessSampler:
    """PROCESS_CPU in cores and PROCESS_MEMORY in bytes, summed over the processes of each name.

    `pids` is asked at each call whom to follow. CPU comes in the scheduler's nanoseconds, from the
    second reading of a process on. Resident pages that processes share count for each of them.
    A name without a living process has no sample. A pid means the process that bore it when `pids`
    first listed it, until `pids` leaves it out.
    """

    name = "process"

    def __init__(self, pids: Callable[[], Mapping[str, Sequence[int]]]) -> None:
        self._pids = pids
        self._followed: dict[int, _Process] = {}

    def sample(self) -> Iterator[Sample]:
        """Readings of now; processes that ended meanwhile are passed over."""
        wanted = self._pids()
        self._followed = {
            pid: self._followed.get(pid) or _Process(pid, ProcFile(Path(f"/proc/{pid}/statm")))
            for pids in wanted.values()
            for pid in pids
        }
        for name, pids in wanted.items():
            readings = [
                reading
                for pid in dict.fromkeys(pids)
                if (reading := self._followed[pid].read()) is not None
            ]
            labels = (("process", name),)
            cores = [cores for cores, _ in readings if cores is not None]
            if cores:
                yield Sample(PROCESS_CPU, sum(cores), labels)
            if readings:
                yield Sample(PROCESS_MEMORY, float(sum(rss for _, rss in readings)), labels)


def process_clock(pid: int) -> int:
    """The clock id of a process's CPU time, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | _CPUCLOCK_SCHED
