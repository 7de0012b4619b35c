"""Idle connections: as many as the kernel has, and none is left."""

from __future__ import annotations

import os
from pathlib import Path

from servescope.chapters.wsgi_beside_asgi import CHAPTER, IDLE
from servescope.experiments.idle_connections import process_figures
from servescope.records.load import RunState
from servescope.sampling.inet_diag import connection_counts
from servescope.sampling.tcp_sockets import TcpState
from tests.descriptors import open_sockets


def test_figures_of_a_process_are_those_of_another_source():
    figures = process_figures(os.getpid())
    lines = Path("/proc/self/status").read_text().splitlines()  # proc(5)
    kernels = dict(line.split(":", 1) for line in lines)
    assert figures["threads"] == int(kernels["Threads"])
    resident_bytes = int(kernels["VmRSS"].split()[0]) * 1024
    assert abs(figures["memory_bytes"] / resident_bytes - 1) < 0.1


def test_all_stay_open_until_the_end_and_none_after_it(experimenter):
    seen = set()

    def look():
        for status in experimenter.statuses():
            counts = connection_counts([status.port])
            seen.add(counts.get((status.port, TcpState.ESTABLISHED), 0))

    connection_counts([1])  # this process asks the kernel by one socket, which stays
    before = open_sockets()
    done = experimenter.carry_out(CHAPTER, CHAPTER.setting("idle-asgi"), meanwhile=look)
    assert (done.state, done.message) == (RunState.DONE, "")
    assert done.measured["established"] == IDLE
    assert max(seen) <= IDLE + 1
    assert done.measured["beside"]["memory_bytes"] > done.measured["before"]["memory_bytes"]
    assert open_sockets() <= before
