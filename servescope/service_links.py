"""Variables that Kubernetes and Docker set for services, which look like settings of ours."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENDPOINT: Final = re.compile(r"(?:tcp|udp|sctp)://(?:\[[0-9a-fA-F:.]+\]|[0-9.]+):\d{1,5}")
_HOST: Final = re.compile(r"(?P<service>\w+)_SERVICE_HOST")
_PORT: Final = re.compile(r"(?P<service>\w+?)_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_START|_END)?)?")
_OF_A_LINK: Final = (
    (re.compile(r"_SERVICE_PORT(?:_\w+)?"), re.compile(r"\d{1,5}")),
    (re.compile(r"_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp", re.IGNORECASE)),
    (re.compile(r"_PORT_\d+_(?:TCP|UDP|SCTP)_PORT(?:_START|_END)?"), re.compile(r"\d{1,5}")),
    (re.compile(r"_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR"), re.compile(r"[0-9a-fA-F:.]+")),
    (re.compile(r"_NAME"), re.compile(r"(?:/[\w.-]+)+")),
    (re.compile(r"_ENV_\w+"), re.compile(r".*", re.DOTALL)),
)
"""The other variables of a service that is linked: the name's end, the value."""


def service_links(environment: Mapping[str, str], prefix: str) -> frozenset[str]:
    """The variables that Kubernetes or Docker has set for services whose names begin with `prefix`.

    A Service called `servescope` puts SERVESCOPE_SERVICE_HOST, SERVESCOPE_PORT=tcp://… and several
    more into the containers beside it, and one called `servescope-web` SERVESCOPE_WEB_PORT=tcp://…;
    so do Docker's legacy links. They are known by name and value together, and by one that tells
    where the service is: nobody's setting looks like that.
    (Kubernetes: Concepts, Service, "Environment variables"; Docker: "Legacy container links".)
    """
    named = {name: value for name, value in environment.items() if name.startswith(prefix)}
    found, services = set(), set()
    for name, service in _told_places(named):
        found.add(name)
        services.add(service)
    for name, value in named.items():
        ends = [name[len(service) :] for service in services if name.startswith(service)]
        found |= {
            name
            for end in ends
            for ending, told in _OF_A_LINK
            if ending.fullmatch(end) and told.fullmatch(value)
        }
    return frozenset(found)


def _told_places(named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that tell where a service is, each with the service's part of its name."""
    for name, value in named.items():
        host = _HOST.fullmatch(name)
        if host is not None and _is_address(value):
            yield name, host["service"]
        port = _PORT.fullmatch(name)
        if port is not None and _ENDPOINT.fullmatch(value):
            yield name, port["service"]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
