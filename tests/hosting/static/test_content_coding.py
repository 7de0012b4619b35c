"""Precompressed neighbours: which one a client gets, and that it is a representation of its own."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.hosting.static.content_coding import IDENTITY, preferred
from servescope.hosting.static.file_cache import SETTLED_NS
from servescope.records.listeners import AppKind
from tests.descriptors import open_descriptors
from tests.hosting.static.test_folder import SECRET, Answer, FolderClient
from tests.serving.conftest import Bench

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("br", "zstd", "gzip")
PLAIN = b"body { color: black }\n" * 5_000


@pytest.mark.parametrize(
    ("field", "tried"),
    [
        ("gzip", ["gzip"]),
        ("GZip", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("gzip, deflate, br, zstd", ["br", "zstd", "gzip"]),  # equal: in our order
        ("gzip;q=1.0, br;q=0.5", ["gzip", "br"]),
        ("br;q=0, gzip", ["gzip"]),
        ("br ; q=0.001", ["br"]),
        ("*", ["br", "zstd", "gzip"]),
        ("*;q=0.2, gzip;q=0.1", ["br", "zstd", "gzip"]),
        ("*, br;q=0", ["zstd", "gzip"]),
        ("identity", []),
        ("identity;q=0.5, gzip;q=0.4", []),
        ("identity;q=0.5, gzip;q=0.5", ["gzip"]),
        ("gzip;q=0", []),
        ("*;q=0", []),
        ("identity;q=0", []),  # nothing acceptable: the file itself (section 12.5.3)
        ("", []),
        ("deflate", []),
        ("gzip;q=2", []),  # no Accept-Encoding by the grammar
        ("gzip;q=0.1234", []),
        ("gzip;level=9", []),
        ("gz ip", []),
        (",,gzip,,", ["gzip"]),
        (",".join(["gzip"] * 1_000), []),
    ],
)
def test_what_is_tried(field: str, tried: list[str]):
    assert preferred([field], ALL) == [*tried, IDENTITY]


def test_the_field_may_be_split_and_may_be_missing():
    assert preferred(["gzip;q=0.5", "br"], ALL) == ["br", "gzip", IDENTITY]
    assert preferred([], ALL) == [IDENTITY]
    assert preferred(["br, gzip"], ("gzip",)) == ["gzip", IDENTITY]


@given(st.lists(st.text(max_size=60)))
def test_any_field_ends_with_the_file_itself(fields: list[str]):
    assert preferred(fields, ALL)[-1] == IDENTITY


# Through the folder.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "style.css").write_bytes(PLAIN)
    (root / "style.css.gz").write_bytes(gzip.compress(PLAIN))
    (root / "style.css.br").write_bytes(b"as if it were brotli")
    (root / "plain.css").write_bytes(b"plain")
    (root / "index.html").write_bytes(b"<p>index")
    (root / "index.html.gz").write_bytes(gzip.compress(b"<p>index"))
    return root


@pytest.fixture
def client(folder: Path) -> FolderClient:
    return FolderClient(folder)


def test_a_neighbour_is_a_representation_of_the_file(client: FolderClient, folder: Path):
    before = open_descriptors()
    answer = client.ask("/style.css", Accept_Encoding="gzip")
    assert gzip.decompress(answer.content) == PLAIN
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == (folder / "style.css.gz").stat().st_size
    assert answer.route == "/style.css"
    other = client.ask("/style.css", Accept_Encoding="br, gzip")
    assert other.content == b"as if it were brotli"
    plain = client.ask("/style.css")
    assert plain.content == PLAIN
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding", "a cache must know, whoever asked first"
    tags = {answer.headers["ETag"] for answer in (answer, other, plain)}
    assert len(tags) == 3
    assert open_descriptors() <= before


def test_a_file_without_neighbours_does_not_vary(client: FolderClient):
    answer = client.ask("/plain.css", Accept_Encoding="gzip, br")
    assert answer.content == b"plain"
    assert "Vary" not in answer.headers
    assert "Content-Encoding" not in answer.headers


def test_the_index_of_a_folder_has_neighbours_too(client: FolderClient):
    answer = client.ask("/", Accept_Encoding="gzip")
    assert gzip.decompress(answer.content) == b"<p>index"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_coded_file_by_its_own_name_is_what_it_is(client: FolderClient):
    answer = client.ask("/style.css.gz", Accept_Encoding="gzip")
    assert answer.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in answer.headers


def test_conditions_and_ranges_are_those_of_the_representation(client: FolderClient, folder: Path):
    coded = (folder / "style.css.gz").read_bytes()
    first = client.ask("/style.css", Accept_Encoding="gzip")
    etag = first.headers["ETag"]
    known = client.ask("/style.css", Accept_Encoding="gzip", If_None_Match=etag)
    assert (known.status, known.content) == (304, b"")
    assert known.headers["Vary"] == "Accept-Encoding"
    assert known.headers["ETag"] == etag
    assert client.ask("/style.css", If_None_Match=etag).status == 200, "the other representation"
    part = client.ask("/style.css", Accept_Encoding="gzip", Range="bytes=2-9", If_Range=etag)
    assert part.status == 206
    assert part.content == coded[2:10]
    assert part.headers["Content-Range"] == f"bytes 2-9/{len(coded)}"
    assert part.headers["Content-Encoding"] == "gzip"
    assert part.headers["Vary"] == "Accept-Encoding"
    plain = client.ask("/style.css", Range="bytes=2-9", If_Range=etag)
    assert (plain.status, plain.content) == (200, PLAIN)
    outside = client.ask("/style.css", Accept_Encoding="gzip", Range=f"bytes={len(coded)}-")
    assert outside.headers["Content-Range"] == f"bytes */{len(coded)}"


@pytest.mark.parametrize("accepts", ["gzip", "identity"])
def test_head_answers_as_get(client: FolderClient, accepts: str):
    get = client.ask("/style.css", Accept_Encoding=accepts)
    head = client.ask("/style.css", "HEAD", Accept_Encoding=accepts)
    assert head.headers.items() == get.headers.items()


def test_a_stale_neighbour_is_passed_over(client: FolderClient, folder: Path):
    later = (folder / "style.css.gz").stat().st_mtime_ns + 10**9
    (folder / "style.css").write_bytes(b"edited")
    os.utime(folder / "style.css", ns=(later, later))
    answer = client.ask("/style.css", Accept_Encoding="gzip, br")
    assert answer.content == b"edited"
    assert "Content-Encoding" not in answer.headers


def test_no_neighbour_leads_outside(client: FolderClient, folder: Path, tmp_path: Path):
    before = open_descriptors()
    (tmp_path / "secret").write_bytes(SECRET)
    (folder / "style.css.br").unlink()
    (folder / "style.css.br").symlink_to(tmp_path / "secret")
    (folder / "plain.css.br").mkdir()
    os.mkfifo(folder / "plain.css.gz")
    answer = client.ask("/style.css", Accept_Encoding="br, gzip;q=0.5")
    assert answer.headers["Content-Encoding"] == "gzip", "the next best one"
    assert client.ask("/style.css", Accept_Encoding="br").content == PLAIN
    assert client.ask("/plain.css", Accept_Encoding="br, gzip").content == b"plain"
    assert open_descriptors() <= before


def test_a_file_in_memory_gives_way_to_a_new_neighbour(folder: Path):
    """A file with neighbours is never remembered; one that gets some is forgotten in a second."""
    client = FolderClient(folder)
    moment = 1
    client.now_ns = lambda: moment
    for _ in range(3):
        assert client.ask("/plain.css", Accept_Encoding="gzip").content == b"plain"
        moment += SETTLED_NS + 1
    (folder / "plain.css.gz").write_bytes(gzip.compress(b"plain"))
    moment += 10**9
    answer = client.ask("/plain.css", Accept_Encoding="gzip")
    assert gzip.decompress(answer.content) == b"plain"
    assert client.ask("/plain.css").content == b"plain"
    assert client.ask("/plain.css").headers["Vary"] == "Accept-Encoding"


def test_curl_gets_it_over_a_socket(folder: Path, tmp_path: Path):
    bench = Bench(tmp_path / "rings")
    try:
        host, port = bench.start(str(folder), AppKind.STATIC).address
        curl = shutil.which("curl")
        assert curl, "curl is one of the clients this server is held to"
        url = f"http://{host}:{port}/style.css"
        command = [curl, "-sS", "--max-time", "10", "-H", "Accept-Encoding: gzip", "-i", url]
        raw = subprocess.run(command, capture_output=True, check=True).stdout
        assert gzip.decompress(Answer(raw, "").content) == PLAIN
        command = [curl, "-sS", "--max-time", "10", "--compressed", "-H", "Accept-Encoding: gzip"]
        undone = subprocess.run([*command, url], capture_output=True, check=True).stdout
        assert undone == PLAIN
    finally:
        for listener in bench.listeners:
            listener.stop(0.1)
        bench.reader.close()
        bench.recorder.close()
