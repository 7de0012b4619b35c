"""The socket of the dashboard, and the server behind it."""

import socket
from contextlib import closing

import pytest

from servescope.errors import SettingsError
from servescope.runtime import dashboard_server
from servescope.runtime.dashboard_server import bind_dashboard
from servescope.settings import Settings


@pytest.fixture
def taken():
    """A port that another socket listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        yield held.getsockname()[1]


def settings(tmp_path, **values):
    return Settings(data_dir=tmp_path, **values)


def settings_with_default_port(tmp_path, port):
    """Settings in which nobody asked for a port, and the default one is `port`."""
    changed = settings(tmp_path).model_copy(update={"port": port})
    changed.model_fields_set.discard("port")
    return changed


def test_a_port_that_was_asked_for_is_bound(tmp_path, taken):
    with closing(bind_dashboard(settings(tmp_path, port=0))) as listening:
        assert listening.getsockname()[1] not in {0, taken}


def test_a_default_port_that_is_taken_gives_way_to_the_next(tmp_path, taken):
    with closing(bind_dashboard(settings_with_default_port(tmp_path, taken))) as listening:
        assert taken < listening.getsockname()[1] < taken + dashboard_server.NEXT_PORTS


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"host": "192.0.2.1", "port": 0}, "SERVESCOPE_HOST=192.0.2.1"),
        ({"host": "no-such-host.invalid", "port": 0}, "SERVESCOPE_HOST=no-such-host.invalid"),
    ],
    ids=["an address of another host", "a name of no host"],
)
def test_an_address_that_cannot_be_bound_is_named(tmp_path, values, told):
    with pytest.raises(SettingsError, match=told):
        bind_dashboard(settings(tmp_path, **values))


def test_a_port_that_was_asked_for_and_is_taken_is_named_with_its_holder(tmp_path, taken):
    told = f"SERVESCOPE_PORT={taken}: the port is held by .*pid"
    with pytest.raises(SettingsError, match=rf"{told} \d+\); port \d+ is free$"):
        bind_dashboard(settings(tmp_path, port=taken))


def test_where_all_ports_are_taken_the_first_is_named(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(dashboard_server, "NEXT_PORTS", 1)
    with pytest.raises(SettingsError, match=f"SERVESCOPE_PORT={taken}"):
        bind_dashboard(settings_with_default_port(tmp_path, taken))
