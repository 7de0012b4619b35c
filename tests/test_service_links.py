"""The variables of a service's links, told from settings."""

import pytest

from servescope.service_links import service_links

KUBERNETES = {
    "SERVESCOPE_SERVICE_HOST": "10.0.0.1",
    "SERVESCOPE_SERVICE_PORT": "8050",
    "SERVESCOPE_SERVICE_PORT_HTTP": "8050",
    "SERVESCOPE_PORT": "tcp://10.0.0.1:8050",
    "SERVESCOPE_PORT_8050_TCP": "tcp://10.0.0.1:8050",
    "SERVESCOPE_PORT_8050_TCP_PROTO": "tcp",
    "SERVESCOPE_PORT_8050_TCP_PORT": "8050",
    "SERVESCOPE_PORT_8050_TCP_ADDR": "10.0.0.1",
    "SERVESCOPE_PORT_9125_UDP": "udp://10.0.0.1:9125",
    "SERVESCOPE_PORT_9125_UDP_PROTO": "udp",
}
LINKED = {
    "a Service of Kubernetes": KUBERNETES,
    "one on IPv6": {
        "SERVESCOPE_SERVICE_HOST": "fd00::1",
        "SERVESCOPE_SERVICE_PORT": "8050",
        "SERVESCOPE_PORT": "tcp://[fd00::1]:8050",
        "SERVESCOPE_PORT_8050_TCP_ADDR": "fd00::1",
    },
    "one whose name begins with ours": {
        name.replace("SERVESCOPE", "SERVESCOPE_FILES"): value for name, value in KUBERNETES.items()
    },
    "two, one named as a part of the other's variables": KUBERNETES
    | {
        name.replace("SERVESCOPE", "SERVESCOPE_SERVICE"): value
        for name, value in KUBERNETES.items()
    },
    "a link of Docker": {
        "SERVESCOPE_NAME": "/web/servescope",
        "SERVESCOPE_PORT": "tcp://172.17.0.5:8050",
        "SERVESCOPE_PORT_8050_TCP": "tcp://172.17.0.5:8050",
        "SERVESCOPE_PORT_8050_TCP_ADDR": "172.17.0.5",
        "SERVESCOPE_PORT_8050_TCP_PORT": "8050",
        "SERVESCOPE_PORT_8050_TCP_PROTO": "tcp",
        "SERVESCOPE_PORT_8050_TCP_START": "tcp://172.17.0.5:8050",
        "SERVESCOPE_PORT_8050_TCP_END": "tcp://172.17.0.5:8051",
        "SERVESCOPE_PORT_8050_TCP_PORT_START": "8050",
        "SERVESCOPE_ENV_LANG": "C.UTF-8",
    },
}


@pytest.mark.parametrize("variables", LINKED.values(), ids=LINKED)
def test_links_of_services_are_known_by_their_shape(variables):
    others = {"SERVESCOPE_PROT": "8050", "SERVESCOPE_HOST": "10.0.0.1", "PORT": "tcp://10.0.0.1:1"}
    assert service_links(variables | others, "SERVESCOPE_") == set(variables)


def test_a_setting_that_stands_among_the_links_of_its_service_is_kept():
    given = KUBERNETES | {"SERVESCOPE_PORT": "9000"}  # as a pod's own `env` overrides them
    assert service_links(given, "SERVESCOPE_") == set(given) - {"SERVESCOPE_PORT"}


PERSONS = {
    "a number alone": {"SERVESCOPE_SERVICE_PORT": "8050"},
    "a name for a host": {"SERVESCOPE_SERVICE_HOST": "localhost"},
    "a URL of another scheme": {"SERVESCOPE_PORT": "http://10.0.0.1:8050"},
    "an endpoint without a port": {"SERVESCOPE_PORT": "tcp://10.0.0.1"},
    "an endpoint of another variable": {"SERVESCOPE_STORE": "tcp://10.0.0.1:9090"},
    "nothing tells a place": {"SERVESCOPE_NAME": "/a/b", "SERVESCOPE_ENV_X": "1"},
}


@pytest.mark.parametrize("variables", PERSONS.values(), ids=PERSONS)
def test_what_a_person_wrote_is_no_link(variables):
    assert service_links(variables, "SERVESCOPE_") == set()
