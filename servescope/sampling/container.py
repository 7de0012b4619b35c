"""The limits of this process's cgroup, and its use of them (see `cgroup`)."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.catalog import (
    CONTAINER_CPU,
    CONTAINER_CPU_LIMIT,
    CONTAINER_MEMORY,
    CONTAINER_MEMORY_LIMIT,
    CONTAINER_THROTTLED,
    CONTAINER_THROTTLED_TIME,
)
from servescope.records.metrics import Sample
from servescope.sampling import cgroup
from servescope.sampling.counters import Increases
from servescope.sampling.host import parse_cpu_times, parse_meminfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servescope.records.metrics import Labels

LOOK_AGAIN_S: Final = 60.0
"""How often it is looked where the files are: a controller may be switched on later."""

_NS: Final = 1e9


class ContainerSampler:
    """CONTAINER_* metrics, once a limit is below what the host has; else none.

    Usage is that of the cgroup whose limit is the tightest, against which it is held. `root` stands
    for `/`: proc/self, proc/meminfo, proc/stat and all mount points are looked for below it.
    """

    name = "container"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._files = cgroup.CgroupFiles()
        self._lineages: Mapping[str, cgroup.Lineage] = {}
        self._host_bytes = self._host_cpus = math.inf
        self._looked_s = self._look_again_s = 0.0
        self._increases: Increases[tuple[str, Path]] = Increases()

    def sample(self) -> Iterator[Sample]:
        """A use over time has a value from the second call on."""
        if time.monotonic() >= self._look_again_s:
            self._look()
        self._look_again_s = 0.0  # at once, where what follows fails: we were moved elsewhere
        yield from self._memory()
        yield from self._cpu()
        self._look_again_s = self._looked_s + LOOK_AGAIN_S

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        self._files = cgroup.CgroupFiles()
        self._lineages = cgroup.find_lineages(self._root)
        # Once a minute, by the parsers that the samplers of the host have anyway.
        proc = self._root / "proc"
        self._host_bytes = parse_meminfo((proc / "meminfo").read_bytes())["MemTotal"]
        self._host_cpus = len(parse_cpu_times((proc / "stat").read_bytes())) - 1  # without `all`

    def _memory(self) -> Iterator[Sample]:
        limit = cgroup.memory_limit(self._lineages.get(cgroup.MEMORY, ()), self._files)
        if limit is not None and limit.value < self._host_bytes:
            yield Sample(CONTAINER_MEMORY_LIMIT, limit.value, _labels(limit))
            used = cgroup.working_set(limit.cgroup, self._files)
            yield Sample(CONTAINER_MEMORY, float(used))

    def _cpu(self) -> Iterator[Sample]:
        lineages, files = self._lineages, self._files
        sets = lineages.get(cgroup.CPU_SET, ())
        limit = cgroup.cpu_limit(lineages.get(cgroup.CPU, ()), sets, files)
        if limit is None or limit.value >= self._host_cpus:
            return
        yield Sample(CONTAINER_CPU_LIMIT, limit.value, _labels(limit))
        totals = {}
        # Version 1 counts CPU time by a controller of its own.
        counting = cgroup.CPU_ACCOUNT if limit.cgroup.version == 1 else cgroup.CPU
        counted = cgroup.same_cgroup(limit.cgroup, lineages, counting)
        used_ns = None if counted is None else cgroup.cpu_time_ns(counted, files)
        if counted is not None and used_ns is not None:
            totals["clock", counted.folder] = time.monotonic_ns()
            totals["used", counted.folder] = used_ns
        held = cgroup.same_cgroup(limit.cgroup, lineages, cgroup.CPU)
        throttling = None if held is None else cgroup.throttling(held, files)
        if held is not None and throttling is not None:
            totals["periods", held.folder] = throttling.periods
            totals["throttled", held.folder] = throttling.throttled_periods
            totals["held back", held.folder] = throttling.throttled_ns
        more = {name: value for (name, _), value in self._increases.since_last(totals).items()}
        if more.get("clock"):
            yield Sample(CONTAINER_CPU, more["used"] / more["clock"])
        if "periods" in more:  # none of them: nobody wanted a CPU
            yield Sample(CONTAINER_THROTTLED, more["throttled"] / max(more["periods"], 1))
            yield Sample(CONTAINER_THROTTLED_TIME, more["held back"] / _NS)


def _labels(limit: cgroup.Limit) -> Labels:
    """The file and cgroup that set the limit."""
    return ("cgroup.file", limit.file), ("cgroup.path", limit.cgroup.path)
