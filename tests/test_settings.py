from ipaddress import ip_network
from pathlib import Path

import pytest

from servescope.errors import SettingsError
from servescope.records.listeners import UNIX, ListenerOptions
from servescope.settings import (
    PREFIX,
    SECRETS,
    UNIX_PEER,
    X_FORWARDED,
    Settings,
    load_settings,
)
from servescope.wire.forwarded import TrustedProxies
from tests.test_service_links import KUBERNETES

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "servescope.toml").write_text("port = 9000\nfiles_port = 9001\n")
    monkeypatch.setenv("SERVESCOPE_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.files_port) == (9002, 9001)


def test_networks_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("SERVESCOPE_DENY", "10.0.0.0/8, 192.0.2.7")
    assert load_settings().deny == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"))


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("public_origin", "https://Status.example.org/", "https://status.example.org"),
        ("public_origin", "https://status.example.org:443", "https://status.example.org"),
        ("public_origin", "http://192.0.2.7:8080", "http://192.0.2.7:8080"),
        ("public_origin", "https://[2001:DB8:0::7]", "https://[2001:db8::7]"),
        ("path_prefix", "/scope/", "/scope"),
        ("path_prefix", "scope", "/scope"),
        ("path_prefix", "/team-a/scope_1.2/", "/team-a/scope_1.2"),
        ("path_prefix", "/", ""),
        ("trusted_proxies", "10.0.0.0/8, ::1,unix:", ("10.0.0.0/8", "::1", "unix:")),
        ("proxy_headers", "X-Forwarded-For", ("x-forwarded-for",)),
        ("proxy_headers", "Forwarded", ("forwarded",)),
    ],
)
def test_a_place_behind_a_proxy(monkeypatch, name, value, read):
    monkeypatch.setenv(PREFIX + name.upper(), value)
    assert getattr(load_settings(), name) == read


def test_the_fields_of_proxies_have_their_names_once():
    assert load_settings().proxy_headers == X_FORWARDED == ListenerOptions().proxy_headers
    assert TrustedProxies([], load_settings().proxy_headers).fields == set(X_FORWARDED)
    assert UNIX_PEER == UNIX


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SERVESCOPE_PUBLIC_ORIGIN", "status.example.org", "SERVESCOPE_PUBLIC_ORIGIN"),
        ("SERVESCOPE_PUBLIC_ORIGIN", "https://a.example/scope", "without a path"),
        ("SERVESCOPE_PUBLIC_ORIGIN", "https://me@a.example", "without a path"),
        ("SERVESCOPE_PUBLIC_ORIGIN", "ftp://a.example", "SERVESCOPE_PUBLIC_ORIGIN"),
        ("SERVESCOPE_PUBLIC_ORIGIN", "https://a.example:70000", "SERVESCOPE_PUBLIC_ORIGIN"),
        ("SERVESCOPE_PUBLIC_ORIGIN", "https://[::g]", "SERVESCOPE_PUBLIC_ORIGIN"),
        ("SERVESCOPE_PATH_PREFIX", "/sc ope/", "SERVESCOPE_PATH_PREFIX"),
        ("SERVESCOPE_PATH_PREFIX", "/a/../b", "SERVESCOPE_PATH_PREFIX"),
        ("SERVESCOPE_PATH_PREFIX", "/a//b", "SERVESCOPE_PATH_PREFIX"),
        ("SERVESCOPE_PATH_PREFIX", "/a?b", "SERVESCOPE_PATH_PREFIX"),
        ("SERVESCOPE_PATH_PREFIX", "https://a.example/b", "SERVESCOPE_PATH_PREFIX"),
        ("SERVESCOPE_TRUSTED_PROXIES", "proxy.example", "'proxy.example' is neither"),
        ("SERVESCOPE_TRUSTED_PROXIES", "10.0.0.0/40", "'10.0.0.0/40' is neither"),
        ("SERVESCOPE_TRUSTED_PROXIES", "127.0.0.1,0.0.0.0/0", "believe every client"),
        ("SERVESCOPE_PROXY_HEADERS", "x-real-ip", "SERVESCOPE_PROXY_HEADERS"),
        ("SERVESCOPE_PROXY_HEADERS", "forwarded,x-forwarded-for", "either forwarded alone"),
        ("SERVESCOPE_PORT", "70000", "SERVESCOPE_PORT"),
        ("SERVESCOPE_PORT", "http", "SERVESCOPE_PORT"),
        ("SERVESCOPE_DENY", "10.0.0.0/40", "SERVESCOPE_DENY"),
        ("SERVESCOPE_THREADS", "0", "SERVESCOPE_THREADS"),
        ("SERVESCOPE_WSGI_MODEL", "fibres", "SERVESCOPE_WSGI_MODEL"),
        ("SERVESCOPE_STORE_MIB", "1", "SERVESCOPE_STORE_MIB"),
        ("SERVESCOPE_LOAD_MAX_RATE", "-1", "SERVESCOPE_LOAD_MAX_RATE"),
        ("SERVESCOPE_PROT", "8050", "SERVESCOPE_PROT"),
        ("SERVESCOPE_INSTANCE", "*", "SERVESCOPE_INSTANCE"),
        ("SERVESCOPE_INSTANCE", " a", "SERVESCOPE_INSTANCE"),
        ("SERVESCOPE_INSTANCE", "a\tb", "SERVESCOPE_INSTANCE"),
        ("SERVESCOPE_PASSWORD", " ", "SERVESCOPE_PASSWORD"),
        ("SERVESCOPE_DENY", " ", "SERVESCOPE_DENY"),
        ("SERVESCOPE_DATA_DIR", " ", "SERVESCOPE_DATA_DIR"),
        ("SERVESCOPE_DATA_DIR", "~no-such-user/x", "SERVESCOPE_DATA_DIR"),
        ("SERVESCOPE_FILES_FOLDER", "~no-such-user/x", "SERVESCOPE_FILES_FOLDER"),
        ("SERVESCOPE_WSGI_TLS_CERTIFICATE", "~no-such-user/x", "SERVESCOPE_WSGI_TLS_CERTIFICATE"),
        ("SERVESCOPE_APPS", "~no-such-user/x", "SERVESCOPE_APPS"),
        ("SERVESCOPE_HOST", "http://localhost", "SERVESCOPE_HOST"),
        ("SERVESCOPE_HOST", "unix:/run/x.sock", "SERVESCOPE_HOST"),
        ("SERVESCOPE_LISTEN_ADDRESS", "256.0.0.1", "SERVESCOPE_LISTEN_ADDRESS"),
        ("SERVESCOPE_FILES_ADDRESS", "unix:", "SERVESCOPE_FILES_ADDRESS"),
        ("SERVESCOPE_PORT", "http://10.0.0.1:8050", "SERVESCOPE_PORT"),
        ("SERVESCOPE_SERVICE_PORT", "8050", "SERVESCOPE_SERVICE_PORT"),
    ],
)
def test_a_bad_or_unknown_setting_is_named_in_one_line(monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_debugger_on_loopback_is_allowed(monkeypatch, address):
    monkeypatch.setenv("SERVESCOPE_LISTEN_ADDRESS", address)
    monkeypatch.setenv("SERVESCOPE_WSGI_DEBUGGER", "true")
    assert load_settings().wsgi_debugger


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


def test_an_unknown_variable_that_is_empty_counts_as_not_set_too(monkeypatch):
    monkeypatch.setenv("SERVESCOPE_PROT", "")
    assert load_settings().port == 8050


def test_an_empty_variable_lets_the_file_speak(monkeypatch, tmp_path):
    (tmp_path / "servescope.toml").write_text("port = 9000\n")
    monkeypatch.setenv("SERVESCOPE_PORT", "")
    assert load_settings().port == 9000


@pytest.mark.parametrize("password", ["", " ", "\t\n"])
def test_a_password_without_a_character_is_refused(password):
    with pytest.raises(SettingsError, match="SERVESCOPE_PASSWORD"):
        load_settings(password=password)


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


def test_a_secret_of_the_wrong_kind_is_not_shown(tmp_path):
    (tmp_path / "servescope.toml").write_text("password = 4711\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "SERVESCOPE_PASSWORD=***" in str(caught.value)
    assert "4711" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path):
    (tmp_path / "servescope.toml").symlink_to("/proc/self/mem")  # EIO, for root as well
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith("servescope.toml cannot be read: ")


def test_the_default_data_folder_follows_the_base_directory_specification(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for state, folder in (
        ("/state", "/state/servescope"),
        ("", "/home/me/.local/state/servescope"),
        ("relative", "/home/me/.local/state/servescope"),
    ):
        monkeypatch.setenv("XDG_STATE_HOME", state)
        assert load_settings().data_dir == Path(folder)


@pytest.mark.parametrize("text", ["port = ", "prot = 1\n", 'port = "x"\n'])
def test_a_bad_file_is_named_in_one_line(tmp_path, text):
    (tmp_path / "servescope.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_a_password_never_shows():
    assert "open sesame" not in repr(load_settings(password="open sesame"))
    url = "prometheus+http://me:open-sesame@127.0.0.1:9090"
    assert "open-sesame" not in repr(load_settings(store=url))
    with pytest.raises(SettingsError) as caught:
        load_settings(port=url)
    assert "open-sesame" not in str(caught.value)


def test_the_readme_tells_of_every_setting():
    readme = (ROOT / "README.md").read_text()
    missing = [
        PREFIX + field.upper()
        for field in Settings.model_fields
        if f"`{PREFIX}{field.upper()}`" not in readme
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a:b,c:d", ("a:b", "c:d")),
        ("a:f('x, y', k=[1, 2]), /srv/www,c:g()", ("a:f('x, y', k=[1, 2])", "/srv/www", "c:g()")),
        ("a:f(')', 1),b:c", ("a:f(')', 1)", "b:c")),
        ("a:f((1, 2), 3)", ("a:f((1, 2), 3)",)),
        ("/srv/a(b,c:d", ("/srv/a(b", "c:d")),
        ("a:f(,c:d", ("a:f(", "c:d")),
        (",,*,", ("*",)),
    ],
)
def test_a_comma_in_the_call_of_a_factory_ends_no_entry(text, entries):
    assert Settings(apps=text).apps == entries
