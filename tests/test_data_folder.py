"""Where the data folder is."""

from pathlib import Path

import pytest

from servescope.data_folder import default_data_dir, recorded_data_dir
from servescope.errors import SettingsError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in ("SERVESCOPE_DATA_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize("base", ["", "relative/state"])
def test_without_a_base_folder_it_is_the_persons(monkeypatch, base):
    monkeypatch.setenv("XDG_STATE_HOME", base)
    assert default_data_dir() == Path("/home/me/.local/state/servescope")


def test_a_recorder_takes_what_it_is_given_then_the_setting_then_the_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert recorded_data_dir() == default_data_dir()
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", "~/data")
    assert recorded_data_dir() == Path("/home/me/data")
    assert recorded_data_dir("given") == tmp_path / "given"
    assert recorded_data_dir(Path("/given")) == Path("/given")


def test_a_recorder_reads_no_file_of_the_dashboards(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "servescope.toml").write_text('data_dir = "/elsewhere"')
    assert recorded_data_dir() == default_data_dir()


def test_an_unknown_home_is_named():
    with pytest.raises(SettingsError, match="no home folder of 'no-such-user'"):
        recorded_data_dir("~no-such-user/data")
