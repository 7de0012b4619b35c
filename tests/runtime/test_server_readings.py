"""Readings of a server under load: its accept queue and its cores."""

from __future__ import annotations

import socket

import pytest

from servescope.runtime.server_readings import Cores, accept_queue_share
from tests.waiting import eventually


def test_a_queue_that_nobody_accepts_from_is_full():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listening:
        port = listening.getsockname()[1]
        assert accept_queue_share(port) == 0
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        assert eventually(lambda: accept_queue_share(port) >= 1, 10)
        for client in clients:
            client.close()
    assert accept_queue_share(port) is None


@pytest.mark.parametrize(
    ("machine", "pinned_core", "is_disturbed"),
    [
        pytest.param(1.05, 1.0, False, id="quiet"),
        pytest.param(1.95, 1.0, True, id="busy-machine"),
    ],
)
def test_a_server_with_its_core_to_itself(machine, pinned_core, is_disturbed):
    cores = Cores([0.98], 0.02, 0.05, machine, pinned_core)
    assert cores.is_disturbed(2) is is_disturbed


def test_a_program_on_the_core_of_the_server_disturbs_though_another_core_is_free():
    assert Cores([0.35], 0.0, 0.05, 1.05, 1.0).is_disturbed(2)


def test_the_dashboard_and_the_generator_are_no_other_programs():
    cores = Cores([1.0], 0.5, 0.4, 1.95, 1.0)
    assert cores.others == pytest.approx(0.05)
    assert not cores.is_disturbed(2)
