"""A folder in memory's way: conversations without sockets, a real folder on disk."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import socket
import threading
from email.parser import BytesParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servescope.errors import AppImportError
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.hosting.static import folder as folder_module
from servescope.hosting.static.folder import SMALL_FILE, StaticFolder
from servescope.records.listeners import ListenerOptions
from tests.descriptors import open_descriptors

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from servescope.hosting.open_file import OpenFile

SECRET = b"the secret outside"


class Answer:
    def __init__(self, raw: bytes, route: str) -> None:
        head, _, self.content = raw.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        self.status = int(line.split()[1])
        self.headers: Message = BytesParser().parsebytes(fields)
        self.route = route


class FolderClient:
    """Sends requests to a StaticFolder through a Conversation, and is its sink."""

    def __init__(self, folder: Path) -> None:
        self.site = Site("files", StaticFolder(str(folder)), ListenerOptions())
        self.ticks = itertools.count(1).__next__
        self.out = b""

    def now_ns(self) -> int:
        return self.ticks()

    def date(self, now_ns: int) -> tuple[bytes, int]:
        return b"Sun, 06 Nov 1994 08:49:37 GMT", now_ns + 1

    def send(self, data: bytes, *, last: bool) -> None:
        assert last, "static responses leave in one piece"
        self.out += data

    def send_file(self, head: bytes, file: OpenFile, offset: int, count: int) -> None:
        self.out += head + os.pread(file.fileno(), count, offset)

    def ask(self, target: str, method: str = "GET", **headers: str) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: x"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        conversation = Conversation(self.site, ("127.0.0.1", 1), 0)
        need = conversation.receive("\r\n".join([*lines, "", ""]).encode("latin-1"), 1, 0)
        assert need is Need.RUN
        exchange = conversation.exchange
        assert exchange is not None
        self.out = b""
        conversation.run(self)
        return Answer(self.out, exchange.route)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "withindex").mkdir()
    (root / "a.txt").write_bytes(b"0123456789")
    (root / "sub" / "page.html").write_text("<p>page")
    (root / "withindex" / "index.html").write_text("index")
    (root / "big.bin").write_bytes(bytes(range(256)) * (SMALL_FILE // 128))
    (root / "naïve & <b>.txt").write_text("odd")
    (root / "100%.txt").write_text("percent")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "root-twin").mkdir()
    (tmp_path / "root-twin" / "secret.txt").write_bytes(SECRET)
    (root / "link-out").symlink_to(tmp_path / "secret.txt")
    (root / "folder-out").symlink_to(tmp_path)
    (root / "twin-out").symlink_to(tmp_path / "root-twin")
    (root / "link-in").symlink_to(root / "a.txt")
    (root / "link-nowhere").symlink_to(root / "none")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture
def client(folder: Path) -> FolderClient:
    return FolderClient(folder)


TRAVERSAL = [
    "/../secret.txt",
    "/sub/../../secret.txt",
    "/sub/../a.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2e%2fsecret.txt",
    "/..%2fsecret.txt",
    "/sub/%2e%2e/%2e%2e/secret.txt",
    "/%252e%252e/secret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%00",
    "/a.txt%00",
    "/a.txt%00.html",
    "/sub%2fpage.html",
    "//../secret.txt",
    "/./../secret.txt",
    "/link-out",
    "/link-out/",
    "/folder-out/",
    "/folder-out/secret.txt",
    "/folder-out/root/a.txt/",
    "/twin-out/secret.txt",
    "/link-nowhere",
    "/pipe",
    "/a.txt/",
    "/a.txt/b",
    "/none",
    "/" + "x" * 300,
    "/~root/",
    "/etc/passwd",
    "//etc/passwd",
]


@pytest.mark.parametrize("target", TRAVERSAL)
def test_nothing_outside_is_served(client: FolderClient, target: str):
    answer = client.ask(target)
    assert answer.status == 404
    assert SECRET not in answer.content
    assert answer.route == "/{path}"


PIECES = "..|.|/|%2e|%2f|%5c|\\|sub|folder-out|secret.txt|root|%00|a.txt|link-out|root-twin"


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=8).map("".join))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None
)
def test_no_path_leads_outside(client: FolderClient, path: str):
    answer = client.ask("/" + path)
    assert answer.status in (200, 301, 404)
    assert SECRET not in answer.content
    assert "//" not in (answer.headers["Location"] or "")


def test_a_file(client: FolderClient):
    answer = client.ask("/a.txt?x=1")
    assert answer.status == 200
    assert answer.content == b"0123456789"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.route == "/a.txt"


def test_a_link_that_stays_inside(client: FolderClient):
    assert client.ask("/link-in").content == b"0123456789"


def test_names_beyond_ascii_and_with_percent(client: FolderClient):
    assert client.ask("/na%C3%AFve%20&%20%3Cb%3E.txt").content == b"odd"
    assert client.ask("/100%25.txt").content == b"percent"


def test_a_large_file_goes_by_descriptor_and_no_descriptor_is_left(client: FolderClient):
    before = open_descriptors()
    for _ in range(5):
        assert client.ask("/big.bin").content == bytes(range(256)) * (SMALL_FILE // 128)
    for target in TRAVERSAL:
        client.ask(target)
    assert open_descriptors() <= before


@pytest.mark.parametrize("target", ["/a.txt", "/big.bin", "/sub/", "/withindex/", "/none", "/sub"])
def test_head_answers_as_get_without_content(client: FolderClient, target: str):
    get, head = client.ask(target), client.ask(target, "HEAD")
    assert head.content == b""
    assert head.status == get.status
    assert head.headers.items() == get.headers.items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_told_what_is_allowed(client: FolderClient, method: str):
    answer = client.ask("/a.txt", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_index_html_stands_for_its_folder(client: FolderClient):
    answer = client.ask("/withindex/")
    assert answer.content == b"index"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.route == "/withindex/"


def test_a_listing_names_what_can_be_had(client: FolderClient):
    answer = client.ask("/")
    page = answer.content.decode()
    assert '<a href="./a.txt">a.txt</a></td><td class="n">10 B</td>' in page
    assert '<a href="./sub/">sub/</a>' in page
    assert 'href="./na%C3%AFve%20%26%20%3Cb%3E.txt">naïve &amp; &lt;b&gt;.txt</a>' in page
    assert 'href="./100%25.txt"' in page
    assert "link-in" in page
    for hidden in ("link-out", "folder-out", "twin-out", "link-nowhere", "pipe", "../"):
        assert hidden not in page
    assert "../" in client.ask("/sub/").content.decode()
    assert answer.route == "/"


def test_every_link_of_a_listing_works(client: FolderClient):
    page = client.ask("/").content.decode()
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert len(links) >= 6
    for link in links:
        assert client.ask("/" + link.replace("&amp;", "&").removeprefix("./")).status == 200


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/sub", "/sub/"),
        ("/sub?x=1", "/sub/?x=1"),
        ("//sub", "/sub/"),
        ("/./sub/deep", "/sub/deep/"),
    ],
)
def test_a_folder_without_slash_redirects_on_this_host(
    client: FolderClient, target: str, location: str
):
    answer = client.ask(target)
    assert answer.status == 301
    assert answer.headers["Location"] == location


def test_unchanged_files_are_not_sent_again(client: FolderClient, folder: Path):
    first = client.ask("/a.txt")
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for condition in (
        {"If_None_Match": etag},
        {"If_None_Match": f'"x", W/{etag}'},
        {"If_None_Match": "*"},
        {"If_Modified_Since": modified},
    ):
        answer = client.ask("/a.txt", **condition)
        assert answer.status == 304, condition
        assert answer.content == b""
        assert answer.headers["ETag"] == etag
    # RFC 9110 section 13.2.2: the tag decides, whatever the date says.
    assert client.ask("/a.txt", If_None_Match='"x"', If_Modified_Since=modified).status == 200
    os.utime(folder / "a.txt", ns=(0, 2_000_000_000 * 10**9))
    assert client.ask("/a.txt", If_None_Match=etag).status == 200
    assert client.ask("/a.txt", If_Modified_Since=modified).status == 200
    assert client.ask("/a.txt", If_Match=etag).status == 412
    assert client.ask("/a.txt", If_Unmodified_Since=modified).status == 412
    assert client.ask("/a.txt", If_Modified_Since="garbage").status == 200


@pytest.mark.parametrize(
    ("wanted", "span", "content"),
    [
        ("bytes=0-", "bytes 0-9/10", b"0123456789"),
        ("bytes=0-0", "bytes 0-0/10", b"0"),
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=9-", "bytes 9-9/10", b"9"),
        ("bytes=5-999", "bytes 5-9/10", b"56789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", b"0123456789"),
    ],
)
def test_a_range(client: FolderClient, wanted: str, span: str, content: bytes):
    answer = client.ask("/a.txt", Range=wanted)
    assert answer.status == 206
    assert answer.headers["Content-Range"] == span
    assert answer.content == content
    assert answer.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_outside(client: FolderClient, wanted: str):
    answer = client.ask("/a.txt", Range=wanted)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=-", "rows=1-2", "bytes=x"])
def test_a_range_that_is_ignored(client: FolderClient, wanted: str):
    assert client.ask("/a.txt", Range=wanted).status == 200


def test_if_range_asks_for_the_same_file(client: FolderClient, folder: Path):
    os.utime(folder / "a.txt", (784111776, 784111776))  # a second before `FolderClient.date`
    first = client.ask("/a.txt")
    part = {"Range": "bytes=0-1"}
    assert client.ask("/a.txt", If_Range=first.headers["ETag"], **part).status == 206
    assert client.ask("/a.txt", If_Range=first.headers["Last-Modified"], **part).status == 206
    assert client.ask("/a.txt", If_Range='"other"', **part).status == 200
    assert client.ask("/a.txt", If_Range="Sun, 06 Nov 1994 08:49:37 GMT", **part).status == 200
    assert client.ask("/a.txt", "HEAD", **part).status == 200, "only GET knows ranges"


def test_a_range_of_a_large_file(client: FolderClient):
    answer = client.ask("/big.bin", Range="bytes=256-100255")
    assert answer.status == 206
    assert answer.content == (bytes(range(256)) * 400)[:100_000]


def test_an_error_is_html_for_a_browser(client: FolderClient):
    answer = client.ask("/none", Accept="text/html,*/*")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>404 Not Found</h1>" in answer.content
    assert client.ask("/none").headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_folder_that_is_none_cannot_be_mounted(folder: Path):
    for missing in (folder / "none", folder / "a.txt"):
        with pytest.raises(AppImportError, match="no folder"):
            StaticFolder(str(missing))


def test_a_named_pipe_is_not_opened_so_its_writer_waits_on(client: FolderClient, folder: Path):
    opened = threading.Event()

    def write() -> None:
        with (folder / "pipe").open("wb"):
            opened.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert client.ask("/pipe").status == 404
        assert not opened.is_set()
    finally:
        descriptor = os.open(folder / "pipe", os.O_RDONLY)
        writer.join(20)
        os.close(descriptor)


def test_a_socket_is_no_file(client: FolderClient, folder: Path, monkeypatch):
    monkeypatch.chdir(folder)  # a path of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert client.ask("/socket").status == 404


@pytest.mark.parametrize(
    ("target", "name", "content"),
    [
        ("/a.txt", "a.txt", b"no such file here"),
        ("/style.css", "style.css.gz", b"plain"),
        ("/withindex/", "withindex/index.html", b"Index of /withindex/"),
    ],
)
def test_a_pipe_that_takes_a_files_place_holds_nobody(
    client: FolderClient, folder: Path, monkeypatch, target: str, name: str, content: bytes
):
    (folder / "style.css").write_bytes(b"plain")
    (folder / "style.css.gz").write_bytes(b"coded")
    opening = os.open

    def swap(path, flags, *rest):
        if str(path).endswith(name):
            (folder / name).unlink()
            os.mkfifo(folder / name)
        return opening(path, flags, *rest)

    monkeypatch.setattr(os, "open", swap)
    assert content in client.ask(target, Accept_Encoding="gzip").content


def shrink(path: Path, times: int, monkeypatch) -> None:
    """Let the file become shorter `times` times, each time between its size and its content."""
    select = folder_module.select
    left = [times]

    def shrinking(*arguments, **named):
        if left[0]:
            left[0] -= 1
            os.truncate(path, path.stat().st_size - 1)
        return select(*arguments, **named)

    monkeypatch.setattr(folder_module, "select", shrinking)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=4-"}, {"Range": "bytes=-70,0-1"}])
def test_a_file_that_shrinks_before_it_is_read_is_read_anew(
    client: FolderClient, folder: Path, monkeypatch, headers: dict[str, str]
):
    (folder / "small.txt").write_bytes(b"x" * 1_000)
    shrink(folder / "small.txt", 2, monkeypatch)
    answer = client.ask("/small.txt", **headers)
    assert answer.status == (206 if headers else 200)
    assert len(answer.content) == int(answer.headers["Content-Length"])
    if "Content-Range" in answer.headers:
        assert answer.headers["Content-Range"] == "bytes 4-997/998"
    monkeypatch.undo()
    assert client.ask("/small.txt", If_None_Match=answer.headers["ETag"]).status == 304


def test_a_file_that_shrinks_again_and_again_is_asked_for_later(
    client: FolderClient, folder: Path, monkeypatch, caplog
):
    shrink(folder / "a.txt", 9, monkeypatch)
    answer = client.ask("/a.txt")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert [one.getMessage() for one in caplog.records] == [
        "listener files: /a.txt became shorter whenever it was read"
    ]


def test_a_folder_that_is_removed_while_it_is_listed_is_not_there(
    client: FolderClient, folder: Path, monkeypatch
):
    read_entries = folder_module.read_entries

    def removed(*arguments):
        shutil.rmtree(folder / "sub")
        return read_entries(*arguments)

    monkeypatch.setattr(folder_module, "read_entries", removed)
    answer = client.ask("/sub/")
    assert answer.status in {200, 404}
    assert b"page.html" not in answer.content
    assert client.ask("/a.txt").status == 200


def test_a_folder_that_a_link_replaces_is_not_left(client: FolderClient, folder: Path, monkeypatch):
    read_entries = folder_module.read_entries

    def replaced(*arguments):
        (folder / "sub").rename(folder / "sub-before")
        (folder / "sub").symlink_to(folder.parent)
        return read_entries(*arguments)

    monkeypatch.setattr(folder_module, "read_entries", replaced)
    answer = client.ask("/sub/")
    assert b"page.html" in answer.content
    assert b"secret.txt" not in answer.content


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_lack_of_descriptors_is_not_told_as_a_lack_of_the_file(
    client: FolderClient, monkeypatch, number: int
):
    def scarce(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", scarce)
    assert client.ask("/a.txt").status == 503
