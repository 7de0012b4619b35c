"""A request to the proxy of an experiment once the server behind it has ended."""

from __future__ import annotations

from servescope.experiments import child_command
from servescope.experiments.gone_server import GoneServer
from tests.processes import alive, children
from tests.waiting import eventually


def test_the_proxy_answers_and_gunicorn_is_gone(carried_out, monkeypatch):
    started = []

    class Noted(child_command.ChildCommand):
        def stop(self):
            started.extend([self.pid, *children(self.pid)])
            super().stop()

    monkeypatch.setattr(child_command, "ChildCommand", Noted)
    measured = carried_out(GoneServer())
    assert (measured["before"], measured["after"]) == (200, 502)
    page = measured["steps"][-1]["data"]
    assert page.startswith("HTTP/1.1 502 Bad Gateway\\r\\n")
    assert "No connection to the server behind this proxy" in page, "no worker was left to take it"
    assert len(set(started)) >= 2  # gunicorn and its worker
    eventually(lambda: not any(map(alive, started)), 20)
