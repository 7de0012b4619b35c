"""Where a run may aim, and the sentence that refuses anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.targets import check_listener, destination
from servescope.records.listeners import ListenerState, ListenerStatus

RUNNING = ListenerStatus("files", ListenerState.RUNNING, "127.0.0.1", 8000, "m", "a", 8000)
STATUSES = [
    RUNNING,
    replace(RUNNING, name="down", state=ListenerState.STOPPED),
    replace(RUNNING, name="broken", state=ListenerState.FAILED, port=0),
    replace(RUNNING, name="https", is_tls=True),
    replace(RUNNING, name="path", address="unix:/run/a.sock", port=0),
]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mars", "there is no listener 'mars' here; known are: broken, down, files, https, path"),
        ("down", "the listener 'down' is stopped, not running; start it first"),
        ("https", "is behind TLS and does not tell its certificate; restart it"),
        ("path", "listens at a unix socket, and the load generator speaks HTTP over"),
        ("broken", "is failed, not running"),
    ],
)
def test_a_listener_that_cannot_be_loaded_is_refused(name, sentence):
    with pytest.raises(LoadRefusedError) as caught:
        check_listener(name, STATUSES)
    assert sentence in str(caught.value)


def test_no_listener_at_all():
    with pytest.raises(LoadRefusedError, match="known are: none"):
        check_listener("files", [])


@pytest.mark.parametrize(
    ("address", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7",) * 2],
)
def test_destination_of_a_listener(address, reached):
    assert destination(replace(RUNNING, address=address)) == (reached, 8000)
