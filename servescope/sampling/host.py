"""The host's own figures from proc(5): processors, memory, disks and network interfaces.

Each is read every second, so descriptors are kept open and only the fields used here are parsed:
psutil takes 2.8 times the CPU for memory and 2.0 times for disks and interfaces. For processors it
takes 0.9 times, but lists cores by position: with one offline, those behind it would bear another's
number (`benchmarks/sampling.py`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.catalog import (
    CPU_UTILIZATION,
    DISK_IO,
    LOAD_AVERAGE,
    MEMORY_USAGE,
    MEMORY_UTILIZATION,
    NETWORK_IO,
    PAGING_USAGE,
    PAGING_UTILIZATION,
)
from servescope.records.metrics import Sample
from servescope.sampling.counters import DeviceCounters
from servescope.sampling.procfs import ProcFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servescope.records.metrics import Labels
    from servescope.sampling.base import Sampler

PROC: Final = Path("/proc")
SYS_BLOCK: Final = Path("/sys/block")

ALL_CPUS: Final = "all"
SECTOR_BYTES: Final = 512  # diskstats counts these whatever the device's own sector size

_CPU_FIELDS: Final = 8  # user … steal; guest time, which follows, is part of user already
_MEMORY_LINE: Final = re.compile(
    rb"^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SReclaimable|SwapTotal|SwapFree):\s+(\d+)",
    re.MULTILINE,
)
_MEMORY_DISK: Final = ("loop", "ram", "zram")  # no disk moves when these do, or one counted anyway


def host_samplers(proc: Path = PROC, sys_block: Path = SYS_BLOCK) -> list[Sampler]:
    """One sampler for each kind of hardware, so that one which fails takes no other along."""
    return [
        CpuSampler(proc),
        MemorySampler(proc),
        DiskSampler(proc, sys_block),
        NetworkSampler(proc),
    ]


class CpuSampler:
    """CPU_UTILIZATION by core and `all`, from the second call on, and LOAD_AVERAGE.

    The kernel counts in ticks, usually of 10 ms: over one second a core's share has steps of 1 %.
    """

    name = "cpu"

    def __init__(self, proc: Path = PROC) -> None:
        self._stat = ProcFile(proc / "stat")
        self._last: Mapping[str, tuple[int, int]] = {}
        self._labels: dict[str, Labels] = {}

    def sample(self) -> Iterator[Sample]:
        """A core that was not there at the call before gets its first reading at the next."""
        times = parse_cpu_times(self._stat.read())
        last, self._last = self._last, times
        for cpu, (busy, idle) in times.items():
            if cpu not in last:
                continue
            # Either may step back a little: the kernel estimates them (proc(5), on iowait).
            busy_ticks = max(busy - last[cpu][0], 0)
            idle_ticks = max(idle - last[cpu][1], 0)
            if busy_ticks or idle_ticks:
                labels = self._labels.setdefault(cpu, (("cpu.logical_number", cpu),))
                yield Sample(CPU_UTILIZATION, busy_ticks / (busy_ticks + idle_ticks), labels)
        yield Sample(LOAD_AVERAGE, os.getloadavg()[0])


class MemorySampler:
    """MEMORY_USAGE, MEMORY_UTILIZATION, PAGING_USAGE and PAGING_UTILIZATION."""

    name = "memory"

    def __init__(self, proc: Path = PROC) -> None:
        self._meminfo = ProcFile(proc / "meminfo")

    def sample(self) -> Iterator[Sample]:
        """The states of memory add up to its total, and so do those of swap."""
        size = parse_meminfo(self._meminfo.read())
        total, free = size["MemTotal"], size["MemFree"]
        buffers = size.get("Buffers", 0)
        cached = size.get("Cached", 0) + size.get("SReclaimable", 0)
        # Before Linux 3.14, and in some containers, what is available is not told.
        available = size.get("MemAvailable", free + buffers + cached)
        used = max(total - free - buffers - cached, 0)
        for state, value in (
            ("used", used),
            ("buffers", buffers),
            ("cached", cached),
            ("free", free),
        ):
            yield Sample(MEMORY_USAGE, float(value), (("system.memory.state", state),))
        yield Sample(MEMORY_UTILIZATION, _share(total - available, total))
        swap, swap_free = size.get("SwapTotal", 0), size.get("SwapFree", 0)
        yield Sample(PAGING_USAGE, float(swap - swap_free), (("system.paging.state", "used"),))
        yield Sample(PAGING_USAGE, float(swap_free), (("system.paging.state", "free"),))
        yield Sample(PAGING_UTILIZATION, _share(swap - swap_free, swap))


class DiskSampler:
    """DISK_IO of whole disks: no partitions, none in memory, none stacked on others.

    The bytes of a volume of device mapper or of an array are counted at the disks below it.
    """

    name = "disk"

    def __init__(self, proc: Path = PROC, sys_block: Path = SYS_BLOCK) -> None:
        self._diskstats = ProcFile(proc / "diskstats")
        self._sys_block = sys_block
        self._whole: dict[str, bool] = {}
        self._counters = DeviceCounters(
            DISK_IO, "system.device", "disk.io.direction", ("read", "write")
        )

    def sample(self) -> list[Sample]:
        """The bytes read and written since the call before."""
        totals = parse_diskstats(self._diskstats.read())
        # A name that went is forgotten: the next device of that name may be of another kind.
        self._whole = {
            name: self._whole[name] if name in self._whole else is_whole_disk(name, self._sys_block)
            for name in totals
        }
        return self._counters.samples(
            {name: both for name, both in totals.items() if self._whole[name]}
        )


class NetworkSampler:
    """NETWORK_IO of each interface of this network namespace, the loopback among them."""

    name = "network"

    def __init__(self, proc: Path = PROC) -> None:
        self._dev = ProcFile(proc / "net" / "dev")
        self._counters = DeviceCounters(
            NETWORK_IO,
            "network.interface.name",
            "network.io.direction",
            ("receive", "transmit"),
        )

    def sample(self) -> list[Sample]:
        """The bytes received and transmitted since the call before."""
        return self._counters.samples(parse_net_dev(self._dev.read()))


def parse_cpu_times(text: bytes) -> dict[str, tuple[int, int]]:
    """Ticks busy and idle by core number and `all`, from /proc/stat; idle holds iowait too."""
    times = {}
    for line in text.splitlines():
        if not line.startswith(b"cpu"):
            break  # the lines on processors come first; that on interrupts is long
        name, *fields = line.split()
        ticks = [int(field) for field in fields[:_CPU_FIELDS]]
        idle = sum(ticks[3:5])
        times[name[3:].decode() or ALL_CPUS] = (sum(ticks) - idle, idle)
    return times


def parse_meminfo(text: bytes) -> dict[str, int]:
    """Bytes by name, the lines of /proc/meminfo that are used here. Raises OSError without them."""
    size = {name.decode(): int(kib) * 1024 for name, kib in _MEMORY_LINE.findall(text)}
    if "MemTotal" not in size or "MemFree" not in size:
        raise OSError("/proc/meminfo tells no MemTotal or no MemFree")
    return size


def parse_diskstats(text: bytes) -> dict[str, tuple[int, int]]:
    """Bytes read and written by device, from /proc/diskstats, partitions and all."""
    totals = {}
    for line in text.splitlines():
        fields = line.split()
        totals[_text(fields[2])] = (int(fields[5]) * SECTOR_BYTES, int(fields[9]) * SECTOR_BYTES)
    return totals


def parse_net_dev(text: bytes) -> dict[str, tuple[int, int]]:
    """Bytes received and transmitted by interface, from /proc/net/dev."""
    totals = {}
    for line in text.splitlines()[2:]:
        # The name may hold a colon on old kernels, and may touch the first figure.
        name, _, figures = line.rpartition(b":")
        fields = figures.split()
        totals[_text(name.strip())] = (int(fields[0]), int(fields[8]))
    return totals


def is_whole_disk(name: str, sys_block: Path = SYS_BLOCK) -> bool:
    """Whether a device of /proc/diskstats is a disk of its own; see DiskSampler."""
    if name.rstrip("0123456789") in _MEMORY_DISK:
        return False
    device = sys_block / name.replace("/", "!")  # as sysfs spells cciss/c0d0
    if not device.exists():
        return False  # a partition has its folder inside that of its disk
    slaves = device / "slaves"
    return not (slaves.is_dir() and any(slaves.iterdir()))


def _share(part: int, whole: int) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole else 0.0


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
