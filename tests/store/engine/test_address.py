import pytest

from servescope.errors import SettingsError
from servescope.store.engine.address import read_address
from servescope.store.opening import check_backend


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("prometheus+http://127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("prometheus+http://engine", "http://engine:9090"),
        (
            "prometheus+https://engine/select/0/prometheus/",
            "https://engine:443/select/0/prometheus",
        ),
        ("prometheus+http://[::1]:8428", "http://[::1]:8428"),
    ],
)
def test_an_address_is_shown_as_it_will_be_asked(text, shown):
    assert read_address(text).shown == shown


def test_user_and_password_become_a_header_and_show_nowhere():
    address = read_address("prometheus+http://me%40home:p%3Ass@engine:9090")
    assert address.authorization == "Basic bWVAaG9tZTpwOnNz"
    assert "p:ss" not in repr(address) + address.shown
    assert "Basic" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mysql",
        "prometheus",
        "prometheus+http",
        "prometheus+http://",
        "prometheus+http://:9090",
        "prometheus+http://engine:0",
        "prometheus+http://engine:99999",
        "prometheus+http://engine:port",
        "prometheus+http://engine/?a=b",
        "prometheus+http://engine/#a",
        "prometheus+http://engine/a b",
        "prometheus+http://engine/a\r\nHost: other",
        "prometheus+http://[::1",
        "prometheus+ftp://engine",
        "http://secret:word@engine:9090",
    ],
)
def test_a_bad_address_is_named_in_one_line(text):
    with pytest.raises(SettingsError) as caught:
        check_backend(text)
    assert "SERVESCOPE_STORE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


def test_the_local_file_needs_no_address():
    check_backend("sqlite")
