"""From where a listener is reached: by visitors here, elsewhere, and behind proxies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.client import Visitor
from components.reach import PROXIED, notes, reach
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.temporary_listeners import EXPERIMENT

HERE = Visitor(is_local=True)
BY_NAME = Visitor(is_local=False, host="box.example.org")
BY_IPV4 = Visitor(is_local=False, host="192.0.2.7")
BY_IPV6 = Visitor(is_local=False, host="2001:db8::7")
PROXY = Visitor(is_local=False, host="status.example.org", is_proxied=True)
UNNAMED = Visitor(is_local=False, is_proxied=True)
CONTAINER = Visitor(is_local=False, host="localhost")  # its published port, from the host

LOOPBACK = "only this machine can reach it; SERVESCOPE_LISTEN_ADDRESS=0.0.0.0 (or ::) changes that"
NO_NAME = (
    "no proxy said by which name you reach this machine; SERVESCOPE_PUBLIC_ORIGIN or "
    "SERVESCOPE_TRUSTED_PROXIES changes that"
)
HERE_ONLY, ALL, ALL_IPV4 = "this machine only", "every network", "every network, by IPv4"


def listener(address, port=8000, **fields):
    named = {"address_setting": "SERVESCOPE_LISTEN_ADDRESS"} | fields
    return ListenerStatus(
        "files", ListenerState.RUNNING, address, port, "thread_pool", "/srv", port, **named
    )


@pytest.mark.parametrize(
    ("address", "visitor", "href", "origin"),
    [
        ("127.0.0.1", HERE, "http://127.0.0.1:8000/", HERE_ONLY),
        ("::1", HERE, "http://[::1]:8000/", HERE_ONLY),
        ("0.0.0.0", HERE, "http://127.0.0.1:8000/", ALL_IPV4),
        ("::", HERE, "http://[::1]:8000/", ALL),
        ("192.0.2.1", HERE, "http://192.0.2.1:8000/", "where 192.0.2.1 leads to this machine"),
        ("0.0.0.0", BY_NAME, "http://box.example.org:8000/", ALL_IPV4),
        ("0.0.0.0", BY_IPV4, "http://192.0.2.7:8000/", ALL_IPV4),
        ("::", BY_NAME, "http://box.example.org:8000/", ALL),
        ("::", BY_IPV4, "http://192.0.2.7:8000/", ALL),
        ("::", BY_IPV6, "http://[2001:db8::7]:8000/", ALL),
        ("192.0.2.1", BY_NAME, "http://192.0.2.1:8000/", "where 192.0.2.1 leads to this machine"),
        (
            "2001:db8::1",
            BY_IPV4,
            "http://[2001:db8::1]:8000/",
            "where 2001:db8::1 leads to this machine",
        ),
        ("0.0.0.0", PROXY, "http://status.example.org:8000/", ALL_IPV4),
        ("0.0.0.0", CONTAINER, "http://localhost:8000/", ALL_IPV4),
    ],
)
def test_a_visitor_who_can_reach_it_gets_a_link_to_the_machine_that_answers(
    address, visitor, href, origin
):
    found = reach(listener(address), visitor)
    assert (found.place, found.href, found.origin, found.obstacle) == (href, href, origin, "")


@pytest.mark.parametrize(
    ("address", "visitor", "place", "obstacle"),
    [
        ("127.0.0.1", BY_NAME, "127.0.0.1:8000", LOOPBACK),
        ("127.0.1.1", BY_IPV4, "127.0.1.1:8000", LOOPBACK),
        ("::1", BY_IPV6, "[::1]:8000", LOOPBACK),
        ("127.0.0.1", PROXY, "127.0.0.1:8000", LOOPBACK),
        ("127.0.0.1", UNNAMED, "127.0.0.1:8000", LOOPBACK),
        ("127.0.0.1", CONTAINER, "127.0.0.1:8000", LOOPBACK),
        (
            "0.0.0.0",
            BY_IPV6,
            "0.0.0.0:8000",
            "it takes IPv4 only, and you came by IPv6; SERVESCOPE_LISTEN_ADDRESS=:: changes that",
        ),
        (
            "0.0.0.0",
            UNNAMED,
            "0.0.0.0:8000",
            NO_NAME,
        ),
        (
            "fe80::1%eth0",
            BY_IPV6,
            "[fe80::1%eth0]:8000",
            "bound to a link-local address, which each machine writes in its own way",
        ),
    ],
)
def test_a_visitor_who_cannot_gets_no_link_but_the_reason(address, visitor, place, obstacle):
    found = reach(listener(address), visitor)
    assert (found.place, found.href, found.obstacle) == (place, "", obstacle)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("SERVESCOPE_FILES_ADDRESS", "SERVESCOPE_FILES_ADDRESS=0.0.0.0 (or ::) changes that"),
        ("--host", "--host 0.0.0.0 (or ::) changes that"),
        ("", "the server of a comparison stays there"),
    ],
)
def test_the_reason_names_the_setting_of_this_listener(setting, told):
    found = reach(listener("127.0.0.1", address_setting=setting), BY_NAME)
    assert found.obstacle == f"only this machine can reach it; {told}"


def test_the_server_of_an_experiment_is_none_of_a_comparison():
    alone = replace(listener("127.0.0.1", address_setting=""), name=EXPERIMENT)
    assert reach(alone, BY_NAME).obstacle.endswith("the server of an experiment stays there")


def test_https_and_the_port_stand_in_the_link():
    found = reach(listener("0.0.0.0", 8443, is_tls=True), BY_NAME)
    assert found.href == "https://box.example.org:8443/"


@pytest.mark.parametrize("visitor", [HERE, BY_NAME, PROXY])
def test_a_unix_socket_has_no_link(visitor):
    found = reach(listener("unix:/run/files.sock", 0), visitor)
    assert (found.place, found.href) == ("unix:/run/files.sock", "")
    assert found.origin == "programs at this machine"


@pytest.mark.parametrize("visitor", [HERE, BY_NAME])
def test_a_listener_that_does_not_run_has_no_link(visitor):
    stopped = replace(listener("0.0.0.0"), state=ListenerState.STOPPED)
    found = reach(stopped, visitor)
    assert found.place.startswith("http://")
    assert (found.href, found.origin) == ("", "nowhere, as it does not run")


def test_a_port_that_is_not_picked_yet_is_no_number():
    stopped = replace(listener("127.0.0.1", 0), state=ListenerState.STOPPED)
    assert reach(stopped, HERE).place == reach(stopped, BY_NAME).place == "127.0.0.1, any free port"


def test_one_sentence_tells_of_all_listeners_with_the_same_obstacle():
    several = [replace(listener("127.0.0.1"), name=name) for name in ("files", "wsgi")]
    assert notes([*several, listener("0.0.0.0")], BY_NAME) == [f"files, wsgi: {LOOPBACK}."]
    assert notes(several, HERE) == []
    assert notes([listener("0.0.0.0")], PROXY) == [PROXIED]
