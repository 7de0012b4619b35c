"""Listening sockets and the addresses they are bound to."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from servescope.errors import PortNotPermittedError, PortTakenError
from servescope.sockets import binding
from servescope.sockets.binding import NEXT_PORTS, bind, family_of, is_free, next_free_port


@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_the_family_of_an_address(address: str, family: socket.AddressFamily):
    assert family_of(address) is family


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "::"])
def held(request):
    """An address, and a port that a listener has there."""
    with closing(bind(request.param, 0, 1)) as listening:
        yield request.param, listening.getsockname()[1]


def test_the_next_free_port_is_above_one_that_is_taken_and_can_be_bound(held):
    address, port = held
    assert not is_free(address, port)
    free = next_free_port(address, port)
    assert port < free <= port + NEXT_PORTS
    assert is_free(address, free)
    bind(address, free, 1).close()


def test_a_look_at_a_port_does_not_disturb_who_listens_there(held):
    address, port = held
    for _ in range(3):
        is_free(address, port)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    socket.create_connection((host, port), timeout=10).close()


def test_ports_of_the_system_are_passed_over_by_a_user_who_may_not_bind_them(monkeypatch):
    def bound(_address, port):  # root may bind them all
        if port < binding.FIRST_UNPRIVILEGED:
            raise PortNotPermittedError(f"port {port} is privileged")
        if port < 1_030:
            raise PortTakenError(port, "")
        return socket.socket()

    monkeypatch.setattr(binding, "_bound", bound)
    assert next_free_port("127.0.0.1", 80) == 1_030


@pytest.mark.parametrize("port", [65_535, 65_536])
def test_there_is_no_port_above_the_last(port):
    assert next_free_port("127.0.0.1", port) is None
