"""Several ranges of a file in one answer, and fields that ask for more than that is worth."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.hosting.static.byte_ranges import (
    MOST_RANGES,
    PART_OVERHEAD,
    ByteRange,
    MultipartRanges,
    read_ranges,
)
from servescope.hosting.static.folder import SMALL_FILE
from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.hosting.static.test_folder import Answer, FolderClient
from tests.serving.conftest import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 10_000
CONTENT = bytes(index * 7 % 251 for index in range(SIZE))
LARGE = os.urandom(1_000_000)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("bytes=0-9, 5000-5009", [(0, 10), (5000, 10)]),
        ("BYTES=5000-5009,0-9", [(5000, 10), (0, 10)]),  # in the client's order
        ("bytes=0-9 \t,\t -10", [(0, 10), (9990, 10)]),
        ("bytes=,0-9,,9000-", [(0, 10), (9000, 1000)]),  # section 5.6.1.2: empty elements
        ("bytes=0-9,20000-", [(0, 10)]),  # what lies outside is left out
        ("bytes=0-9,0-9", [(0, 10)]),
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=50-149,0-99,5000-5000", [(0, 150), (5000, 1)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        (f"bytes=0-9,{10 + PART_OVERHEAD}-999", [(0, 1000)]),  # a gap shorter than a part's head
        (f"bytes=0-9,{11 + PART_OVERHEAD}-999", [(0, 10), (267, 733)]),
        ("bytes=20000-,30000-30001", []),
        ("bytes=-0,20000-", []),
    ],
)  # fmt: skip
def test_what_a_field_asks_for(field: str, wanted: list[tuple[int, int]]):
    found = read_ranges(field, SIZE)
    assert found is not None
    assert [(each.offset, each.count) for each in found] == wanted


@pytest.mark.parametrize(
    "field",
    [
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5-2",
        "bytes=0-1,5-2",
        "bytes=0-1;5-9",
        "bytes=0-1 5-9",
        "bytes=0-1,x",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=1.0-2",
        "bytes=\u0661-2",
        "bytes=" + "9" * 40 + "-",
        "rows=0-1",
        "bytes =0-1",
        "bytes=" + "," * 10_000 + "0-1",
        "bytes=" + ",".join(f"{start}-{start}" for start in range(0, SIZE, 100)),
        "bytes=" + "0-," * MOST_RANGES + "0-",
        "bytes=0-4999,5500-9999",  # with its heads no shorter than the whole
    ],
)
def test_a_field_that_gets_the_whole(field: str):
    assert read_ranges(field, SIZE) is None


@given(
    st.integers(1, 200_000),
    st.lists(st.tuples(st.integers(0, 250_000), st.integers(0, 250_000)), min_size=1, max_size=80),
)
def test_no_field_gets_more_than_the_file(size: int, pairs: list[tuple[int, int]]):
    """Each byte asked for is in exactly one range, and the body is no longer than the file."""
    spans = [(min(pair), max(pair)) for pair in pairs]
    found = read_ranges("bytes=" + ",".join(f"{first}-{last}" for first, last in spans), size)
    if found is None:
        return
    assert len(found) <= MOST_RANGES
    assert sum(each.count for each in found) <= size
    ordered = sorted(found, key=lambda each: each.offset)
    assert all(
        after.offset - before.end > PART_OVERHEAD for before, after in itertools.pairwise(ordered)
    )
    for first, last in spans:
        if first < size:
            end = min(last, size - 1)
            assert any(each.offset <= first and end < each.end for each in found)
    if len(found) > 1:
        longest_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        assert MultipartRanges(found, size, longest_type, "b" * 32).length <= size


def test_the_body_is_as_long_as_it_says(tmp_path: Path):
    (tmp_path / "file").write_bytes(LARGE)
    ranges = (ByteRange(900_000, 99_999), ByteRange(3, 70_001))
    body = MultipartRanges(ranges, len(LARGE), "text/plain", "xyz")
    with (tmp_path / "file").open("rb") as file:
        blocks = list(body.blocks(file.fileno()))
    assert sum(map(len, blocks)) == body.length
    assert max(map(len, blocks)) <= SMALL_FILE
    (tmp_path / "file").write_bytes(LARGE[:950_000])
    with (tmp_path / "file").open("rb") as file:
        assert sum(map(len, body.blocks(file.fileno()))) < body.length


# Through the folder.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_bytes(CONTENT)
    (root / "large.bin").write_bytes(LARGE)
    return root


@pytest.fixture
def client(folder: Path) -> FolderClient:
    return FolderClient(folder)


def parts(answer: Answer) -> list[tuple[str, str, bytes]]:
    """Type, Content-Range and bytes of each part, as an independent parser reads them."""
    content_type = answer.headers["Content-Type"]
    assert content_type.startswith("multipart/byteranges; boundary=")
    raw = f"Content-Type: {content_type}\r\n\r\n".encode() + answer.content
    message = BytesParser(policy=HTTP).parsebytes(raw)
    assert message.is_multipart()
    assert not message.defects
    return [
        (part.get_content_type(), part["Content-Range"], part.get_payload(decode=True))
        for part in message.get_payload()
    ]


def test_several_ranges_come_as_parts(client: FolderClient):
    answer = client.ask("/a.txt", Range="bytes=9000-9004,0-3,-2")
    assert answer.status == 206
    assert "Content-Range" not in answer.headers  # RFC 9110 section 15.3.7.2: MUST NOT
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    text = "text/plain"
    assert parts(answer) == [
        (text, "bytes 9000-9004/10000", CONTENT[9000:9005]),
        (text, "bytes 0-3/10000", CONTENT[:4]),
        (text, "bytes 9998-9999/10000", CONTENT[-2:]),
    ]
    assert answer.headers["ETag"]
    assert answer.headers["Last-Modified"]


def test_one_range_is_never_a_multipart(client: FolderClient):
    for field in ("bytes=0-3", "bytes=0-3,2-9", "bytes=0-3,90000-"):
        answer = client.ask("/a.txt", Range=field)
        assert answer.status == 206
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Content-Range"].startswith("bytes 0-")


def test_if_range_guards_several_ranges_too(client: FolderClient, folder: Path):
    etag = client.ask("/a.txt").headers["ETag"]
    wanted = {"Range": "bytes=0-3,5000-5003"}
    assert client.ask("/a.txt", If_Range=etag, **wanted).status == 206
    assert client.ask("/a.txt", If_Range=f"W/{etag}", **wanted).status == 200  # 13.1.5: strong
    (folder / "a.txt").write_bytes(CONTENT[::-1] + b"!")
    changed = client.ask("/a.txt", If_Range=etag, **wanted)
    assert (changed.status, changed.content) == (200, CONTENT[::-1] + b"!")


def test_none_inside_is_416_and_head_knows_no_ranges(client: FolderClient):
    answer = client.ask("/a.txt", Range="bytes=10000-,20000-20001")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */10000"
    assert client.ask("/a.txt", "HEAD", Range="bytes=0-3,5000-5003").status == 200


def test_a_range_bomb_is_the_file_and_no_more(client: FolderClient):
    many = client.ask("/a.txt", Range="bytes=" + ",".join(["0-"] * 1_300))
    assert (many.status, many.content) == (200, CONTENT)
    some = client.ask("/a.txt", Range="bytes=" + ",".join(["0-"] * 30))
    assert (some.status, some.content) == (206, CONTENT)


# Over real sockets, by every model.


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "rings")
    yield bench
    for listener in bench.listeners:
        listener.stop(0.1)
    bench.reader.close()
    bench.recorder.close()


@pytest.mark.parametrize("model", [*ConcurrencyModel])
def test_curl_gets_ranges_small_and_large(
    bench: Bench, folder: Path, tmp_path: Path, model: ConcurrencyModel
):
    listener = bench.start(str(folder), AppKind.STATIC, model=model, workers=1)
    host, port = listener.address
    curl = shutil.which("curl")
    assert curl, "curl is one of the clients this server is held to"
    for span, size in (("0-3,5000-5003", 8), ("0-299999,600000-899999", 600_000)):
        head = tmp_path / "head"
        done = subprocess.run(
            [curl, "-sS", "--max-time", "10", "-D", str(head), "-r", span,
             f"http://{host}:{port}/large.bin"],
            capture_output=True,
            check=True,
        )  # fmt: skip
        answer = Answer(head.read_bytes() + done.stdout, "")
        assert answer.status == 206
        found = b"".join(content for _, _, content in parts(answer))
        wanted = [tuple(map(int, pair.split("-"))) for pair in span.split(",")]
        assert found == b"".join(LARGE[first : last + 1] for first, last in wanted)
        assert len(found) == size
