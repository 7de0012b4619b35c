"""Listening at a path: of the servers that start there at once one gets it."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from servescope.errors import ListenerError
from servescope.sockets import unix

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """The file that a dead server left."""
    path = tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    return path


def test_of_two_that_start_at_a_stale_path_the_second_leaves_the_first_its_file(
    stale: Path, monkeypatch: pytest.MonkeyPatch
):
    looked, may_go_on = threading.Event(), threading.Event()
    outcomes: list[socket.socket | ListenerError] = []
    remove = unix._remove_stale

    def remove_late(path: Path) -> None:
        """As the first: between its look and the rest, the second begins."""
        remove(path)
        looked.set()
        may_go_on.wait(30)

    def bind() -> None:
        try:
            outcomes.append(unix.bind_unix(f"unix:{stale}", 8))
        except ListenerError as error:
            outcomes.append(error)

    monkeypatch.setattr(unix, "_remove_stale", remove_late)
    first = threading.Thread(target=bind)
    first.start()
    assert looked.wait(30)
    monkeypatch.setattr(unix, "_remove_stale", remove)
    second = threading.Thread(target=bind)
    second.start()
    second.join(0.2)
    assert second.is_alive(), "it waits for the first"
    may_go_on.set()
    for thread in (first, second):
        thread.join(30)
    listening, refused = outcomes
    assert isinstance(listening, socket.socket)
    assert "another server listens" in str(refused)
    with (
        closing(listening),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
    ):
        client.connect(str(stale))
        listening.accept()[0].close()


def test_a_folder_that_may_be_written_and_not_read_is_listened_in(tmp_path: Path):
    folder = tmp_path / "write-only"
    folder.mkdir(mode=0o333)
    with closing(unix.bind_unix(f"unix:{folder}/server.sock", 8)) as listening:
        assert listening.getsockname() == f"{folder}/server.sock"
    folder.chmod(0o700)
