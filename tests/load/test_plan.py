"""The load runs that a person may ask for, and the sentence that refuses any other."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError
from servescope.load.plan import check, destination
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadPlan
from servescope.wire.http1_client import request_bytes

RUNNING = ListenerStatus("files", ListenerState.RUNNING, "127.0.0.1", 8000, "m", "a", 8000)
STATUSES = [
    RUNNING,
    replace(RUNNING, name="down", state=ListenerState.STOPPED),
    replace(RUNNING, name="broken", state=ListenerState.FAILED, port=0),
    replace(RUNNING, name="https", is_tls=True),
    replace(RUNNING, name="path", address="unix:/run/a.sock", port=0),
]
plan_of = partial(LoadPlan.constant, listener="files", target="/", rate=100, seconds=10)


def verdict(plan: LoadPlan) -> LoadPlan:
    return check(plan, STATUSES, max_rate=20_000, max_seconds=600)


@pytest.mark.parametrize(
    "target",
    ["/", "/a/b.html", "/search?q=x&y=%20z", "/?", "/a?b=c?d/e", "/~user/@;v=1", "//a", "/%e2%82"],
)
def test_sound_plan_is_returned(target: str) -> None:
    plan = plan_of(target=target)
    assert verdict(plan) is plan


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"listener": "mars"},
            "there is no listener 'mars' here; known are: broken, down, files, https, path",
        ),
        ({"listener": "down"}, "the listener 'down' is stopped, not running; start it first"),
        ({"listener": "https"}, "is behind TLS and does not tell its certificate; restart it"),
        ({"listener": "path"}, "listens at a unix socket, and the load generator speaks HTTP over"),
        ({"listener": "broken"}, "is failed, not running"),
        ({"target": ""}, "does not start with '/'"),
        ({"target": "http://example.org/"}, "does not start with '/'"),
        ({"target": "*"}, "does not start with '/'"),
        ({"target": "/a b"}, "may not hold ' ' (at position 3)"),
        ({"target": "/a\r\nX: y"}, "may not hold '\\r' (at position 3)"),
        ({"target": "/a\x00"}, "may not hold '\\x00'"),
        ({"target": "/é"}, "may not hold 'é' (at position 2); percent-encode it"),
        ({"target": "/a#b"}, "may not hold '#'"),
        ({"target": "/a%zz"}, "may not hold '%'"),
        ({"target": "/a\n"}, "may not hold '\\n'"),
        ({"target": "/" + "a" * 9_000}, "has 9,001 characters; it may have at most 8,190"),
        ({"rate": 0}, "the rate is above 0 and at most 20,000 requests per second, not 0"),
        ({"rate": -1}, "not -1"),
        ({"rate": 20_001}, "not 20,001"),
        ({"rate": math.nan}, "not nan"),
        ({"rate": math.inf}, "not inf"),
        ({"seconds": 0}, "the duration is above 0 and at most 600 seconds, not 0"),
        ({"seconds": 601}, "not 601"),
        ({"seconds": math.nan}, "not nan"),
        ({"timeout_seconds": 0}, "the timeout is above 0 and at most 60 seconds"),
        ({"timeout_seconds": 61}, "not 61"),
        ({"max_connections": 0}, "between 1 and 4,096, not 0"),
        ({"max_connections": 5_000}, "not 5,000"),
        ({"rate": 20_000, "seconds": 600}, "are 12,000,000 requests; one run has at most"),
    ],
)
def test_unsound_plan_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LoadRefusedError) as caught:
        verdict(plan_of(**change))
    assert sentence in str(caught.value)


@given(st.text(max_size=20))
def test_target_that_passes_is_one_request_line(text: str) -> None:
    try:
        plan = verdict(plan_of(target="/" + text))
    except LoadRefusedError:
        return
    data = request_bytes(plan.target, "h")
    assert data == f"GET {plan.target} HTTP/1.1\r\nHost: h\r\n\r\n".encode("ascii")


def test_no_listener_at_all() -> None:
    with pytest.raises(LoadRefusedError, match="known are: none"):
        check(plan_of(), [], 1_000, 10)


@pytest.mark.parametrize(
    ("address", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7",) * 2],
)
def test_destination_of_a_listener(address: str, reached: str) -> None:
    assert destination(replace(RUNNING, address=address)) == (reached, 8000)
