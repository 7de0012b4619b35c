"""`gunicorn.conf.py`: where it listens and with how many workers, from settings and platform."""

import runpy

import pytest

from tests.processes import ROOT
from tests.settings_environment import set_only


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    set_only(monkeypatch, DATA_DIR=tmp_path)


def configured():
    told = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    return told["bind"], told["workers"]


CASES = {
    "nothing is set": ({}, "127.0.0.1:8050", 2),
    "all is empty": (
        {"PORT": "", "WEB_CONCURRENCY": "", "SERVESCOPE_HOST": ""},
        "127.0.0.1:8050",
        2,
    ),
    "a platform's port": ({"PORT": "9000"}, "0.0.0.0:9000", 2),
    "a platform's port, and our address": (
        {"PORT": "9000", "SERVESCOPE_HOST": "127.0.0.1"},
        "127.0.0.1:9000",
        2,
    ),
    "our port": ({"SERVESCOPE_PORT": "9001"}, "127.0.0.1:9001", 2),
    "an empty port beside ours": ({"PORT": "", "SERVESCOPE_PORT": "9001"}, "127.0.0.1:9001", 2),
    "any port": ({"PORT": "0"}, "0.0.0.0:0", 2),
    "IPv6": ({"SERVESCOPE_HOST": "::1"}, "[::1]:8050", 2),
    "IPv6 in brackets": ({"SERVESCOPE_HOST": "[::]"}, "[::]:8050", 2),
    "a name": ({"SERVESCOPE_HOST": "localhost"}, "localhost:8050", 2),
    "workers": ({"WEB_CONCURRENCY": "3"}, "127.0.0.1:8050", 3),
    "a service of this name": ({"SERVESCOPE_PORT": "tcp://10.0.0.1:8050"}, "127.0.0.1:8050", 2),
}


@pytest.mark.parametrize(("variables", "bind", "workers"), CASES.values(), ids=CASES)
def test_where_it_listens_and_with_how_many_workers(monkeypatch, variables, bind, workers):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert configured() == (bind, workers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "99999"),
        ("PORT", "-1"),
        ("PORT", " "),
        ("WEB_CONCURRENCY", "0"),
        ("WEB_CONCURRENCY", "-1"),
        ("WEB_CONCURRENCY", "x"),
        ("SERVESCOPE_HOST", "no-such-host.invalid"),
        ("SERVESCOPE_HOST", "192.0.2.1"),
        ("SERVESCOPE_PORT", "99999"),
    ],
)
def test_what_cannot_be_ends_the_start_with_one_line(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        configured()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"servescope: bad setting {name}=")
    assert told.count("\n") == 1


@pytest.mark.process
@pytest.mark.parametrize("way", ["python app.py", "gunicorn"])
def test_the_dashboard_on_ipv6_prints_an_address_that_can_be_opened(start_dashboard, way):
    command = ("-m", "gunicorn", "app:server", "--workers", "1") if way == "gunicorn" else ()
    running = start_dashboard(*command, HOST="::1")
    assert running.url.startswith("http://[::1]:")
    assert running.get("/health")
