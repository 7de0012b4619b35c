"""Services by port, whether or not the host has a services database."""

from __future__ import annotations

import pytest

from servescope import service_names
from servescope.service_names import service_name

WELL_KNOWN = [
    (22, "ssh"), (25, "smtp"), (53, "domain"), (80, "http"), (443, "https"), (3306, "mysql"),
    (5432, "postgresql"), (6379, "redis"), (8080, "http-alt"),
]  # fmt: skip


@pytest.fixture
def without_database(monkeypatch):
    """A host without /etc/services."""

    def getservbyport(_port, _protocol):
        raise OSError("port/proto not found")

    monkeypatch.setattr(service_names.socket, "getservbyport", getservbyport)
    service_name.cache_clear()
    yield
    service_name.cache_clear()


@pytest.mark.parametrize(("port", "name"), WELL_KNOWN)
def test_a_registered_port_has_the_name_of_the_registry(port, name):
    assert service_name(port) == name


@pytest.mark.usefixtures("without_database")
@pytest.mark.parametrize(("port", "name"), WELL_KNOWN)
def test_the_name_is_the_same_on_a_host_without_a_services_database(port, name):
    assert service_name(port) == name


@pytest.mark.parametrize(
    ("port", "name"),
    [(5000, "often Flask"), (8050, "often Dash"), (9090, "often Prometheus")],
)
def test_a_convention_is_told_as_one(port, name):
    assert service_name(port) == name


@pytest.mark.parametrize("port", [0, 49_153, 65_535, 70_000])
def test_a_port_that_is_known_for_nothing_has_no_name(port):
    assert service_name(port) == ""
