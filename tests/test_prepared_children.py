"""A child that is forked is what it would be after a start of its own."""

import json
import os
import signal
import socket
import subprocess
from contextlib import nullcontext

import pytest

from servescope.child_process import let_go, start_child
from tests.prepared_children import ForkedChild, forked_children
from tests.test_prepared_interpreter import INVENTORY

CHILD = f"""
import sys
sys.stdin.readline()
{INVENTORY.replace('"argv": sys.argv', '"argv": sys.argv[1:], "parent": os.getppid()')}
sys.stderr.write("told")
"""


def told_by(*, is_forked, leads_session, stderr):
    """The findings of the module `inventory` in its process."""
    one, other = socket.socketpair()
    with one, other, forked_children() if is_forked else nullcontext():
        child = start_child("inventory", stderr, (one.fileno(),), leads_session=leads_session)
    assert isinstance(child, ForkedChild) is is_forked
    told, _ = child.communicate(b"\n", 60)
    assert child.returncode == 0
    found = json.loads(told)
    numbers, source = len(found["descriptors"]), found["input"].partition(":")[0]
    return found | {"descriptors": numbers, "input": source}


@pytest.mark.parametrize("leads_session", [False, True])
def test_it_has_what_it_would_have_after_a_start(tmp_path, monkeypatch, leads_session):
    (tmp_path / "inventory.py").write_text(CHILD)
    monkeypatch.chdir(tmp_path)
    found = {}
    for is_forked in (False, True):
        with (tmp_path / "errors").open("w+b") as errors:
            found[is_forked] = told_by(
                is_forked=is_forked, leads_session=leads_session, stderr=errors
            )
        assert (tmp_path / "errors").read_text() == "told"
    assert found[True] == found[False]
    assert found[True]["parent"] == os.getpid()
    assert found[True]["leads its session"] is leads_session
    assert found[True]["descriptors"] == 4


def test_it_can_be_waited_for_and_killed(tmp_path, monkeypatch):
    (tmp_path / "waits.py").write_text("import sys; print('up', flush=True); sys.stdin.read()")
    monkeypatch.chdir(tmp_path)
    with forked_children():
        killed, left = start_child("waits"), start_child("waits")
    for child in (killed, left):
        assert child.stdout.readline() == b"up\n"
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(0.01)
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    let_go(left)
    assert left.wait(60) == 0
    for child in (killed, left):
        child.stdout.close()
        let_go(child)
