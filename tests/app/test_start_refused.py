"""Where it cannot start it says why in one line: wrong settings, no home, no usable folder."""

import importlib
import runpy

import pytest

from tests.processes import ROOT, eventually, gunicorn
from tests.settings_environment import set_only
from tests.unknown_user import run_as_unknown_user


def build():
    importlib.import_module("app").build()


def read_gunicorn_settings():
    runpy.run_path(str(ROOT / "gunicorn.conf.py"))


WRONG_SETTINGS = {
    "port out of bounds": ({"PORT": "99999"}, 2, ["SERVESCOPE_PORT"]),
    "no such setting": ({"THREDS": "8"}, 2, ["SERVESCOPE_THREDS"]),
    "no such store": ({"STORE": "http://engine:9090"}, 2, ["SERVESCOPE_STORE"]),
    "no folder": ({"DATA_DIR": "/proc/version/data"}, 1, ["the data folder /proc/version/data"]),
    "debugger beyond loopback": (
        {"WSGI_DEBUGGER": "true", "LISTEN_ADDRESS": "0.0.0.0"},
        2,
        ["SERVESCOPE_WSGI_DEBUGGER", "0.0.0.0 is no loopback address"],
    ),
}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "start", [build, read_gunicorn_settings], ids=["python app.py", "gunicorn"]
)
@pytest.mark.parametrize(
    ("settings", "status", "messages"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS
)
def test_a_wrong_setting_ends_the_start_with_one_line(
    monkeypatch, capsys, tmp_path, start, settings, status, messages
):
    set_only(monkeypatch, **{"DATA_DIR": tmp_path, **settings})
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == status
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("servescope: ")
    assert written.err.count("\n") == 1
    assert all(message in written.err for message in messages)


@pytest.mark.process
@pytest.mark.own_interpreter
@pytest.mark.parametrize("command", [(), gunicorn()], ids=["python app.py", "gunicorn"])
def test_a_process_with_a_wrong_setting_ends_with_one_line(start_dashboard, command):
    running = start_dashboard(*command, ready=False, PORT="99999")
    assert running.process.wait(60) == 2, running.log
    lines = eventually(lambda: [line for line in running.lines if "servescope:" in line])
    assert len(lines) == 1
    assert "SERVESCOPE_PORT" in lines[0]
    assert "Traceback" not in running.log


COMMANDS = {
    "app.py": ("app.py",),
    "gunicorn": ("-m", "gunicorn", "app:server", "--bind", "127.0.0.1:0"),
    "serve": ("-m", "servescope", "serve", "servescope.demo.flask_app:app", "--port", "0"),
    "export": ("-m", "servescope", "export", "--metric", "system.cpu.utilization"),
}


def refused(command, *, has_own_interpreter=False, **variables):
    """Exit status and the one line."""
    done = run_as_unknown_user(
        *command, cwd=ROOT, has_own_interpreter=has_own_interpreter, **variables
    )
    assert done.stdout.startswith("servescope: "), done.stdout
    assert done.stdout.count("\n") == 1, done.stdout
    return done.returncode, done.stdout


@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_user_without_a_home_is_told_what_to_set(command):
    code, line = refused(command, has_own_interpreter=True)  # imports may ask for the home, too
    assert code == 2
    assert "there is no home folder" in line
    assert "set SERVESCOPE_DATA_DIR" in line


def not_to_be_written(folder):
    folder.mkdir(mode=0o500)
    return folder / "data"


def not_to_be_entered(folder):
    folder.mkdir(mode=0o000)
    return folder / "data"


def a_file(folder):
    folder.touch()
    return folder


def below_a_file(folder):
    folder.touch()
    return folder / "data"


def with_anothers_store(folder):
    folder.mkdir()
    (folder / "servescope.sqlite3").touch(0o000)
    return folder


def with_anothers_rings(folder):
    (folder / "rings").mkdir(mode=0o500, parents=True)
    return folder


FOLDERS = (
    not_to_be_written, not_to_be_entered, a_file, below_a_file, with_anothers_store,
    with_anothers_rings,
)  # fmt: skip
DASHBOARD = ("-c", "import runpy; runpy.run_path('gunicorn.conf.py')")  # asks what app.py asks


@pytest.mark.process
@pytest.mark.parametrize("command", [DASHBOARD, COMMANDS["serve"]], ids=["dashboard", "serve"])
@pytest.mark.parametrize("made", FOLDERS, ids=lambda made: made.__name__)
def test_a_data_folder_that_cannot_be_used_is_named(tmp_path, made, command):
    folder = made(tmp_path / "it")
    code, line = refused(command, SERVESCOPE_DATA_DIR=str(folder))
    assert code == 1
    assert str(folder) in line


@pytest.mark.process
@pytest.mark.parametrize("made", [not_to_be_entered, a_file, with_anothers_store])
def test_an_export_from_a_folder_that_cannot_be_read_is_refused_in_one_line(tmp_path, made):
    folder = made(tmp_path / "it")
    code, line = refused(COMMANDS["export"], SERVESCOPE_DATA_DIR=str(folder))
    assert code == 1
    assert str(folder) in line


@pytest.mark.process
def test_an_address_that_is_none_of_this_host_is_named(tmp_path):
    code, line = refused(
        COMMANDS["app.py"], SERVESCOPE_DATA_DIR=str(tmp_path), SERVESCOPE_HOST="192.0.2.1"
    )
    assert code == 2
    assert "SERVESCOPE_HOST=192.0.2.1: " in line
