"""Who may act: looking and changing are two rights, and foreign pages have neither."""

from __future__ import annotations

import logging

import pytest
from flask import Flask

from components import audit
from components.authority import (
    BEHIND_PROXY,
    FROM_HERE_ONLY,
    SIGN_IN,
    dashboard_for,
)
from servescope.errors import NotAllowedError
from servescope.records import ListenerOverrides, LoadPlan
from servescope.runtime import Runtime
from servescope.settings import Settings


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
            board.request_load(None)
        with pytest.raises(NotAllowedError):
            board.stop_load(1)


PLAN = LoadPlan(listener="wsgi", target="/", rate=200, seconds=30)
WISH = ListenerOverrides(deny=("192.0.2.0/24",), threads=4)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (ListenerOverrides(), ListenerOverrides(), "nothing"),
        (ListenerOverrides(), ListenerOverrides(runs=False), "runs True -> False"),
        (ListenerOverrides(), WISH, "threads unset -> 4; deny unset -> 192.0.2.0/24"),
        (WISH, ListenerOverrides(deny=(), threads=4), "deny 192.0.2.0/24 -> none"),
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


def test_each_change_says_who_made_it(ask, caplog):
    board, flask, _ = ask()
    here = {"REMOTE_ADDR": "127.0.0.1"}
    with (
        flask.test_request_context("/", base_url="http://localhost:8050", environ_overrides=here),
        caplog.at_level(logging.INFO, "servescope.audit"),
    ):
        board.context.process.control.load_runs.request(PLAN, 1.0)
        board.change_listener("wsgi", lambda _before: WISH)
        board.reset_listener("wsgi")
        board.stop_load(1)
    board.runtime.stop()
    assert caplog.messages == [
        f"127.0.0.1 (at this machine) {did}"
        for did in (
            "changed listener wsgi: threads unset -> 4; deny unset -> 192.0.2.0/24",
            "changed listener wsgi: back to its settings, or removed",
            "asked for the end of load run 1",
        )
    ]


def test_who_may_not_and_tries_is_told_once(ask, caplog):
    board, flask, _ = ask()
    with flask.test_request_context("/", environ_overrides={"REMOTE_ADDR": "192.0.2.7"}):
        for _ in range(3):
            with pytest.raises(NotAllowedError):
                board.stop_load(1)
    assert caplog.messages == ["192.0.2.7 wanted to change something and may not"]
