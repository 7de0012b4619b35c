"""Ends of whole processes that something of the app's would hold up."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.process

APP = "import time\ndef sleep():\n    time.sleep(600)\n"
END = "\nfrom servescope.bounded_exit import exit_within\nexit_within(0.3, 5)\n"
HELD_UP = {
    "thread Thread-1": "import threading; threading.Thread(target=sleep).start()",
    "process ": "import multiprocessing as m; m.get_context('fork').Process(target=sleep).start()",
    "the app's exit handlers": "import atexit; atexit.register(sleep)",
}


def end_of(act):
    """Exit status and last words of a process that does this at its end."""
    with subprocess.Popen(
        [sys.executable, "-c", APP + act + END],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            status = process.wait(60)
        finally:
            with suppress(ProcessLookupError):  # and the child that it leaves behind
                os.killpg(process.pid, signal.SIGKILL)
        return status, process.stderr.read()


@pytest.mark.parametrize("told", HELD_UP)
def test_an_end_is_bounded_and_tells_what_it_left(told):
    status, words = end_of(HELD_UP[told])
    assert status == 5
    assert f"ended without waiting for {told}" in words


def test_an_end_that_nothing_holds_up_is_as_ever():
    assert end_of("") == (0, "")
