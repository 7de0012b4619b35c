"""Requests in turn: to a listener, and to Python's own server, of which nothing is left."""

from __future__ import annotations

import gzip
import re

import pytest

from servescope.chapters import static_files
from servescope.chapters.exchange_steps import exchange_steps
from servescope.demo.search import SITE
from servescope.errors import LoadRefusedError
from servescope.experiments import child_command
from tests.processes import alive
from tests.waiting import eventually

FILE = SITE / "large" / static_files.FILE


def carried(carried_out, name):
    return carried_out(static_files.CHAPTER.setting(name).experiment)["exchanges"]


def test_a_second_visit_sends_back_the_tag_of_the_first_and_gets_no_content(carried_out):
    first, second = carried(carried_out, "second-visit")
    tag = re.search(r"\r\nETag: (.*?)\r\n", first["head"])[1]
    assert f"\r\nIf-None-Match: {tag}\r\n" in second["sent"]
    assert (first["status"], second["status"]) == (200, 304)
    assert second["received_bytes"] == len(second["head"])
    assert first["content"] == FILE.read_text()[:600]


def test_the_compressed_neighbour_is_sent_to_a_client_that_takes_it(carried_out):
    plain, coded = carried(carried_out, "gzip")
    assert plain["content_bytes"] == FILE.stat().st_size
    assert coded["content_bytes"] == len(gzip.compress(FILE.read_bytes()))
    assert "\r\nContent-Encoding: gzip\r\n" in coded["head"]
    _, as_text, _, as_bytes = exchange_steps([plain, coded])
    assert "The 17,984 primes" in as_text.data
    assert "is not shown" not in as_text.data
    assert as_bytes.data.endswith("[The content is no text, and is not shown]")


def test_pythons_own_server_ends_with_the_experiment(carried_out, monkeypatch):
    started = []
    real = child_command.ChildCommand

    class Noted(real):
        def stop(self):
            started.append(self.pid)
            super().stop()

    monkeypatch.setattr(child_command, "ChildCommand", Noted)
    _, second = carried(carried_out, "python-range")
    assert second["head"].startswith("HTTP/1.0 200 OK\r\nServer: SimpleHTTP/")
    assert second["content_bytes"] == FILE.stat().st_size
    assert [alive(pid) for pid in started] == [False]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["/no/such/command"], "could not be started"),
        (["false"], "the command did not start: it wrote nothing"),
        (["echo", "not", "this"], "the command did not start: not this"),
    ],
    ids=["none of this name", "it ends at once", "it says something else"],
)
def test_a_command_that_does_not_start_says_why(command, told):
    with (
        pytest.raises(LoadRefusedError, match=told),
        child_command.running(command) as started,
    ):
        started.await_line("ready", 1.0)


def test_all_processes_that_a_command_started_end_with_it():
    command = ["sh", "-c", "sleep 60 & echo child $!; trap '' TERM; sleep 60"]
    with child_command.running(command) as started:
        child = int(started.await_line(r"child (\d+)", 20)[1])
        assert alive(child)
        command_pid = started.pid
    eventually(lambda: not alive(child), 20)
    assert not alive(command_pid)
