"""The resources of its parent that a forked child gives up: real forks."""

import os
import signal
import sys
import threading
import time
import traceback

import pytest

from servescope.forked_child import (
    disown_in_children,
    end_forked_child,
    in_children,
    no_fork,
    restore_signals_in_children,
)
from tests.waiting import wait_until


class Pipe:
    """Owns a descriptor."""

    def __init__(self):
        self.reading, self.writing = os.pipe()

    is_closed = False

    def disown(self):
        if not self.is_closed:
            os.close(self.writing)

    def close(self):
        self.is_closed = True
        os.close(self.reading)
        os.close(self.writing)


def in_child(act):
    """The exit status of a forked child that does this, negative for a signal."""
    pid = os.fork()
    if not pid:  # nothing of pytest may run here
        status = 99
        try:
            status = int(act() or 0)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_open(descriptor):
    return os.path.exists(f"/proc/self/fd/{descriptor}")  # noqa: PTH110 - of a number


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def handled():
    """SIGUSR1 has a handler of the server's."""

    def handle(_number, _frame):
        pass

    before = signal.signal(signal.SIGUSR1, handle)
    restore_signals_in_children([signal.SIGUSR1])
    yield handle
    signal.signal(signal.SIGUSR1, before)


def test_a_child_closes_its_copy_and_the_parent_keeps_its_own(pipe):
    disown_in_children(pipe)
    assert in_child(lambda: is_open(pipe.writing)) == 0
    assert is_open(pipe.writing)
    os.write(pipe.writing, b"x")
    assert os.read(pipe.reading, 1) == b"x"


def test_an_owner_that_is_gone_is_not_asked(pipe):
    owner = Pipe()
    in_children(owner, lambda _: os.close(pipe.writing))
    owner.close()
    del owner
    assert in_child(lambda: is_open(pipe.writing)) == 1


def test_a_fault_with_one_keeps_no_other_open(pipe):
    faulty = Pipe()
    in_children(faulty, lambda one: one.no_such_method())
    disown_in_children(pipe)
    assert in_child(lambda: is_open(pipe.writing)) == 0
    faulty.close()


def test_a_child_of_a_thread_is_as_free(pipe):
    disown_in_children(pipe)
    told = []
    thread = threading.Thread(target=lambda: told.append(in_child(lambda: is_open(pipe.writing))))
    thread.start()
    thread.join(10)
    assert told == [0]


def test_signals_of_the_server_have_their_default_in_a_child(handled):
    assert signal.getsignal(signal.SIGUSR1) is handled
    assert in_child(lambda: os.kill(os.getpid(), signal.SIGUSR1)) == -signal.SIGUSR1
    assert signal.getsignal(signal.SIGUSR1) is handled
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_signal_sent_before_the_child_is_ready_is_not_lost(handled):
    del handled
    pid = os.fork()
    if not pid:
        while True:
            time.sleep(60)
    os.kill(pid, signal.SIGUSR1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGUSR1


def test_a_handler_that_the_app_set_since_is_inherited(handled):
    del handled
    signal.signal(signal.SIGUSR1, lambda _number, _frame: os._exit(7))
    assert in_child(lambda: os.kill(os.getpid(), signal.SIGUSR1) or time.sleep(10)) == 7


def test_no_fork_waits_for_what_is_about_to_be_registered(pipe):
    told = []
    thread = threading.Thread(target=lambda: told.append(in_child(lambda: is_open(pipe.writing))))
    with no_fork():
        thread.start()
        wait_until(lambda: "fork" in stack_of(thread), "the thread's fork")
        disown_in_children(pipe)
    thread.join(10)
    assert told == [0]


def stack_of(thread):
    frame = sys._current_frames().get(thread.ident)
    return "".join(traceback.format_stack(frame)) if frame else ""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (SystemExit(), 0),
        (SystemExit(3), 3),
        (SystemExit(256 + 4), 4),
        (SystemExit("in words"), 1),
        (ValueError("on purpose"), 1),
    ],
    ids=repr,
)
def test_a_child_that_comes_back_ends_as_a_program_does(error, status):
    assert in_child(lambda: end_forked_child(error)) == status
