"""Names of the operator's: each address is checked, and the first that answers is taken."""

from __future__ import annotations

import socket

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.named_hosts import (
    FoundAddress,
    check_address,
    check_named,
    host_and_port_of,
    resolved,
)


@pytest.fixture
def port():
    """A port at which IPv4 loopback accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def led_to(monkeypatch):
    """Have each name lead to the given addresses, as a resolver would that others control."""

    def lead(port: int, *addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return lead


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        ("http://example.org", ("example.org", 80)),
        ("https://example.org", ("example.org", 443)),
        ("https://example.org:8443", ("example.org", 8443)),
        ("http://[::1]:8000", ("::1", 8000)),
    ],
)
def test_host_and_port_of_an_origin(origin, place):
    assert host_and_port_of(origin) == place


def test_an_origin_is_named_or_refused():
    check_named("http://a", ["http://a", "https://a"])
    with pytest.raises(LoadRefusedError, match="named are: none"):
        check_named("http://a", [])
    with pytest.raises(LoadRefusedError, match="named are: http://b, https://a"):
        check_named("http://a", ["https://a", "http://b"])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("example.org", "192.0.2.1"),
        ("example.org", "10.0.0.1"),
        ("example.org", "fd00::1"),
        ("localhost", "127.0.0.1"),
        ("shop.localhost", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("169.254.0.9", "169.254.0.9"),
    ],
)
def test_an_address_that_may_be_loaded(host, address):
    check_address(host, address)


@pytest.mark.parametrize(
    ("host", "address", "kind"),
    [
        ("example.org", "127.0.0.1", "a loopback address"),
        ("example.org", "127.9.9.9", "a loopback address"),
        ("example.org", "::1", "a loopback address"),
        ("example.org", "::ffff:127.0.0.1", "a loopback address"),
        ("example.org", "169.254.169.254", "a link-local address"),
        ("example.org", "fe80::1", "a link-local address"),
        ("example.org", "0.0.0.0", "which is not the address of one host"),
        ("0.0.0.0", "0.0.0.0", "which is not the address of one host"),
        ("example.org", "::", "which is not the address of one host"),
        ("example.org", "224.0.0.1", "which is not the address of one host"),
        ("example.org", "255.255.255.255", "which is not the address of one host"),
        ("127.0.0.1", "127.0.0.2", "a loopback address"),
        ("localhost.example.org", "127.0.0.1", "a loopback address"),
    ],
)
def test_an_address_that_a_name_must_not_lead_to(host, address, kind):
    with pytest.raises(LoadRefusedError) as caught:
        check_address(host, address)
    assert f"{host} leads to {address}, {kind}" in str(caught.value)


def test_a_name_is_resolved_to_the_address_that_accepts(port, led_to):
    led_to(port, "127.0.0.3", "127.0.0.1")  # nobody listens at the first
    found = resolved(f"http://localhost:{port}")
    assert found.address == "127.0.0.1"
    assert found.lookup_seconds is not None
    assert 0 <= found.lookup_seconds < 60


def test_a_numeric_host_is_its_own_address_and_is_not_looked_up(port):
    assert resolved(f"http://127.0.0.1:{port}") == FoundAddress("127.0.0.1", None)


def test_a_name_that_leads_to_this_machine_is_refused_before_a_connection(port, led_to):
    led_to(port, "127.0.0.1", "169.254.169.254")
    with pytest.raises(LoadRefusedError) as caught:
        resolved(f"http://example.org:{port}")
    assert "leads to 127.0.0.1, a loopback address" in str(caught.value)
    assert "leads to 169.254.169.254, a link-local address" in str(caught.value)


def test_a_host_that_accepts_no_connection_is_refused():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, but nobody listens
        closed = bound.getsockname()[1]
        with pytest.raises(LoadRefusedError, match=f"{closed} accepts no connection: Connection"):
            resolved(f"http://127.0.0.1:{closed}")


def test_a_name_without_an_address_is_refused(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(LoadRefusedError, match="has no address: Name or service not known"):
        resolved("http://nowhere.test")
