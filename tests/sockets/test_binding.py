"""Listening sockets and the addresses they are bound to."""

from __future__ import annotations

import socket

import pytest

from servescope.sockets.binding import family_of


@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_the_family_of_an_address(address: str, family: socket.AddressFamily):
    assert family_of(address) is family
