"""A request written by hand: sent as it was written, and every byte of the answer is shown."""

from __future__ import annotations

import pytest

from servescope.chapters.request_and_answer import CHAPTER
from servescope.records.load import RunState
from servescope.wire.http1_rules import Rule
from tests.experiments.conftest import bytes_of

SETTING = CHAPTER.setting("no-host")


@pytest.mark.parametrize(
    ("text", "status", "rule"),
    [
        ("GET /README.txt\n\n", 400, Rule.REQUEST_LINE),
        ("GET / HTTP/9.9\nHost: a\n\n", 505, Rule.VERSION),
        ("GET / HTTP/1.1\nHost : a\n\n", 400, Rule.HEADER_SYNTAX),
        ("GET / HTTP/1.1\nHost: ä\n\n", 400, Rule.HOST_SYNTAX),
        ("GET /#top HTTP/1.1\nHost: a\n\n", 400, Rule.FRAGMENT),
    ],
)
def test_a_malformed_request_has_the_servers_own_refusal(experimenter, text, status, rule):
    done = experimenter.carry_out(CHAPTER, SETTING, text)
    measured = done.measured
    assert measured["status"] == status
    assert rule.value[1] in measured["content"]
    sent, received = bytes_of(measured["steps"], "client"), bytes_of(measured["steps"], "server")
    assert sent == text.replace("\n", "\r\n")
    assert measured["sent"] == len(sent.encode())
    assert measured["received"] == len(received)
    assert received.startswith(f"HTTP/1.1 {status} ")


def test_several_requests_have_their_answers_and_the_server_ends_the_connection(experimenter):
    two = "GET /README.txt HTTP/1.1\nHost: a\n\n" * 2
    done = experimenter.carry_out(CHAPTER, SETTING, two)
    assert done.state is RunState.DONE
    assert bytes_of(done.measured["steps"], "server").count("HTTP/1.1 200 OK") == 2
    assert done.measured["steps"][-1]["text"] == "closes the connection"


def test_a_long_answer_is_read_up_to_a_bound(experimenter):
    done = experimenter.carry_out(
        CHAPTER, SETTING, "GET /large/primes.txt HTTP/1.1\nHost: a\nConnection: close\n\n"
    )
    assert 65_536 <= done.measured["received"] < 2 * 65_536
    assert "no more" in done.measured["steps"][-1]["text"]
