import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from servescope.errors import DataFolderError
from servescope.runtime.election import LeaderLock

HOLDER = textwrap.dedent(
    """
    import sys, pathlib
    from servescope.runtime.election import LeaderLock
    lock = LeaderLock(pathlib.Path(sys.argv[1]))
    print(lock.try_take(), flush=True)
    sys.stdin.read()
    """
)


def test_one_holds_the_lock_and_the_others_see_who(tmp_path):
    first, second = LeaderLock(tmp_path), LeaderLock(tmp_path)
    assert first.try_take()
    assert first.try_take(), "taking what one holds changes nothing"
    assert not second.try_take()
    assert second.holder() == os.getpid()
    first.release()
    assert second.holder() is None
    assert second.try_take()
    assert second.ended_holder is None, "it was given back"
    second.release()


def test_a_lock_whose_file_has_no_room_is_given_back(tmp_path, monkeypatch):
    lock, other = LeaderLock(tmp_path), LeaderLock(tmp_path)

    def full(*_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(DataFolderError, match="No space left on device"):
            lock.try_take()
    assert not lock.held
    assert other.try_take(), "nobody else holds it"
    other.release()
    assert lock.try_take()
    lock.release()


def test_a_killed_holder_gives_the_lock_back(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lock = LeaderLock(tmp_path)
    try:
        assert holder.stdout.readline().strip() == "True"
        assert not lock.try_take()
        assert lock.holder() == holder.pid
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert lock.try_take()
    assert lock.ended_holder == holder.pid
    lock.release()
    assert lock.try_take()
    assert lock.ended_holder is None
    lock.release()


def test_a_child_process_does_not_inherit_the_lock(tmp_path):
    lock = LeaderLock(tmp_path)
    assert lock.try_take()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    try:
        assert child.stdout.readline() == b"1\n"
        lock.release()
        assert lock.try_take()
        lock.release()
    finally:
        child.communicate()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataFolderError, match=r"leader\.lock"):
        LeaderLock(tmp_path / "missing").try_take()
