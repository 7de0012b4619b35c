"""Where a run may aim, and the sentence that refuses anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.targets import Target, Targets, check_listener, destination, target_of
from servescope.load.tls_connections import Trust
from servescope.records.listeners import (
    ListenerOptions,
    ListenerState,
    ListenerStatus,
    ShownCertificate,
)
from servescope.records.load import LoadPlan
from servescope.records.recorded_apps import RecordedApp

RUNNING = ListenerStatus("files", ListenerState.RUNNING, "127.0.0.1", 8000, "m", "a", 8000)
SHOWN = ShownCertificate("/c.pem", "ab12", "1", 2.0, 1.0)
STATUSES = [
    RUNNING,
    replace(RUNNING, name="down", state=ListenerState.STOPPED),
    replace(RUNNING, name="broken", state=ListenerState.FAILED, port=0),
    replace(RUNNING, name="https", is_tls=True),
    replace(RUNNING, name="path", address="unix:/run/a.sock", port=0),
    replace(RUNNING, name="known", is_tls=True, certificate=SHOWN, address="::1"),
    replace(RUNNING, name="pinned", options=ListenerOptions(pin_core=3)),
    replace(RUNNING, name="zone", address="fe80::1%eth0"),
]
NAMED = ("http://example.org", "https://example.org", "http://192.0.2.7:8080", "http://[::1]:8000")
APPS = [
    RecordedApp("shop", (7, 8), (("127.0.0.1", 5_000), ("0.0.0.0", 5_000))),
    RecordedApp("v6", (7,), (("::", 5_000),)),
    RecordedApp("hidden", (9,), ()),
    RecordedApp("two", (9,), (("127.0.0.1", 5_000), ("127.0.0.1", 5_001))),
    RecordedApp("files", (9,), (("127.0.0.1", 5_002),)),  # a listener has its name
]
TARGETS = Targets(STATUSES, APPS, NAMED)
BY_SYSTEM = Trust.by_system("example.org")
PLAN = LoadPlan.constant("files", "/", 100, 10)


def aimed(origin: str, address: str, listener: str = "") -> LoadPlan:
    return replace(PLAN, listener=listener, origin=origin, address=address)


def refusal_of(plan: LoadPlan) -> str:
    with pytest.raises(LoadRefusedError) as caught:
        target_of(plan, TARGETS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "mars",
            "no listener or app 'mars' here; known are: broken, down, files, hidden, https",
        ),
        ("down", "the listener 'down' is stopped, not running; start it on the page Servers"),
        ("https", "is behind TLS and does not tell its certificate; restart it"),
        ("path", "listens at a unix socket, and the load generator speaks HTTP over"),
        ("broken", "is failed, not running"),
        ("hidden", "the app 'hidden' listens at no TCP port that can be seen from here; name its"),
        ("two", "the processes of the app 'two' listen at 127.0.0.1:5000, 127.0.0.1:5001, and"),
    ],
)
def test_a_listener_that_cannot_be_loaded_is_refused(name, sentence):
    assert sentence in refusal_of(replace(PLAN, listener=name))


def test_no_listener_at_all():
    with pytest.raises(LoadRefusedError, match="known are: none"):
        check_listener("files", Targets())


@pytest.mark.parametrize(
    ("listener", "target"),
    [
        ("files", Target("127.0.0.1", 8000, "127.0.0.1:8000", None)),
        ("known", Target("::1", 8000, "[::1]:8000", Trust("ab12", "/c.pem"))),
        ("pinned", Target("127.0.0.1", 8000, "127.0.0.1:8000", None, 3)),
        ("shop", Target("127.0.0.1", 5_000, "127.0.0.1:5000")),
        ("v6", Target("::1", 5_000, "[::1]:5000")),
        ("zone", Target("fe80::1%eth0", 8000, "[fe80::1]:8000", None)),
    ],
)
def test_a_listener_is_found(listener, target):
    assert target_of(replace(PLAN, listener=listener), TARGETS) == target


@pytest.mark.parametrize(
    ("address", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7",) * 2],
)
def test_destination_of_a_listener(address, reached):
    assert destination(replace(RUNNING, address=address)) == (reached, 8000)


@pytest.mark.parametrize(
    ("origin", "address", "target"),
    [
        (NAMED[0], "192.0.2.1", Target("192.0.2.1", 80, "example.org", None)),
        (NAMED[1], "2001:db8::1", Target("2001:db8::1", 443, "example.org", BY_SYSTEM)),
        (NAMED[2], "192.0.2.7", Target("192.0.2.7", 8080, "192.0.2.7:8080", None)),
        (NAMED[3], "::1", Target("::1", 8000, "[::1]:8000", None)),
    ],
)  # fmt: skip
def test_a_named_host_is_found_at_the_address_of_the_plan(origin, address, target):
    assert target_of(aimed(origin, address), TARGETS) == target


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (aimed("", ""), "choose where the run aims: at a listener, an app or a named host"),
        (aimed(NAMED[0], "192.0.2.1", "files"), "choose where the run aims"),
        (aimed("http://example.com", "192.0.2.1"), "the operator named in SERVESCOPE_LOAD_HOSTS"),
        (aimed("http://example.org:81", "192.0.2.1"), "named are: http://192.0.2.7:8080, http:"),
        (aimed("http://example.org@evil.test", "192.0.2.1"), "is no target that the operator"),
        (aimed(NAMED[0], ""), "'' is no numeric address"),
        (aimed(NAMED[0], "evil.test"), "'evil.test' is no numeric address"),
        (aimed(NAMED[0], "127.0.0.1"), "example.org leads to 127.0.0.1, a loopback address"),
        (aimed(NAMED[2], "169.254.169.254"), "192.0.2.7 leads to 169.254.169.254, a link-local"),
    ],
)  # fmt: skip
def test_nothing_else_is_loaded_whatever_a_plan_says(plan, sentence):
    assert sentence in refusal_of(plan)
