"""The files of captured requests: whole or not there, within bounds, and no trouble of others."""

from __future__ import annotations

import os
import time

import pytest

from servescope.capturing.files import CAPTURES, DRAFT_S, CaptureBounds, CaptureFolder
from servescope.errors import CaptureError

WIDE = CaptureBounds(100, 2**20, 3_600.0)
DOCUMENT = {"version": 1, "steps": [[1, "read", "größe"]]}


@pytest.fixture
def folder(tmp_path):
    return CaptureFolder(tmp_path)


def ids(folder):
    return [one.capture_id for one in folder.files()]


def age(folder, capture_id, seconds):
    (path,) = (one.path for one in folder.files() if one.capture_id == capture_id)
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_document_comes_back_as_it_went_in_and_only_we_may_read_it(folder):
    assert folder.read(5) is None
    assert folder.files() == []
    folder.write(3, 2**63 - 1, DOCUMENT)
    assert folder.read(2**63 - 1) == DOCUMENT
    [file] = folder.files()
    assert (file.order_id, file.capture_id) == (3, 2**63 - 1)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_write_replaces_the_first(folder):
    folder.write(3, 7, {"steps": []})
    folder.write(3, 7, DOCUMENT)
    assert (ids(folder), folder.read(7)) == ([7], DOCUMENT)


@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        (WIDE, [1, 2, 3, 4]),
        (WIDE._replace(most=2), [3, 4]),
        (WIDE._replace(age_s=250.0), [2, 3, 4]),
        (WIDE._replace(size_bytes=1), []),
    ],
    ids=["within", "too many", "too old", "too large"],
)
def test_what_is_beyond_the_bounds_goes_the_oldest_first(folder, bounds, left):
    for number in (1, 2, 3, 4):
        folder.write(1, number, DOCUMENT)
        age(folder, number, 400 - 100 * number)
    folder.prune(bounds)
    assert ids(folder) == left


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_costs_itself_only(folder, damage):
    folder.write(1, 1, DOCUMENT)
    folder.write(1, 2, DOCUMENT)
    path = next(one.path for one in folder.files() if one.capture_id == 1)
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[:-3],
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
            "empty": b"",
            "other": b"x" * 40,
        }[damage]
    )
    with pytest.raises(CaptureError, match="damaged"):
        folder.read(1)
    assert folder.read(2) == DOCUMENT


def test_the_draft_of_a_killed_process_goes_after_a_while(folder, tmp_path):
    folder.write(1, 1, DOCUMENT)
    drafts = [tmp_path / CAPTURES / f"{name}.new" for name in ("old", "young")]
    for draft in drafts:
        draft.write_bytes(b"half")
    then = time.time() - DRAFT_S - 1
    os.utime(drafts[0], (then, then))
    folder.prune(WIDE)
    assert [draft.exists() for draft in drafts] == [False, True]
    assert ids(folder) == [1]


def test_where_nothing_can_be_written_nothing_is_left_behind(folder, tmp_path):
    (tmp_path / CAPTURES).write_text("no folder")
    with pytest.raises(OSError, match="exists"):
        folder.write(1, 1, DOCUMENT)
    assert folder.files() == []
