"""A process that is forked is what it would be in an interpreter of its own."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests import unknown_user
from tests.prepared_interpreter import Command, ForkedProcess, started
from tests.processes import ROOT
from tests.unknown_user import as_unknown_user

INVENTORY = """
import json, os, signal, sys, threading

def descriptors():
    for name in os.listdir("/proc/self/fd"):
        path = "/proc/self/fd/" + name
        # The one of the listing is closed by now; libffi keeps its own file open for closures.
        if os.path.lexists(path) and ".so" not in os.readlink(path):
            yield name

print(json.dumps({
    "name": __name__,
    "argv": sys.argv,
    "command line": sys.orig_argv,
    "first place of modules": sys.path[0],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "descriptors": sorted(descriptors()),
    "input": os.readlink("/proc/self/fd/0"),
    "handlers": [str(signal.getsignal(one)) for one in signal.valid_signals()],
    "blocked": [int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "leads its session": os.getsid(0) == os.getpid(),
    "threads": threading.active_count(),
    "user": os.getuid(),
    "main": sys.modules["__main__"].__dict__ is globals(),
}))
"""


def inventories(asked):
    """Of the process of a command that is forked, and of one in an interpreter of its own."""
    assert asked.can_be_forked()
    return (output_of(started(asked, has_own_interpreter=one)) for one in (False, True))


def command(*arguments, **variables):
    environment = os.environ | {"PYTHONUNBUFFERED": "1", **variables}
    return Command(arguments, str(ROOT), environment)


def output_of(process):
    with process.stdout:
        text = process.stdout.read()
    assert process.wait(60) == 0, text
    return json.loads(text)


@pytest.mark.parametrize("way", ["-c", "file", "-m"])
def test_it_has_what_it_would_have_after_an_exec(tmp_path, way):
    (tmp_path / "inventory.py").write_text(INVENTORY)
    arguments = {
        "-c": ("-c", INVENTORY, "an argument"),
        "file": (str(tmp_path / "inventory.py"), "an argument"),
        "-m": ("-m", "inventory", "an argument"),
    }[way]
    asked = Command(
        arguments, str(tmp_path), os.environ | {"ONLY_HERE": "é", "PYTHONUNBUFFERED": "1"}
    )
    found, expected = inventories(asked)
    assert found == expected
    assert found["environment"]["ONLY_HERE"] == "é"


def test_it_is_of_the_user_whom_its_launcher_makes_it():
    variables = unknown_user.environment(LC_CTYPE="C.UTF-8")  # else it is set at a start (PEP 538)
    asked = Command(("-c", INVENTORY), str(ROOT), variables, tuple(as_unknown_user()))
    found, expected = inventories(asked)
    assert found == expected
    assert found["user"] == unknown_user.UID


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("1 / 0", 1),
        ("import os; os._exit(7)", 7),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import threading, time; threading.Thread(target=time.sleep, args=(0.1,)).start()", 0),
    ],
)
def test_its_end_is_told(program, status):
    process = started(command("-c", program))
    with process.stdout:
        assert ("ZeroDivisionError" in process.stdout.read()) is (program == "1 / 0")
    assert process.wait(60) == process.poll() == status
    assert isinstance(process, ForkedProcess)


def test_it_can_be_waited_for_in_vain_and_ended():
    process = started(command("-c", "import time; print('up'); time.sleep(600)"))
    assert process.stdout.readline() == "up\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGINT)
    with process.stdout:
        assert "KeyboardInterrupt" in process.stdout.read()
    assert process.wait(60) == -signal.SIGINT
    process.kill()  # it is gone: no other process is hit


def test_what_is_read_when_an_interpreter_starts_takes_one_of_its_own(monkeypatch):
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # of this process, too
    asked = command("-c", "import sys; print(int(sys.flags.dev_mode))", PYTHONDEVMODE="1")
    assert not asked.can_be_forked()
    process = started(asked)
    assert isinstance(process, subprocess.Popen)
    assert process.args[0] == sys.executable
    assert output_of(process) == 1
