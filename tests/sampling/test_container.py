"""The sampler of the container's limits: over folder trees, and in a real cgroup where it may."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from servescope import catalog
from servescope.catalog import BY_NAME
from servescope.sampling import container
from servescope.sampling.cgroup import CPU, CPU_ACCOUNT, find_lineages
from servescope.sampling.container import ContainerSampler
from tests.processes import ROOT, eventually
from tests.sampling.cgroup_trees import MIB, Machine, limited_v2


def readings(sampler):
    return {sample.metric: sample.value for sample in sampler.sample()}


@pytest.fixture
def clock(monkeypatch):
    """Time that the test moves on."""

    class Clock:
        now_ns = 10**9

        def monotonic(self):
            return self.now_ns / 1e9

        def monotonic_ns(self):
            return self.now_ns

    clock = Clock()
    monkeypatch.setattr(container, "time", clock)
    return clock


def test_a_limited_container_tells_its_limits_and_what_it_uses(tmp_path, clock):
    machine, sampler = limited_v2(tmp_path), ContainerSampler(tmp_path)
    limits = {
        catalog.CONTAINER_MEMORY_LIMIT: 512 * MIB,
        catalog.CONTAINER_MEMORY: 200 * MIB,
        catalog.CONTAINER_CPU_LIMIT: 0.5,
    }
    assert readings(sampler) == limits
    clock.now_ns += 2 * 10**9
    machine.group(
        "", cpu_stat="usage_usec 1600000\nnr_periods 120\nnr_throttled 15\nthrottled_usec 900000\n"
    )
    assert readings(sampler) == limits | {
        catalog.CONTAINER_CPU: pytest.approx(0.3),
        catalog.CONTAINER_THROTTLED: pytest.approx(0.25),
        catalog.CONTAINER_THROTTLED_TIME: pytest.approx(0.4),
    }
    clock.now_ns += 10**9
    told = readings(sampler)
    assert (told[catalog.CONTAINER_CPU], told[catalog.CONTAINER_THROTTLED]) == (0.0, 0.0)


def test_the_same_of_version_1(tmp_path, clock):
    machine, sampler = Machine(tmp_path, "v1", "/docker/abc", "/docker"), ContainerSampler(tmp_path)
    machine.group(
        "abc",
        memory_limit_in_bytes=f"{512 * MIB}\n",
        memory_usage_in_bytes=f"{300 * MIB}\n",
        memory_stat=f"total_inactive_file {100 * MIB}\n",
        cpu_cfs_quota_us="50000\n",
        cpu_cfs_period_us="100000\n",
        cpuacct_usage="1000000000\n",
        cpu_stat="nr_periods 100\nnr_throttled 10\nthrottled_time 500000000\n",
    )
    assert readings(sampler)[catalog.CONTAINER_MEMORY] == 200 * MIB
    clock.now_ns += 10**9
    machine.group(
        "abc",
        cpuacct_usage="1300000000\n",
        cpu_stat="nr_periods 110\nnr_throttled 15\nthrottled_time 600000000\n",
    )
    told = readings(sampler)
    assert told[catalog.CONTAINER_CPU] == pytest.approx(0.3)
    assert told[catalog.CONTAINER_THROTTLED] == pytest.approx(0.5)
    assert told[catalog.CONTAINER_THROTTLED_TIME] == pytest.approx(0.1)


UNLIMITED = {
    "nothing is set": {"memory_max": "max\n", "cpu_max": "max 100000\n"},
    "more is allowed than there is": {
        "memory_max": f"{64 << 30}\n",
        "cpu_max": "800000 100000\n",
        "cpuset_cpus_effective": "0-3\n",
    },
}


@pytest.mark.parametrize("files", UNLIMITED.values(), ids=UNLIMITED)
def test_without_a_limit_below_what_the_host_has_nothing_is_told(tmp_path, files):
    Machine(tmp_path, "v2").group("", cpu_stat="usage_usec 1\n", memory_current="1\n", **files)
    sampler = ContainerSampler(tmp_path)
    assert readings(sampler) == readings(sampler) == {}


def test_what_the_limited_ancestor_uses_is_held_against_its_limit(tmp_path):
    (
        Machine(tmp_path, "v2", "/pod/app")
        .group("pod/app", memory_max="max\n", memory_current=f"{100 * MIB}\n")
        .group("pod", memory_max=f"{400 * MIB}\n", memory_current=f"{300 * MIB}\n")
    )
    told = {sample.metric: sample for sample in ContainerSampler(tmp_path).sample()}
    assert told[catalog.CONTAINER_MEMORY].value == 300 * MIB
    assert told[catalog.CONTAINER_MEMORY_LIMIT].labels == (
        ("cgroup.file", "memory.max"),
        ("cgroup.path", "/pod"),
    )


def test_a_limit_that_is_changed_while_it_runs_is_told(tmp_path, clock):
    machine, sampler = limited_v2(tmp_path), ContainerSampler(tmp_path)
    assert readings(sampler)[catalog.CONTAINER_MEMORY_LIMIT] == 512 * MIB
    machine.group("", memory_max=f"{256 * MIB}\n", cpu_max="max 100000\n")
    told = readings(sampler)
    assert told[catalog.CONTAINER_MEMORY_LIMIT] == 256 * MIB
    assert catalog.CONTAINER_CPU_LIMIT not in told
    machine.group("", cpuset_cpus_effective="0\n")  # a controller that is switched on
    clock.now_ns += int(container.LOOK_AGAIN_S * 1e9)
    assert readings(sampler)[catalog.CONTAINER_CPU_LIMIT] == 1


def test_a_cgroup_that_went_is_looked_for_again(tmp_path, monkeypatch):
    machine, sampler = limited_v2(tmp_path), ContainerSampler(tmp_path)
    list(sampler.sample())

    def gone(_path):
        raise OSError(19, "No such device")

    with monkeypatch.context() as patch:
        patch.setattr(sampler._files, "number", gone)
        with pytest.raises(OSError, match="No such device"):
            list(sampler.sample())
    machine.group("", memory_max=f"{128 * MIB}\n")
    assert readings(sampler)[catalog.CONTAINER_MEMORY_LIMIT] == 128 * MIB


def test_every_sample_is_in_the_catalog_with_its_labels(tmp_path):
    limited_v2(tmp_path)
    sampler = ContainerSampler(tmp_path)
    list(sampler.sample())
    samples = list(sampler.sample())
    assert len(samples) == 6
    for sample in samples:
        assert {name for name, _ in sample.labels} == set(BY_NAME[sample.metric].labels)
        assert list(sample.labels) == sorted(sample.labels)


BUSY = """
import json, sys, time
from pathlib import Path
from servescope.sampling.container import ContainerSampler

sys.stdin.readline()  # until it is where it belongs
sampler = ContainerSampler(Path(sys.argv[1]))
list(sampler.sample())
end = time.monotonic() + 1.0
while time.monotonic() < end:
    pass
print(json.dumps({one.metric: one.value for one in sampler.sample()}))
"""


@contextmanager
def real_cgroups():
    """Folders of a cgroup of our own, with a tenth of a CPU; none where this user may make none.

    Of the CPU controller alone, and what counts CPU time in version 1.
    """
    lineages, made = find_lineages(Path("/")), []
    parents = dict.fromkeys(lineages[one][0] for one in (CPU, CPU_ACCOUNT) if one in lineages)
    try:
        for parent in parents:
            folder = parent.folder / f"servescope-test-{os.getpid()}"
            folder.mkdir()
            made.append(folder)
        if made and lineages[CPU][0].version > 1:
            (made[0] / "cpu.max").write_text("10000 100000")
        elif made:
            (made[0] / "cpu.cfs_period_us").write_text("100000")
            (made[0] / "cpu.cfs_quota_us").write_text("10000")
    except OSError:
        while made:
            made.pop().rmdir()
    try:
        yield made
    finally:
        for folder in made:
            eventually(lambda folder=folder: not (folder / "cgroup.procs").read_text())
            folder.rmdir()


def test_a_process_that_wants_more_than_its_quota(tmp_path):
    """In a real cgroup where one may be made; else over a tree as the kernel lays it out."""
    with real_cgroups() as folders:
        root = Path("/")
        if not folders:
            root = tmp_path
            limited_v2(tmp_path).group("", cpu_max="10000 100000\n")
        with subprocess.Popen(
            [sys.executable, "-c", BUSY, str(root)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            for folder in folders:
                (folder / "cgroup.procs").write_text(str(process.pid))
            told = json.loads(process.communicate("\n", timeout=100)[0])
    assert told[catalog.CONTAINER_CPU_LIMIT] == pytest.approx(0.1)
    assert 0 <= told[catalog.CONTAINER_CPU] < 0.5
    assert 0 <= told[catalog.CONTAINER_THROTTLED] <= 1
    if folders:
        assert told[catalog.CONTAINER_THROTTLED] > 0
        assert told[catalog.CONTAINER_THROTTLED_TIME] > 0
