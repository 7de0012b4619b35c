"""The cgroup this process is in, the limits it and those above it have, and what they use.

In a container /proc/meminfo and /proc/stat describe the whole host; the limits that end or slow
down a program there are in the files of its cgroup or of one above it (cgroups(7)). Version 2 is
described in the kernel's admin-guide/cgroup-v2.rst, version 1 in admin-guide/cgroup-v1/memory.rst
and scheduler/sched-bwc.rst. Where both are mounted a controller belongs to one of them. psutil
knows no cgroups, and of a mount not which part of its hierarchy it shows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from servescope.sampling.procfs import ProcFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MEMORY: Final = "memory"
CPU: Final = "cpu"
CPU_ACCOUNT: Final = "cpuacct"
CPU_SET: Final = "cpuset"
CONTROLLERS: Final = (MEMORY, CPU, CPU_ACCOUNT, CPU_SET)

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")  # as mountinfo writes a space, say
_MOUNT_FIELDS: Final = 5  # id, parent, device, root, mount point; then options up to a dash
_NS_PER_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup as one controller has it: its path as /proc/self/cgroup writes it, its folder."""

    path: str
    folder: Path
    version: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in bytes or CPUs, the file that sets it, and the cgroup it is set for."""

    value: float
    file: str
    cgroup: Cgroup


@dataclass(frozen=True, slots=True)
class Throttling:
    """Periods of the CPU quota in which a thread wanted to run, and how many ended its run."""

    periods: int
    throttled_periods: int
    throttled_ns: int  # of all CPUs together


Lineage = tuple[Cgroup, ...]
"""A cgroup and those above it, as far up as this mount namespace shows them; its own first."""


class CgroupFiles:
    """Reads files again and again, but for those that were not there at first."""

    def __init__(self) -> None:
        self._open: dict[Path, ProcFile | None] = {}

    def read(self, path: Path) -> bytes:
        """The file as it is now; nothing where there is none. Raises OSError once it is gone."""
        if path not in self._open:
            self._open[path] = ProcFile(path) if path.is_file() else None
        file = self._open[path]
        return b"" if file is None else file.read()

    def number(self, path: Path) -> int | None:
        """The whole number a file holds; None where there is none, or it says `max`."""
        text = self.read(path).strip()
        return int(text) if text.lstrip(b"-").isdigit() else None

    def table(self, path: Path) -> dict[str, int]:
        """The numbers by name of a file with a name and a number a line."""
        rows = (line.split() for line in self.read(path).decode("ascii", "replace").splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}  # noqa: PLR2004 - name and number


def find_lineages(root: Path) -> dict[str, Lineage]:
    """Where each controller has this process. `root` stands for `/`.

    Raises OSError when proc(5) does not tell.
    """
    proc = root / "proc" / "self"
    if not (proc / "cgroup").exists():
        return {}  # a kernel without cgroups
    mounts = list(_mounts((proc / "mountinfo").read_text("utf-8", "replace")))
    found: dict[str, Lineage] = {}
    lines = (proc / "cgroup").read_text("utf-8", "replace").splitlines()
    # Version 2, whose line names no controller, has those that version 1 leaves to it.
    for line in sorted(lines, key=lambda one: one.startswith("0::")):
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if controllers else CONTROLLERS:
            if controller not in CONTROLLERS or controller in found:
                continue
            for version, mounted, shown, point in mounts:
                if (version == 1) == bool(controllers) and (version == 2 or controller in mounted):  # noqa: PLR2004 - versions 1 and 2
                    folder = root / point.lstrip("/")
                    found[controller] = _lineage(path, shown, folder, version)
                    break
    return found


def _mounts(mountinfo: str) -> Iterator[tuple[int, list[str], str, str]]:
    """Version, controllers, the cgroup that is shown, and the mount point (proc(5), mountinfo)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, *rest) = before.split(" "), after.split(" ")
        if kind in {"cgroup", "cgroup2"} and len(fields) >= _MOUNT_FIELDS:
            shown, point = (_ESCAPED.sub(_character, text) for text in fields[3:5])
            yield 2 if kind == "cgroup2" else 1, rest[-1].split(","), shown, point


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))


def _lineage(path: str, shown: str, point: Path, version: int) -> Lineage:
    """The cgroup and those above it, down to the mount point, which shows the cgroup `shown`."""
    whole, top = PurePosixPath(path), PurePosixPath(shown)
    inside = whole.relative_to(top) if whole.is_relative_to(top) else PurePosixPath()
    if ".." in inside.parts or not point.joinpath(inside).is_dir():
        # The mount shows another part of the hierarchy: its top is the nearest that can be seen.
        inside, top = PurePosixPath(), whole
    folders = [inside, *inside.parents] if inside.parts else [inside]
    return tuple(Cgroup(str(top / one), point / one, version) for one in folders)


def memory_limit(lineage: Sequence[Cgroup], files: CgroupFiles) -> Limit | None:
    """The lowest limit in bytes: beyond `memory.max` processes are ended, beyond `high` held up."""
    found = []
    for cgroup in lineage:
        names = ("memory.max", "memory.high") if cgroup.version > 1 else ("memory.limit_in_bytes",)
        for name in names:
            value = files.number(cgroup.folder / name)
            if value is not None:
                found.append(Limit(float(value), name, cgroup))
    if lineage and lineage[0].version == 1:  # it knows of cgroups above the mount point, too
        table = files.table(lineage[0].folder / "memory.stat")
        if "hierarchical_memory_limit" in table:
            lowest = float(table["hierarchical_memory_limit"])
            found.append(Limit(lowest, "memory.limit_in_bytes", lineage[0]))
    return min(found, key=lambda limit: limit.value, default=None)


def cpu_limit(
    lineage: Iterable[Cgroup], sets: Sequence[Cgroup], files: CgroupFiles
) -> Limit | None:
    """The lowest limit in CPUs: a quota of time in each period, or the set of CPUs to run on."""
    found = []
    for cgroup in lineage:
        file = "cpu.max" if cgroup.version > 1 else "cpu.cfs_quota_us"
        quota = _quota(cgroup, files)
        if quota < math.inf:
            found.append(Limit(quota, file, cgroup))
    for cgroup in sets:
        name = "cpuset.cpus.effective" if cgroup.version > 1 else "cpuset.effective_cpus"
        cpus = count_cpus(files.read(cgroup.folder / name).decode("ascii", "replace"))
        if cpus:
            found.append(Limit(float(cpus), name, cgroup))
            break  # it is what those above it leave
    return min(found, key=lambda limit: limit.value, default=None)


def _quota(cgroup: Cgroup, files: CgroupFiles) -> float:
    """CPUs that the quota allows; infinite without one."""
    if cgroup.version > 1:
        quota, _, period = (
            files.read(cgroup.folder / "cpu.max").decode("ascii", "replace").partition(" ")
        )
        return int(quota) / int(period) if quota.isdigit() else math.inf
    told = files.number(cgroup.folder / "cpu.cfs_quota_us")
    length = files.number(cgroup.folder / "cpu.cfs_period_us")
    return told / length if told is not None and told > 0 and length else math.inf


def count_cpus(ranges: str) -> int:
    """How many CPUs a list such as `0-3,7` names (cpuset(7), "List format")."""
    count = 0
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            count += int(last or first) - int(first) + 1
    return count


def working_set(cgroup: Cgroup, files: CgroupFiles) -> int:
    """Bytes in use but for file pages not used of late, which are given back first.

    docker and Kubernetes show this as a container's memory.
    """
    if cgroup.version > 1:
        used, inactive = "memory.current", "inactive_file"
    else:
        used, inactive = "memory.usage_in_bytes", "total_inactive_file"
    whole = files.number(cgroup.folder / used) or 0
    return max(whole - files.table(cgroup.folder / "memory.stat").get(inactive, 0), 0)


def cpu_time_ns(cgroup: Cgroup, files: CgroupFiles) -> int | None:
    """CPU time used so far; None where it is not told."""
    if cgroup.version > 1:
        used_us = files.table(cgroup.folder / "cpu.stat").get("usage_usec")
        return None if used_us is None else used_us * _NS_PER_US
    return files.number(cgroup.folder / "cpuacct.usage")


def throttling(cgroup: Cgroup, files: CgroupFiles) -> Throttling | None:
    """How often the quota ended a run so far; None without a quota, as far as is told."""
    told = files.table(cgroup.folder / "cpu.stat")
    if "nr_periods" not in told:
        return None
    throttled_ns = told.get("throttled_time", told.get("throttled_usec", 0) * _NS_PER_US)
    return Throttling(told["nr_periods"], told.get("nr_throttled", 0), throttled_ns)


def same_cgroup(wanted: Cgroup, lineages: Mapping[str, Lineage], controller: str) -> Cgroup | None:
    """The cgroup of the same path as another controller has it, when we are in that one as well."""
    return next((one for one in lineages.get(controller, ()) if one.path == wanted.path), None)
