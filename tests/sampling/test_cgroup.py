"""Limits and usage of cgroups, from folder trees as kernels lay them out."""

from pathlib import Path

import pytest

from servescope.sampling import cgroup
from servescope.sampling.cgroup import CgroupFiles, count_cpus, find_lineages
from tests.sampling.cgroup_trees import MIB, Machine

NO_LIMIT_V1 = "9223372036854771712\n"


def limits(root):
    """(bytes, file, path) and (CPUs, file, path), None without."""
    lineages, files = find_lineages(root), CgroupFiles()
    found = (
        cgroup.memory_limit(lineages.get("memory", ()), files),
        cgroup.cpu_limit(lineages.get("cpu", ()), lineages.get("cpuset", ()), files),
    )
    return [one and (one.value, one.file, one.cgroup.path) for one in found]


def v2(root, path="/", shown="/"):
    return Machine(root, "v2", path, shown)


def v1(root, path="/", shown="/"):
    return Machine(root, "v1", path, shown)


CASES = {
    "v2: nothing is set": (
        lambda root: v2(root, "/user").group("user", memory_max="max\n", cpu_max="max 100000\n"),
        [None, None],
    ),
    "v2: the root of the host has no files": (v2, [None, None]),
    "v2: a container with a namespace of its own": (
        lambda root: v2(root).group("", memory_max="1000\n", cpu_max="150000 100000\n"),
        [(1000, "memory.max", "/"), (1.5, "cpu.max", "/")],
    ),
    "v2: high is below max": (
        lambda root: v2(root, "/a").group("a", memory_max="1000\n", memory_high="900\n"),
        [(900, "memory.high", "/a"), None],
    ),
    "v2: the tightest ancestor counts": (
        lambda root: (
            v2(root, "/pod/box/app")
            .group("pod/box/app", memory_max="3000\n", cpu_max="max 100000\n")
            .group("pod/box", memory_max="max\n", cpu_max="50000 100000\n")
            .group("pod", memory_max="2000\n", cpu_max="80000 100000\n")
        ),
        [(2000, "memory.max", "/pod"), (0.5, "cpu.max", "/pod/box")],
    ),
    "v2: of equal limits the nearest counts": (
        lambda root: (
            v2(root, "/pod/app")
            .group("pod/app", memory_max="2000\n")
            .group("pod", memory_max="2000\n")
        ),
        [(2000, "memory.max", "/pod/app"), None],
    ),
    "v2: a set of CPUs is tighter than the quota": (
        lambda root: v2(root, "/a").group(
            "a", cpu_max="300000 100000\n", cpuset_cpus_effective="0,2\n"
        ),
        [None, (2, "cpuset.cpus.effective", "/a")],
    ),
    "v2: the set of CPUs stands further up": (
        lambda root: (
            v2(root, "/a/b")
            .group("a/b", cpu_max="max 100000\n")
            .group("a", cpuset_cpus_effective="3\n")
        ),
        [None, (1, "cpuset.cpus.effective", "/a")],
    ),
    "v2: a part of the hierarchy is mounted": (
        lambda root: v2(root, "/docker/abc/in", "/docker/abc").group("in", memory_max="1000\n"),
        [(1000, "memory.max", "/docker/abc/in"), None],
    ),
    "v2: another part is mounted": (
        lambda root: v2(root, "/../../other", "/").group("", memory_max="1000\n"),
        [(1000, "memory.max", "/../../other"), None],
    ),
    "v2: our cgroup was deleted": (
        lambda root: v2(root, "/a (deleted)").group("", memory_max="1000\n"),
        [(1000, "memory.max", "/a (deleted)"), None],
    ),
    "v1: nothing is set": (
        lambda root: v1(root, "/user").group(
            "user",
            memory_limit_in_bytes=NO_LIMIT_V1,
            cpu_cfs_quota_us="-1\n",
            cpu_cfs_period_us="100000\n",
        ),
        [(9223372036854771712, "memory.limit_in_bytes", "/user"), None],
    ),
    "v1: a container without a namespace of its own": (
        lambda root: v1(root, "/docker/abc", "/docker/abc").group(
            "",
            memory_limit_in_bytes="1000\n",
            cpu_cfs_quota_us="25000\n",
            cpu_cfs_period_us="50000\n",
        ),
        [(1000, "memory.limit_in_bytes", "/docker/abc"), (0.5, "cpu.cfs_quota_us", "/docker/abc")],
    ),
    "v1: the tightest ancestor counts": (
        lambda root: (
            v1(root, "/pod/app")
            .group("pod/app", memory_limit_in_bytes=NO_LIMIT_V1, cpu_cfs_quota_us="-1\n")
            .group(
                "pod",
                memory_limit_in_bytes="2000\n",
                cpu_cfs_quota_us="300000\n",
                cpu_cfs_period_us="100000\n",
            )
        ),
        [(2000, "memory.limit_in_bytes", "/pod"), (3, "cpu.cfs_quota_us", "/pod")],
    ),
    "v1: an ancestor that is not mounted": (
        lambda root: v1(root, "/pod/app", "/pod/app").group(
            "",
            memory_limit_in_bytes=NO_LIMIT_V1,
            memory_stat="cache 0\nhierarchical_memory_limit 2000\n",
        ),
        [(2000, "memory.limit_in_bytes", "/pod/app"), None],
    ),
    "v1: a set of CPUs": (
        lambda root: v1(root, "/a").group("a", cpuset_effective_cpus="1-2\n"),
        [None, (2, "cpuset.effective_cpus", "/a")],
    ),
}


@pytest.mark.parametrize(("machine", "expected"), CASES.values(), ids=CASES)
def test_the_tightest_limit_and_who_sets_it(tmp_path, machine, expected):
    machine(tmp_path)
    assert limits(tmp_path) == expected


def test_without_cgroups_there_are_no_limits(tmp_path):
    assert find_lineages(tmp_path) == {}
    assert limits(tmp_path) == [None, None]


def test_in_a_hybrid_hierarchy_a_controller_is_where_it_is_mounted(tmp_path):
    machine = Machine(tmp_path, "v1", "/a").group("a", memory_limit_in_bytes="1000\n")
    proc = tmp_path / "proc" / "self"
    unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    machine.write("proc/self/cgroup", "0::/b\n" + (proc / "cgroup").read_text())
    machine.write("proc/self/mountinfo", unified + (proc / "mountinfo").read_text())
    machine.write("sys/fs/cgroup/unified/b/memory.max", "5\n")
    assert limits(tmp_path)[0] == (1000, "memory.limit_in_bytes", "/a")


def test_a_mount_point_with_a_space(tmp_path):
    machine = Machine(tmp_path, "v2")
    machine.write(
        "proc/self/mountinfo", r"30 24 0:27 / /mnt/of\040us rw - cgroup2 cgroup2 rw" + "\n"
    )
    machine.write("mnt/of us/memory.max", "1000\n")
    assert limits(tmp_path)[0] == (1000, "memory.max", "/")


@pytest.mark.parametrize(
    ("ranges", "count"),
    [("", 0), ("\n", 0), ("0\n", 1), ("0-3\n", 4), ("0-3,7\n", 5), ("0,2,4-5", 4), ("10-12", 3)],
)
def test_cpus_of_a_list(ranges, count):
    assert count_cpus(ranges) == count


def own(root, controller="memory"):
    return find_lineages(root)[controller][0]


def test_the_working_set_leaves_out_what_is_given_back_first(tmp_path):
    Machine(tmp_path / "2", "v2").group(
        "", memory_current=f"{300 * MIB}\n", memory_stat=f"file 5\ninactive_file {100 * MIB}\n"
    )
    Machine(tmp_path / "1", "v1").group(
        "",
        memory_usage_in_bytes=f"{300 * MIB}\n",
        memory_stat=f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n",
    )
    for root in (tmp_path / "2", tmp_path / "1"):
        assert cgroup.working_set(own(root), CgroupFiles()) == 200 * MIB


def test_a_working_set_is_never_negative(tmp_path):
    Machine(tmp_path, "v2").group("", memory_current="5\n", memory_stat="inactive_file 9\n")
    assert cgroup.working_set(own(tmp_path), CgroupFiles()) == 0


def test_cpu_time_and_throttling(tmp_path):
    Machine(tmp_path / "2", "v2").group(
        "", cpu_stat="usage_usec 7\nnr_periods 5\nnr_throttled 3\nthrottled_usec 11\n"
    )
    Machine(tmp_path / "1", "v1").group(
        "",
        cpuacct_usage="7000\n",
        cpu_stat="nr_periods 5\nnr_throttled 3\nthrottled_time 11000\n",
    )
    Machine(tmp_path / "none", "v2").group("", cpu_stat="usage_usec 7\n")
    for root in (tmp_path / "2", tmp_path / "1"):
        assert cgroup.cpu_time_ns(own(root, "cpuacct"), CgroupFiles()) == 7000
        assert cgroup.throttling(own(root, "cpu"), CgroupFiles()) == cgroup.Throttling(5, 3, 11_000)
    assert cgroup.throttling(own(tmp_path / "none", "cpu"), CgroupFiles()) is None


def test_what_is_on_this_machine_can_be_read():
    """On any machine nothing is raised, and the folders are there."""
    lineages = find_lineages(Path("/"))
    assert all(one.folder.is_dir() for lineage in lineages.values() for one in lineage)
    limits(Path("/"))
