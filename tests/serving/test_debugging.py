"""The in-browser debugger: off by default, on loopback only, and nothing without its PIN."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from servescope.demo import flask_app
from servescope.errors import ListenerError
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import start_listener

APP = "tests.serving.test_debugging:app"
app = flask_app.create_app()  # its own: the debugger changes its configuration

SPEC = ListenerSpec(
    name="wsgi",
    address="127.0.0.1",
    port=0,
    model=ConcurrencyModel.THREAD_POOL,
    app_kind=AppKind.WSGI,
    app="servescope.demo.flask_app:app",
    options=ListenerOptions(threads=2),
)


def client_of(listener):
    host, port = listener.address
    return httpx.Client(base_url=f"http://{host}:{port}", timeout=10)


def test_it_is_off_by_default(bench):
    with client_of(bench.start("servescope.demo.flask_app:app")) as client:
        answer = client.get("/error")
        assert answer.status_code == 500
        assert "Traceback" not in answer.text
        assert "DeliberateError" not in answer.text
        page = client.get(
            "/", params={"__debugger__": "yes", "cmd": "resource", "f": "debugger.js"}
        )
        assert "<h1>Hello.</h1>" in page.text


def test_a_traceback_and_a_console_behind_the_pin(bench, monkeypatch, caplog):
    monkeypatch.delenv("WERKZEUG_DEBUG_PIN", raising=False)
    with caplog.at_level("WARNING", "servescope"):
        listener = bench.start(APP, debugger=True)
    [pin] = re.findall(r"debugger is on, PIN ([\d-]{11})", caplog.text)
    with client_of(listener) as client:
        answer = client.get("/error")
        assert answer.status_code == 500
        assert "/error was asked for" in answer.text
        [secret] = re.findall(r'SECRET = "(\w+)"', answer.text)
        frame = re.findall(r'id="frame-(\d+)"', answer.text)[-1]
        command = {"__debugger__": "yes", "cmd": "6 * 7", "frm": frame, "s": secret}
        assert client.get("/error", params=command).text.startswith("<!doctype"), "not run"
        asked = {"__debugger__": "yes", "cmd": "pinauth", "pin": "000-000-000", "s": secret}
        assert client.get("/", params=asked).json()["auth"] is False
        assert client.get("/", params={**asked, "pin": pin}).json()["auth"] is True
        assert "42" in client.get("/error", params=command).text[:200]
        # Another site's name for this address (DNS rebinding) gets no console.
        stranger = client.get("/error", params=command, headers={"Host": "evil.example"})
        assert stranger.text.startswith("<!doctype")
    assert {record["status"] for record in bench.records(6)} >= {500, 200}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"address": "0.0.0.0"}, "no loopback address"),
        ({"address": "::"}, "no loopback address"),
        ({"model": ConcurrencyModel.PREFORK}, "prefork"),
    ],
)
def test_where_it_has_no_place_the_listener_does_not_start(bench, change, why):
    spec = replace(SPEC, options=ListenerOptions(debugger=True), **change)
    with pytest.raises(ListenerError, match=why):
        start_listener(spec, bench.recorder)
    assert not app.debug
