import pytest

from servescope.errors import SettingsError
from servescope.settings import load_settings


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


def test_an_unknown_variable_that_is_empty_counts_as_not_set_too(monkeypatch):
    monkeypatch.setenv("SERVESCOPE_PROT", "")
    assert load_settings().port == 8050


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
