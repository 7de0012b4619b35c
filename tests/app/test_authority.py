"""The right to act: looking and changing are two rights, and foreign pages have neither."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from flask import Flask

from components import audit, server_form
from components.authority import (
    BEHIND_PROXY,
    FROM_HERE_ONLY,
    SIGN_IN,
    dashboard_for,
)
from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.actions.kept_runs import RunWords
from servescope.actions.listeners import NewListenerRequest
from servescope.actions.load_runs import LoadRunRequest
from servescope.errors import NotAllowedError
from servescope.records.listeners import ListenerOptions, ListenerOverrides
from servescope.runtime import Runtime
from servescope.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def ask(tmp_path):
    """`ask(password=…, …)` → a function that looks at a request and returns why it may not act."""

    def prepare(password=None, **settings):
        runtime = Runtime(Settings(data_dir=tmp_path, password=password, **settings))
        board = dashboard_for(runtime)
        flask = Flask("test", static_folder=None)

        def why_not(address="127.0.0.1", headers=(), base="http://127.0.0.1:8050"):
            environ = {"REMOTE_ADDR": address}
            with flask.test_request_context(
                "/", base_url=base, headers=dict(headers), environ_overrides=environ
            ):
                return board.why_not()

        return board, flask, why_not

    return prepare


def test_without_a_password_only_somebody_at_this_machine_may_act(ask):
    _, _, why_not = ask()
    assert why_not() == ""
    assert why_not("192.0.2.7") == FROM_HERE_ONLY
    assert why_not(headers={"X-Forwarded-For": "192.0.2.7"}) == FROM_HERE_ONLY
    assert why_not(base="http://rebound.example:8050") == FROM_HERE_ONLY


@pytest.mark.parametrize("setting", [{"public_origin": "https://a.example"}, {"path_prefix": "/a"}])
def test_behind_a_proxy_of_the_settings_nobody_may_act_without_a_password(ask, setting):
    _, _, why_not = ask(**setting)
    assert why_not() == BEHIND_PROXY
    _, _, why_not = ask("open sesame", **setting)
    assert why_not() == SIGN_IN


def test_with_a_password_whoever_signed_in_may_act(ask):
    board, flask, why_not = ask("open sesame")
    assert why_not() == SIGN_IN
    with flask.test_request_context("/"):
        assert board.sign_in("open sesame")
        assert board.may_act()
        board.sign_out()
        assert not board.may_act()


def test_load_needs_the_right_to_act(ask):
    board, flask, _ = ask("open sesame")
    with flask.test_request_context("/"):
        with pytest.raises(NotAllowedError):
            board.start_load_run(None)
        with pytest.raises(NotAllowedError):
            board.stop_load_run(1)
        for change in (
            lambda: board.describe_load_run(1, None),
            lambda: board.repeat_load_run(1),
            lambda: board.delete_load_run(1),
        ):
            with pytest.raises(NotAllowedError):
                change()


OVERRIDES = ListenerOverrides(deny=("192.0.2.0/24",), threads=4)
CHANGED = ListenerOptions(deny=("192.0.2.0/24",), threads=4)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (ListenerOverrides(), ListenerOverrides(), "nothing"),
        (ListenerOverrides(), ListenerOverrides(runs=False), "runs True -> False"),
        (ListenerOverrides(), OVERRIDES, "threads unset -> 4; deny unset -> 192.0.2.0/24"),
        (OVERRIDES, ListenerOverrides(deny=(), threads=4), "deny 192.0.2.0/24 -> none"),
    ],
)
def test_a_change_is_told_field_by_field(before, after, told):
    assert audit.difference(before, after) == told


def test_no_text_of_a_person_breaks_a_line_of_the_log(caplog):
    with caplog.at_level(logging.INFO):
        audit.note("192.0.2.7", "changed listener a\nWARNING forged\x1b[2J\u2028: nothing")
    assert caplog.messages == [
        r"192.0.2.7 changed listener a\nWARNING forged\x1b[2J\u2028: nothing"
    ]


ADDED = f"is_added False -> True; app unset -> {BUNDLED_WSGI}; port unset -> 0"


def test_each_change_says_who_made_it(ask, caplog):
    board, flask, _ = ask(files_port=0, wsgi_port=0, asgi_port=0)
    here = {"REMOTE_ADDR": "127.0.0.1"}
    with (
        flask.test_request_context("/", base_url="http://localhost:8050", environ_overrides=here),
        caplog.at_level(logging.INFO, "servescope.audit"),
    ):
        control = board.context.process.control
        eventually(lambda: "wsgi" in {one.name for one in control.listeners.statuses()})
        (status,) = (one for one in control.listeners.statuses() if one.name == "wsgi")
        shown = server_form.field_values(replace(status, options=CHANGED))
        run_id = board.start_load_run(LoadRunRequest("wsgi", "/", 1, 600))
        board.change_listener("wsgi", server_form.request(*shown, False))
        board.stop_listener("wsgi")
        board.reset_listener("wsgi")
        board.add_listener(NewListenerRequest("mine", BUNDLED_WSGI, 0))
        eventually(lambda: "mine" in {one.name for one in control.listeners.statuses()})
        board.remove_listener("mine")
        board.describe_load_run(run_id, RunWords("first", "a\nnote", "a, b"))
        board.stop_load_run(run_id)
        eventually(lambda: control.load_runs.active() is None)
        again = board.repeat_load_run(run_id)
        board.delete_load_run(run_id)
        board.stop_load_run(again)
    board.runtime.stop()
    audited = [record.message for record in caplog.records if record.name == "servescope.audit"]
    assert audited == [
        f"127.0.0.1 (at this machine) {did}"
        for did in (
            "asked for load run 1: 1 req/s for 600 s on wsgi /",
            "changed listener wsgi: threads unset -> 4; deny unset -> 192.0.2.0/24",
            "changed listener wsgi: runs True -> False",
            "changed listener wsgi: back to its settings",
            f"changed listener mine: {ADDED}",
            "removed listener mine",
            "described load run 1: name first; tags a, b; a note of 6 characters",
            "asked for the end of load run 1",
            "asked for load run 2, as run 1 again: 1 req/s for 600 s on wsgi /",
            "deleted load run 1: 1 req/s for 600 s on wsgi /",
            "asked for the end of load run 2",
        )
    ]


def test_who_may_not_and_tries_is_told_once(ask, caplog):
    board, flask, _ = ask()
    with flask.test_request_context("/", environ_overrides={"REMOTE_ADDR": "192.0.2.7"}):
        for _ in range(3):
            with pytest.raises(NotAllowedError):
                board.stop_load_run(1)
    assert caplog.messages == ["192.0.2.7 wanted to change something and may not"]
