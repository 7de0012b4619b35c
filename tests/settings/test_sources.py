import pytest

from servescope.errors import SettingsError
from servescope.settings import PREFIX, Settings, load_settings
from servescope.settings.sources import SECRETS
from tests.test_service_links import KUBERNETES


def test_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "servescope.toml").write_text("port = 9000\nfiles_port = 9001\n")
    monkeypatch.setenv("SERVESCOPE_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.files_port) == (9002, 9001)


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_value_counts_as_not_set(monkeypatch, tmp_path, name, where):
    usual = load_settings()
    if where == "environment":
        monkeypatch.setenv(PREFIX + name.upper(), "")
    else:
        (tmp_path / "servescope.toml").write_text(f'{name} = ""\n')
    settings = load_settings()
    assert settings == usual
    assert settings.model_fields_set == usual.model_fields_set


def test_an_empty_variable_lets_the_file_speak(monkeypatch, tmp_path):
    (tmp_path / "servescope.toml").write_text("port = 9000\n")
    monkeypatch.setenv("SERVESCOPE_PORT", "")
    assert load_settings().port == 9000


def test_the_links_of_a_service_called_servescope_are_no_settings(monkeypatch):
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.port == 8050
    assert "port" not in settings.model_fields_set
    monkeypatch.setenv("SERVESCOPE_PROT", "8050")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith("unknown setting SERVESCOPE_PROT; ")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(monkeypatch, tmp_path, name):
    secret = "prometheus+http://me:open-sesame@127.0.0.1:9090"
    (tmp_path / "secret").write_text(f"{secret}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "secret", "~/secret", "secret"):
        monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(path))
        assert getattr(load_settings(), name).get_secret_value() == secret
    monkeypatch.delenv(f"{PREFIX}{name.upper()}_FILE")
    (tmp_path / "servescope.toml").write_text(f'{name}_file = "secret"\n')
    assert getattr(load_settings(), name).get_secret_value() == secret
    assert "open-sesame" not in repr(load_settings())


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_told_twice_or_cannot_be_read_is_refused(monkeypatch, tmp_path, name):
    variable = PREFIX + name.upper()
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match=f"^bad setting {variable}_FILE=.*: No such file"):
        load_settings()
    (tmp_path / "secret").write_text("sqlite\n")
    monkeypatch.setenv(variable, "")  # as compose files hand it on
    assert getattr(load_settings(), name).get_secret_value() == "sqlite"
    monkeypatch.setenv(variable, "open-sesame")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == f"{variable} and {variable}_FILE are both set: set one of them"
