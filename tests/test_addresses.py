import pytest

from servescope.addresses import (
    checked_address,
    checked_listen_address,
    host_and_port,
    reachable,
    url_of,
)

URLS = {
    "127.0.0.1": "http://127.0.0.1:8050/",
    "0.0.0.0": "http://127.0.0.1:8050/",
    "": "http://127.0.0.1:8050/",
    "::1": "http://[::1]:8050/",
    "[::1]": "http://[::1]:8050/",
    "::": "http://[::1]:8050/",
    "[::]": "http://[::1]:8050/",
    "0:0:0:0:0:0:0:0": "http://[::1]:8050/",
    "fe80::1%eth0": "http://[fe80::1%25eth0]:8050/",
    "::ffff:192.0.2.7": "http://[::ffff:192.0.2.7]:8050/",
    "localhost": "http://localhost:8050/",
    "web-1.example.org": "http://web-1.example.org:8050/",
}


@pytest.mark.parametrize(("address", "url"), URLS.items())
def test_the_url_of_an_address_and_a_port(address, url):
    assert url_of(address, 8050) == url
    assert url_of(address, 8050, is_tls=True) == url.replace("http:", "https:")
    assert url_of(address, 8050, path="/scope/") == f"{url}scope/"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "0.0.0.0:80"),
        ("::", "[::]:80"),
        ("[::1]", "[::1]:80"),
        ("fe80::1%eth0", "[fe80::1%eth0]:80"),
        ("localhost", "localhost:80"),
    ],
)
def test_host_and_port_name_what_is_bound(address, told):
    assert host_and_port(address, 80) == told


def test_a_wildcard_is_reached_over_loopback_and_nothing_else_is_changed():
    assert [reachable(one) for one in ("0.0.0.0", "::", "192.0.2.7", "h")] == [
        "127.0.0.1", "::1", "192.0.2.7", "h",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("localhost", "localhost"),
        ("a.b-c.example.org.", "a.b-c.example.org."),
        ("my_container", "my_container"),
        ("9gag.com", "9gag.com"),
    ],
)
def test_addresses_and_host_names_are_taken(text, address):
    assert checked_address(text) == checked_listen_address(text) == address


NEITHER = (
    "127.0.0.1:80", "[::1]:80", "http://localhost", "a b", "a/b", "-a", "a-", "a..b", ".", "*",
    "256.0.0.1", "127.1", "0", "1.2.3.4.5", "::1::", "[127.0.0.1", "::1%", "x" * 64,
    "a." * 127 + "b",    "bücher.example",
)  # fmt: skip


@pytest.mark.parametrize("text", NEITHER)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="neither an address nor a host name"):
        checked_address(text)


def test_a_listener_may_be_at_a_unix_socket_or_where_all_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert checked_listen_address("") == ""
    assert checked_listen_address("unix:/run/x.sock") == "unix:/run/x.sock"
    assert checked_listen_address("unix:~/x.sock") == "unix:/home/me/x.sock"
    assert checked_listen_address("unix:x.sock") == f"unix:{tmp_path}/x.sock"
    with pytest.raises(ValueError, match="needs a path"):
        checked_listen_address("unix:")
