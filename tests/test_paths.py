import os
import pwd
from pathlib import Path

import pytest

from servescope.errors import SettingsError
from servescope.paths import absolute, expanded, home


@pytest.fixture
def unknown_user(monkeypatch):
    """The passwd database knows nobody; tests/app/test_unknown_user.py has a real one."""

    def unknown(asked):
        raise KeyError(asked)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize("told", [None, ""])
def test_home_is_that_of_the_passwd_database_where_the_variable_is_not_set(monkeypatch, told):
    monkeypatch.setenv("HOME", "/home/me")
    assert home() == Path("/home/me")
    monkeypatch.delenv("HOME") if told is None else monkeypatch.setenv("HOME", told)
    assert home() == Path(pwd.getpwuid(os.getuid()).pw_dir)


@pytest.mark.usefixtures("unknown_user")
@pytest.mark.parametrize("told", [None, ""])
def test_a_user_without_a_home_is_told_so(monkeypatch, told):
    if told is not None:
        monkeypatch.setenv("HOME", told)
    with pytest.raises(SettingsError, match="HOME is not set, and the passwd database has no user"):
        home()
    with pytest.raises(SettingsError, match="no home folder"):
        expanded("~/x")
    assert expanded("/x") == Path("/x")


def test_a_path_is_made_whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("x/y") == tmp_path / "x" / "y"
    assert absolute("~") == Path("/home/me")
    assert absolute("~/x/~y") == Path("/home/me/x/~y")
    assert absolute("~root") == Path(pwd.getpwnam("root").pw_dir)
    assert absolute("") == tmp_path


def test_the_home_of_an_unknown_user_is_named():
    with pytest.raises(SettingsError, match="~no-such-user/x: there is no home folder of"):
        absolute("~no-such-user/x")


def test_a_working_folder_that_is_gone_is_told(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert absolute("/x") == Path("/x")
    with pytest.raises(SettingsError, match="the working folder is gone"):
        absolute("x")
