import os
import subprocess
import sys
import time

import psutil
import pytest

from servescope.catalog import PROCESS_CPU, PROCESS_MEMORY
from servescope.sampling.process import ProcessSampler


def readings(sampler):
    return {(s.metric, dict(s.labels)["process"]): s.value for s in sampler.sample()}


@pytest.fixture
def child():
    """A process that waits to be told to end."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def end(child):
    child.stdin.close()
    child.wait()


def burn_cpu(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_cpu_is_in_cores_and_memory_in_bytes():
    sampler = ProcessSampler(lambda: {"dashboard": [os.getpid()]})
    assert readings(sampler).keys() == {(PROCESS_MEMORY, "dashboard")}
    cpu, wall = time.process_time(), time.monotonic()
    burn_cpu(0.2)
    told = readings(sampler)
    cores = (time.process_time() - cpu) / (time.monotonic() - wall)
    assert told[PROCESS_CPU, "dashboard"] == pytest.approx(cores, rel=0.1)
    resident = psutil.Process().memory_info().rss
    assert told[PROCESS_MEMORY, "dashboard"] == pytest.approx(resident, rel=0.1)


def test_processes_of_one_name_are_added_and_counted_once(child):
    own = ProcessSampler(lambda: {"one": [os.getpid()], "two": [child.pid]})
    both = ProcessSampler(lambda: {"both": [os.getpid(), child.pid, child.pid]})
    told = readings(own)
    together = readings(both)[PROCESS_MEMORY, "both"]
    assert together == pytest.approx(sum(told.values()), rel=0.05)


def test_a_name_without_a_living_process_has_no_sample(child):
    listed = {"none": [], "never was": [2**22 + 1], "child": [child.pid]}
    sampler = ProcessSampler(lambda: listed)
    assert readings(sampler).keys() == {(PROCESS_MEMORY, "child")}
    end(child)
    assert readings(sampler) == {}
    listed.clear()
    assert readings(sampler) == {}


def test_a_process_that_ended_and_was_not_waited_for_is_gone(child, eventually):
    sampler = ProcessSampler(lambda: {"child": [child.pid]})
    assert readings(sampler)
    child.stdin.close()
    eventually(lambda: psutil.Process(child.pid).status(), psutil.STATUS_ZOMBIE)
    assert readings(sampler) == {}


def test_one_that_ended_does_not_hide_its_fellow(child):
    sampler = ProcessSampler(lambda: {"all": [child.pid, os.getpid()]})
    readings(sampler)
    end(child)
    assert readings(sampler).keys() == {(PROCESS_CPU, "all"), (PROCESS_MEMORY, "all")}


def test_a_process_that_takes_over_a_pid_is_not_counted(child):
    listed = {"generator": [child.pid]}
    sampler = ProcessSampler(lambda: listed)
    assert readings(sampler)
    end(child)
    # This very process stands in for one that was given the ended child's pid.
    listed["generator"] = [os.getpid()]
    taken_over = sampler._followed.pop(child.pid)
    taken_over.pid = os.getpid()
    sampler._followed[os.getpid()] = taken_over
    assert readings(sampler) == {}
    listed["generator"] = []
    readings(sampler)
    listed["generator"] = [os.getpid()]  # listed anew: now it is meant
    assert readings(sampler).keys() == {(PROCESS_MEMORY, "generator")}
