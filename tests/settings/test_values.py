from ipaddress import ip_network

import pytest

from servescope.errors import SettingsError
from servescope.records.listeners import UNIX, ListenerOptions
from servescope.settings import PREFIX, Settings, load_settings
from servescope.settings.values import UNIX_PEER, X_FORWARDED
from servescope.wire.forwarded import TrustedProxies


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


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("Example.org", ("http://example.org", "https://example.org")),
        ("a:8443", ("http://a:8443", "https://a:8443")),
        ("http://a, https://b:444", ("http://a", "https://b:444")),
        ("http://10.0.0.5:80,http://10.0.0.5", ("http://10.0.0.5",)),
        ("[2001:DB8:0::7]:81", ("http://[2001:db8::7]:81", "https://[2001:db8::7]:81")),
    ],
)
def test_hosts_of_load_are_origins(text, origins):
    assert Settings(load_hosts=text).load_hosts == origins


@pytest.mark.parametrize(
    "text", ["ftp://a", "http://a/b", "a:99999", "a b", "http://u@a", "*", "://"]
)
def test_what_is_no_host_is_refused(text):
    with pytest.raises(SettingsError, match=r"SERVESCOPE_LOAD_HOSTS.* is neither a host, nor"):
        load_settings(load_hosts=text)


def test_the_fields_of_proxies_have_their_names_once():
    assert load_settings().proxy_headers == X_FORWARDED == ListenerOptions().proxy_headers
    assert TrustedProxies([], load_settings().proxy_headers).fields == set(X_FORWARDED)
    assert UNIX_PEER == UNIX


@pytest.mark.parametrize("password", ["", " ", "\t\n"])
def test_a_password_without_a_character_is_refused(password):
    with pytest.raises(SettingsError, match="SERVESCOPE_PASSWORD"):
        load_settings(password=password)


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
