"""A file of whole lines, bounded, written by several processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from servescope.serving.access_log.rotating_file import RotatingFile

WRITER = """
import sys, pathlib
from servescope.serving.access_log.rotating_file import RotatingFile
file = RotatingFile(pathlib.Path(sys.argv[1]), 20_000, 40)
sys.stdin.readline()
for number in range(400):
    file.write(b"".join(b"%s %d %d\\n" % (sys.argv[2].encode(), number, i) for i in range(3)))
"""


def lines(folder):
    return [line for path in sorted(folder.glob("log*")) for line in path.read_bytes().splitlines()]


def test_a_full_file_makes_room(tmp_path):
    file = RotatingFile(tmp_path / "log", 30, 3)
    for number in range(10):
        file.write(b"line number %d\n" % number)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert [line[-1:] for line in lines(tmp_path)] == [b"8", b"9", b"6", b"7", b"4", b"5"]
    assert all(path.stat().st_size <= 30 for path in tmp_path.iterdir())


def test_one_file_is_kept_when_one_is_asked_for(tmp_path):
    file = RotatingFile(tmp_path / "log", 30, 1)
    for number in range(5):
        file.write(b"line number %d\n" % number)
    file.close()
    assert lines(tmp_path) == [b"line number 4"]


def test_a_line_longer_than_the_bound_is_written_whole(tmp_path):
    file = RotatingFile(tmp_path / "log", 10, 2)
    file.write(b"x" * 50 + b"\n")
    file.close()
    assert lines(tmp_path) == [b"x" * 50]


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_others_took_away_is_made_anew(tmp_path, how):
    file = RotatingFile(tmp_path / "log", 1000, 2)
    file.write(b"one\n")
    if how == "moved":
        (tmp_path / "log").rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "log").unlink()
    file.write(b"two\n")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"two\n"


def test_after_half_a_line_the_next_one_begins_a_line(tmp_path, monkeypatch):
    file = RotatingFile(tmp_path / "log", 1000, 2)
    file.write(b"one\n")
    really = os.write

    def full(descriptor, data):
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return really(descriptor, data[:5])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.write(b"two two\n")
    monkeypatch.undo()
    file.write(b"three\n")
    file.close()
    assert lines(tmp_path) == [b"one", b"two t", b"three"]


def test_several_processes_lose_and_tear_no_line(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "log"), str(name)],
            stdin=subprocess.PIPE,
        )
        for name in range(3)
    ]
    for writer in writers:
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    wanted = {
        b"%d %d %d" % (name, number, i) for name in range(3) for number in range(400)
        for i in range(3)
    }  # fmt: skip
    found = lines(tmp_path)
    assert len(found) == len(wanted)
    assert set(found) == wanted
    assert len(list(tmp_path.iterdir())) > 1
