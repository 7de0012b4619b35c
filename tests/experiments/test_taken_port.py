"""A second server at a port: its outcome, and that nothing of either is left."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from servescope.chapters.ports import CHAPTER
from servescope.experiments.taken_port import Outcome
from servescope.runtime.experiments import ExperimentReconciler
from servescope.sampling.inet_diag import socket_table


@pytest.mark.parametrize("name", ["same", "ended", "any"])
def test_each_server_serves_at_the_port_that_is_told_and_both_are_gone(
    experimenter, monkeypatch, name
):
    listened = set()
    listener = ExperimentReconciler.listener

    @contextmanager
    def watched(self, *order):  # it stands for some milliseconds: a poll may come too late
        with listener(self, *order) as process:
            listened.update(one.port for one in experimenter.statuses())
            yield process

    monkeypatch.setattr(ExperimentReconciler, "listener", watched)
    done = experimenter.carry_out(CHAPTER, CHAPTER.setting(name))
    measured = done.measured
    assert listened == {measured["port"]}
    assert measured["got"] != measured["port"]
    texts = [one["text"] for one in measured["steps"]]
    assert any(f"port {measured['got']}, and has an answer" in text for text in texts)
    if Outcome(measured["outcome"]) is Outcome.REFUSED:
        assert any("Address already in use" in text for text in texts)
    held = {"same": "(pid ", "ended": "TIME_WAIT", "any": "(pid "}[name]
    assert held in measured["holder"]
    assert "pid (process ID)" in " ".join(CHAPTER.read(CHAPTER.setting(name), measured).told)
    for port in (measured["port"], measured["got"]):
        assert [one for one in socket_table().sockets_on(port) if one.inode] == []
