"""Files in memory: the same answers, and every change seen at the next request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from servescope.hosting.static import file_cache
from servescope.hosting.static.file_cache import (
    MOST_BYTES,
    MOST_FILES,
    SETTLED_NS,
    TRUSTED_NS,
    FileCache,
)
from tests.hosting.static.test_folder import Answer, FolderClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Clocked(FolderClient):
    """A client whose clock stands still until it is set; `opened` counts the files opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.moment = 1
        self.opened = 0
        application = self.site.application
        really_open = application._open

        def counted(path: str) -> int | None:
            self.opened += 1
            return really_open(path)

        application._open = counted

    def now_ns(self) -> int:
        return self.moment

    def warm(self, target: str) -> Answer:
        """Ask until the file is in memory."""
        self.ask(target)
        self.moment += SETTLED_NS + 1
        answer = self.ask(target)
        self.opened = 0
        return answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"first")
    (root / "sub" / "index.html").write_text("index")
    return root


@pytest.fixture
def client(folder: Path) -> Clocked:
    return Clocked(folder)


@pytest.mark.parametrize("target", ["/a.txt", "/sub/", "/a.txt?v=1", "//./a.txt"])
def test_a_known_file_is_answered_alike_without_being_opened(client: Clocked, target: str):
    first = client.warm(target)
    again = client.ask(target)
    assert client.opened == 0
    assert (again.status, again.content, again.route) == (200, first.content, first.route)
    assert sorted(again.headers.items()) == sorted(first.headers.items())


def test_a_version_seen_for_the_first_time_is_not_kept_yet(client: Clocked):
    for _ in range(3):
        client.moment += SETTLED_NS // 4
        client.ask("/a.txt")
    assert client.opened == 3


def rewrite(root: Path) -> None:
    (root / "a.txt").write_bytes(b"other")  # the same size


def rewrite_with_the_old_time(root: Path) -> None:
    before = (root / "a.txt").stat()
    rewrite(root)
    os.utime(root / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(root: Path) -> None:
    (root / "new").write_bytes(b"other")
    (root / "new").rename(root / "a.txt")


def link_elsewhere(root: Path) -> None:
    (root / "b.txt").write_bytes(b"other")
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("b.txt")


@pytest.mark.parametrize("change", [rewrite, rewrite_with_the_old_time, replace, link_elsewhere])
def test_a_change_shows_at_the_next_request(
    client: Clocked, folder: Path, change: Callable[[Path], None]
):
    etag = client.warm("/a.txt").headers["ETag"]
    change(folder)
    answer = client.ask("/a.txt")
    assert answer.content == b"other"
    if change is not rewrite_with_the_old_time:
        assert answer.headers["ETag"] != etag


def test_a_removed_file_is_gone_at_once(client: Clocked, folder: Path):
    client.warm("/a.txt")
    (folder / "a.txt").unlink()
    assert client.ask("/a.txt").status == 404


def test_a_file_swapped_for_a_link_to_the_outside_is_gone_at_once(client: Clocked, folder: Path):
    client.warm("/a.txt")
    (folder / "a.txt").rename(folder.parent / "outside.txt")
    (folder / "a.txt").symlink_to(folder.parent / "outside.txt")
    assert client.ask("/a.txt").status == 404


def test_a_folder_moved_outside_is_noticed_within_the_bound(client: Clocked, folder: Path):
    client.warm("/sub/index.html")
    (folder / "sub").rename(folder.parent / "moved")
    (folder / "sub").symlink_to(folder.parent / "moved")
    client.moment += TRUSTED_NS + 1
    assert client.ask("/sub/index.html").status == 404


def test_a_file_is_opened_anew_after_the_bound_and_kept_again(client: Clocked):
    client.warm("/a.txt")
    client.moment += TRUSTED_NS + 1
    client.ask("/a.txt")
    assert client.opened == 1
    client.ask("/a.txt")
    assert client.opened == 1


def test_conditions_and_other_methods_are_answered_as_before(client: Clocked):
    known = client.warm("/a.txt")
    unchanged = client.ask("/a.txt", If_None_Match=known.headers["ETag"])
    assert (unchanged.status, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == known.headers["ETag"]
    assert client.opened == 0
    assert client.ask("/a.txt", Range="bytes=1-2").content == b"ir"
    assert client.ask("/a.txt", If_Match='"x"').status == 412
    head = client.ask("/a.txt", "HEAD")
    assert (head.content, head.headers["Content-Length"]) == (b"", "5")
    assert client.ask("/a.txt", "DELETE").status == 405


def test_the_memory_is_bounded(client: Clocked, folder: Path):
    cache: FileCache = client.site.application._cache
    for number in range(MOST_FILES + 50):
        client.ask(f"/a.txt?{number}")
    assert len(cache._files) <= MOST_FILES
    (folder / "large.bin").write_bytes(bytes(file_cache.MOST_BYTES // 300))
    for number in range(400):
        client.ask(f"/large.bin?{number}")
        client.moment += SETTLED_NS + 1
        client.ask(f"/large.bin?{number}")
    held = sum(len(file.content or b"") for file in cache._files.values())
    assert 0 < held <= MOST_BYTES
