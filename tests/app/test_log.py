"""The content of gunicorn's error log: who leads, which listeners are up, and who changed what."""

import http.cookiejar
import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from tests.app.callback_payloads import payloads
from tests.processes import eventually, gunicorn
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.process
PASSWORD = "open sesame"


class Operator:
    """A browser that calls back as the pages do."""

    def __init__(self, running, callback_map):
        self.running = running
        self.bodies = payloads(callback_map)
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def call(self, trigger, values=(), output=""):
        """Send the callback that `trigger`, an input's id, starts."""
        body = next(
            body
            for name, body in self.bodies.items()
            if name.startswith(output) and any(one["id"] == trigger for one in body["inputs"])
        )
        values = dict(values)
        given = [
            [
                one
                if one["property"].startswith("n_")
                else one | {"value": values.get(one["id"], one["value"])}
                for one in body[kind]
            ]
            for kind in ("inputs", "state")
        ]
        sent = body | {
            "inputs": given[0], "state": given[1], "changedPropIds": [f"{trigger}.n_clicks"]
        }  # fmt: skip
        request = urllib.request.Request(
            self.running.url + "/_dash-update-component",
            json.dumps(sent).encode(),
            {"Content-Type": "application/json"},
        )
        with self.opener.open(request, timeout=DEADLINE_S) as answer:
            return answer.read().decode()


def lines_with(running, pattern):
    return [line for line in running.lines if re.search(pattern, line)]


def test_the_log_tells_who_leads_what_listens_and_who_changed_what(app, start_dashboard):
    app.server.test_client().get("/")
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        running = start_dashboard(*gunicorn(), PASSWORD=PASSWORD, ASGI_PORT=taken, ready=False)
        eventually(lambda: running.url and running.listener("wsgi") and running.listener("files"))
        eventually(lambda: lines_with(running, "listener asgi is failed"))
    eventually(lambda: running.listener("asgi"))
    operator = Operator(running, app.callback_map)
    assert "not the operator" in operator.call("sign-in", {"sign-in-password": "hunter2"})
    eventually(lambda: "href" in operator.call("sign-in", {"sign-in-password": PASSWORD}), step=0.2)
    port = running.port("wsgi")
    deny = {"server-chosen": "wsgi", "server-deny": "192.0.2.0/24", "server-app": None}
    form = deny | {"server-port": port, "server-threads": 8, "server-allow": ""}
    status = running.listener("wsgi")
    form |= {"server-app": status.app, "server-model": status.model}
    assert "error" in operator.call("server-apply", form, "..server-answer")
    eventually(lambda: lines_with(running, "denied 192.0.2.0/24, allowed everybody else"))
    assert "Load run 1 was asked for" in operator.call(
        "load-start", {"load-seconds": 1, "load-rate": 5}
    )
    eventually(lambda: lines_with(running, "load run 1 is done"))
    operator.call("sign-out")
    leader = running.leader
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: lines_with(running, "it took over"))
    for name in ("files", "wsgi", "asgi"):
        eventually(lambda name=name: running.port(name))
    assert running.end() == 0

    who = r"127\.0\.0\.1 \(session [0-9a-f]{8}\)"
    told = {
        rf"\[{leader}\] \[INFO\] process {leader} leads on {running.folder}$": 1,
        r"process \d+ follows: process \d+ leads on": None,
        r"process \d+ leads on .*: it took over": None,
        rf"\[{leader}\] \[INFO\] listener wsgi is up: http://127\.0\.0\.1:{port}/ serves ": 1,
        rf"\[WARNING\] listener asgi is failed: port {taken} is held by .*pid {os.getpid()}": 1,
        r"listener asgi is up: http://127\.0\.0\.1:\d+": None,
        r"\[WARNING\] failed sign-in from 127\.0\.0\.1: 1 in a row": 1,
        rf"{who} signed in": 1,
        rf"{who} changed listener wsgi: deny unset -> 192\.0\.2\.0/24": 1,
        r"listener wsgi: other addresses denied: denied 192\.0\.2\.0/24": 1,
        rf"{who} asked for load run 1: 5 req/s for 1 s on wsgi /": 1,
        r"load run 1 started: run 1: 5 req/s on wsgi": 1,
        r"load run 1 is done": 1,
        rf"{who} signed out": 1,
        r"listener wsgi stopped": None,
        r"process \d+ leads no longer": None,
    }
    for pattern, times in told.items():
        found = lines_with(running, pattern)
        assert found, (pattern, running.log)
        assert times is None or len(found) == times, found
        assert all(re.search(r"\[\d+\] \[[A-Z]+\] ", line) for line in found)
    assert "hunter2" not in running.log
    assert PASSWORD not in running.log
    assert "Traceback" not in running.log


def test_a_logging_configuration_of_the_operators_own_is_left_alone(start_dashboard, tmp_path):
    config = tmp_path / "logging.json"
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"own": {"format": "own %(name)s %(message)s"}},
                "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
                "root": {"level": "INFO", "handlers": ["own"]},
                "loggers": {"gunicorn.error": {}},  # instead of those that gunicorn would add
            }
        )
    )
    running = start_dashboard(*gunicorn("--log-config-json", str(config), workers=1), ready=False)
    eventually(lambda: lines_with(running, "own servescope.runtime.* leads on"))
    assert len(lines_with(running, r"leads on")) == 1
    assert running.end() == 0
