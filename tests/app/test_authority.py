"""Who may act: looking and changing are two rights, and foreign pages have neither."""

from __future__ import annotations

import threading

import pytest
from flask import Flask

from components import authority
from components.authority import (
    BEHIND_PROXY,
    FROM_HERE_ONLY,
    SIGN_IN,
    dashboard_for,
    session_secret,
)
from servescope.errors import DataFolderError, NotAllowedError
from servescope.runtime import Runtime
from servescope.settings import Settings


@pytest.fixture
def ask(tmp_path):
    """`ask(password=…, …)` → a function that looks at a request and returns why it may not act."""

    def prepare(password=None, **settings):
        runtime = Runtime(Settings(data_dir=tmp_path, password=password, **settings))
        board = dashboard_for(runtime)
        flask = Flask("test", static_folder=None)
        flask.secret_key = session_secret(tmp_path)

        def why_not(address="127.0.0.1", headers=(), base="http://127.0.0.1:8050", session=None):
            environ = {"REMOTE_ADDR": address}
            with flask.test_request_context(
                "/", base_url=base, headers=dict(headers), environ_overrides=environ
            ):
                for name, value in (session or {}).items():
                    authority.session[name] = value
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
    assert why_not(session={authority.SESSION_KEY: True}) == ""


def test_with_a_password_whoever_signed_in_may_act(ask):
    board, flask, why_not = ask("open sesame")
    assert why_not() == SIGN_IN
    assert why_not("192.0.2.7", session={authority.SESSION_KEY: True}) == ""
    with flask.test_request_context("/"):
        assert board.sign_in("open sesame")
        assert board.may_act()
        board.sign_out()
        assert not board.may_act()


def test_after_a_wrong_password_guessing_is_slow(ask):
    board, flask, _ = ask("open sesame")
    with flask.test_request_context("/"):
        assert not board.sign_in("open says me")
        with pytest.raises(NotAllowedError):
            board.sign_in("open sesame")
        assert not board.may_act()


def test_load_needs_the_right_to_act(ask):
    board, flask, _ = ask("open sesame")
    with flask.test_request_context("/"):
        with pytest.raises(NotAllowedError):
            board.request_load(None)
        with pytest.raises(NotAllowedError):
            board.stop_load(1)


def test_all_processes_of_a_folder_share_one_secret(tmp_path):
    found = []
    makers = [
        threading.Thread(target=lambda: found.append(session_secret(tmp_path))) for _ in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(set(found)) == 1
    assert len(found[0]) == authority.SECRET_BYTES
    assert (tmp_path / authority.SECRET_NAME).stat().st_mode & 0o077 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == [authority.SECRET_NAME]


def test_a_folder_without_room_for_the_secret_is_named(tmp_path):
    with pytest.raises(DataFolderError, match=r"secret\.key"):
        session_secret(tmp_path / "missing")
