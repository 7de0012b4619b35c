"""Where it cannot start it says why in one line: no home, no usable folder, no such address."""

import sys

import pytest

from tests.processes import ROOT
from tests.unknown_user import run_as_unknown_user

pytestmark = pytest.mark.process

COMMANDS = {
    "app.py": ("app.py",),
    "gunicorn": ("-m", "gunicorn", "app:server", "--bind", "127.0.0.1:0"),
    "serve": ("-m", "servescope", "serve", "servescope.demo.flask_app:app", "--port", "0"),
    "export": ("-m", "servescope", "export", "--metric", "system.cpu.utilization"),
}


def refused(command, **variables):
    """Exit status and the one line."""
    done = run_as_unknown_user(sys.executable, *command, cwd=ROOT, **variables)
    assert done.stdout.startswith("servescope: "), done.stdout
    assert done.stdout.count("\n") == 1, done.stdout
    return done.returncode, done.stdout


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_user_without_a_home_is_told_what_to_set(command):
    code, line = refused(command)
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


@pytest.mark.parametrize("command", [DASHBOARD, COMMANDS["serve"]], ids=["dashboard", "serve"])
@pytest.mark.parametrize("made", FOLDERS, ids=lambda made: made.__name__)
def test_a_data_folder_that_cannot_be_used_is_named(tmp_path, made, command):
    folder = made(tmp_path / "it")
    code, line = refused(command, SERVESCOPE_DATA_DIR=str(folder))
    assert code == 1
    assert str(folder) in line


@pytest.mark.parametrize("made", [not_to_be_entered, a_file, with_anothers_store])
def test_an_export_from_a_folder_that_cannot_be_read_is_refused_in_one_line(tmp_path, made):
    folder = made(tmp_path / "it")
    code, line = refused(COMMANDS["export"], SERVESCOPE_DATA_DIR=str(folder))
    assert code == 1
    assert str(folder) in line


def test_an_address_that_is_none_of_this_host_is_named(tmp_path):
    code, line = refused(
        COMMANDS["app.py"], SERVESCOPE_DATA_DIR=str(tmp_path), SERVESCOPE_HOST="192.0.2.1"
    )
    assert code == 2
    assert "SERVESCOPE_HOST=192.0.2.1: " in line
