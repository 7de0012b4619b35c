"""Clients that nobody accepts: the experiment tells what another source of the kernel has."""

from __future__ import annotations

from servescope.chapters.accept_queue import CHAPTER
from servescope.sampling.inet_diag import socket_table
from servescope.sampling.proc_tcp import ProcTcp


def test_the_gauge_is_that_of_proc_net_tcp_and_nothing_is_left(experimenter):
    seen = set()

    def look():
        ports = {status.port for status in experimenter.statuses()}
        table = ProcTcp().listening_sockets()
        seen.update((one.port, one.accept_queue_depth) for one in table if one.port in ports)

    done = experimenter.carry_out(CHAPTER, CHAPTER.setting("backlog-4"), meanwhile=look)
    (port,) = {port for port, _ in seen}
    assert done.measured["queue_depth"] == max(depth for _, depth in seen) == 5
    assert done.measured["segments_connected"] == [2, 1]
    assert done.measured["segments_unanswered"][1] == 0
    assert done.measured["later"] > 0
    assert [one for one in socket_table().sockets_on(port) if one.inode] == []
