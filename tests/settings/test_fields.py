from pathlib import Path

import pytest

from servescope.errors import SettingsError
from servescope.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LISTEN_ADDRESS", "0.0.0.0", "0.0.0.0 is no loopback address"),
        ("LISTEN_ADDRESS", "192.0.2.7", "192.0.2.7 is no loopback address"),
        ("LISTEN_ADDRESS", "::", ":: is no loopback address"),
        ("LISTEN_ADDRESS", "example.org", "example.org is no loopback address"),
        ("WSGI_MODEL", "prefork", "the model prefork has several"),
    ],
)
def test_a_debugger_others_could_reach_is_refused_in_one_line(monkeypatch, name, value, why):
    monkeypatch.setenv(PREFIX + name, value)
    assert not load_settings().wsgi_debugger
    monkeypatch.setenv("SERVESCOPE_WSGI_DEBUGGER", "true")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "SERVESCOPE_WSGI_DEBUGGER" in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("dash.example", False)],
)
def test_the_debug_mode_is_for_loopback_alone(monkeypatch, host, allowed):
    monkeypatch.setenv("SERVESCOPE_HOST", host)
    monkeypatch.setenv("SERVESCOPE_DEBUG", "true")
    if allowed:
        assert load_settings().debug
        return
    with pytest.raises(SettingsError, match="the debug mode runs any code for whoever reaches it"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("HOST", "0.0.0.0", "0.0.0.0 is no loopback address"),
        ("PUBLIC_ORIGIN", "https://status.example.org", "a proxy brings others"),
        ("PATH_PREFIX", "/scope/", "a proxy brings others"),
    ],
)
def test_edited_apps_are_off_and_for_this_machine_alone(monkeypatch, name, value, why):
    assert not load_settings().edited_apps
    monkeypatch.setenv("SERVESCOPE_EDITED_APPS", "true")
    assert load_settings().edited_apps
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=why):
        load_settings()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_debugger_on_loopback_is_allowed(monkeypatch, address):
    monkeypatch.setenv("SERVESCOPE_LISTEN_ADDRESS", address)
    monkeypatch.setenv("SERVESCOPE_WSGI_DEBUGGER", "true")
    assert load_settings().wsgi_debugger


def test_the_default_data_folder_follows_the_base_directory_specification(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for state, folder in (
        ("/state", "/state/servescope"),
        ("", "/home/me/.local/state/servescope"),
        ("relative", "/home/me/.local/state/servescope"),
    ):
        monkeypatch.setenv("XDG_STATE_HOME", state)
        assert load_settings().data_dir == Path(folder)


def test_the_readme_tells_of_every_setting():
    readme = (ROOT / "README.md").read_text()
    missing = [
        PREFIX + field.upper()
        for field in Settings.model_fields
        if f"`{PREFIX}{field.upper()}`" not in readme
    ]
    assert missing == []
