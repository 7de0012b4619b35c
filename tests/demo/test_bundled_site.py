"""The bundled site: links resolve, every file parses, generated files are what the script makes."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

import pytest

from servescope.demo.search import SITE
from servescope.records.requests import Stage

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(path for path in SITE.rglob("*") if path.is_file())
MAX_SITE = 600_000  # bytes: the repository stays small


def name_of(path: Path) -> str:
    return path.relative_to(SITE).as_posix()


def of_type(*suffixes: str) -> list:
    return [pytest.param(path, id=name_of(path)) for path in FILES if path.suffix in suffixes]


class References(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images_without_text = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.found += [values[name] for name in ("href", "src") if name in values]
        self.images_without_text += tag == "img" and not values.get("alt")


def references(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    match path.suffix:
        case ".html":
            return References(text).found
        case ".css":
            return re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
        case _:
            return re.findall(r"""new URL\("([^"]+)\"""", text)


def test_is_small_and_shows_its_listing():
    assert sum(path.stat().st_size for path in FILES) < MAX_SITE
    assert not (SITE / "index.html").exists()
    assert {path.suffix for path in FILES} >= {
        *(".html", ".css", ".js", ".json", ".svg", ".pdf", ".gif", ".txt", ".webm"),
    }


@pytest.mark.parametrize("path", of_type(".html", ".css", ".js"))
def test_references_stay_in_the_site_and_resolve(path):
    found = references(path)
    assert found or path.suffix == ".css"
    for reference in found:
        target = urlsplit(urljoin(f"http://site/{name_of(path)}", reference))
        assert target.netloc == "site", reference
        assert (SITE / target.path.lstrip("/")).exists(), reference
    # urljoin forgives ".." above the root: a browser under a prefix would not.
    assert all(reference.count("../") <= 1 for reference in found)


@pytest.mark.parametrize("path", of_type(".html", ".css", ".js", ".svg"))
def test_nothing_comes_from_another_host(path):
    hosts = set(re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]+)", path.read_text("utf-8")))
    assert hosts <= {"www.w3.org"}  # the namespace of SVG, a name and no request


@pytest.mark.parametrize("path", of_type(".html"))
def test_images_have_a_text(path):
    assert References(path.read_text("utf-8")).images_without_text == 0


@pytest.mark.parametrize("path", of_type(".json"))
def test_json_parses(path):
    assert json.loads(path.read_text("utf-8"))


def test_stages_are_those_of_the_records():
    stages = json.loads((SITE / "data/stages.json").read_text("utf-8"))
    assert [stage["key"] for stage in stages] == [stage.name.lower() for stage in Stage]


def test_status_codes_are_registered_ones():
    codes = [row["code"] for row in json.loads((SITE / "data/status-codes.json").read_text())]
    assert codes == sorted(set(codes))
    assert {HTTPStatus(code).value for code in codes} == set(codes)


@pytest.mark.parametrize("path", of_type(".svg"))
def test_svg_is_well_formed_and_named(path):
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    title = root.find(f"{space}title")
    assert title is not None
    assert title.text
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    assert (width, height) == (float(root.attrib["width"]), float(root.attrib["height"]))
    assert "prefers-color-scheme: dark" in path.read_text("utf-8")


@pytest.mark.parametrize("path", of_type(".txt"))
def test_text_is_ascii_with_short_lines(path):
    lines = path.read_bytes().decode("ascii").splitlines()
    assert max(map(len, lines)) <= 100


def test_pdf_offsets_and_lengths_are_right():
    data = (SITE / "documents/how-a-request-travels.pdf").read_bytes()
    assert data.startswith(b"%PDF-1.4\n")
    assert data.endswith(b"%%EOF\n")
    table = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    head, _, rest = data[table:].partition(b"\n")
    assert head == b"xref"
    count = int(rest.split(b"\n", 1)[0].split()[1])
    entries = rest.split(b"\n", 1)[1][: 20 * count]
    for number in range(1, count):
        offset = int(entries[20 * number : 20 * number + 10])
        assert data[offset:].startswith(b"%d 0 obj\n" % number)
    assert b"/Size %d " % count in data
    streams = re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", data, re.DOTALL)
    assert len(streams) == len(re.findall(rb"/Type /Page ", data)) == 2
    for length, stream in streams:
        assert len(stream) == int(length)


def decode_lzw(data: bytes, code_bits: int) -> bytes:
    """Decode as GIF89a, appendix F, tells: the other side of the script's encoder."""
    clear, end = 1 << code_bits, (1 << code_bits) + 1
    bits, position, width = int.from_bytes(data, "little"), 0, code_bits + 1
    table: list[bytes] = []
    out: list[bytes] = []
    before = b""
    # Shifting one long number is quadratic: take it apart in pieces of 4,096 bits.
    while True:
        piece = bits >> position & ((1 << width) - 1)
        position += width
        if position >= 4_096:
            bits >>= position
            position = 0
        if piece == end:
            assert bits >> position < 256
            return b"".join(out)
        if piece == clear:
            table = [bytes([value]) for value in range(clear)] + [b"", b""]
            width, before = code_bits + 1, b""
            continue
        entry = table[piece] if piece < len(table) else before + before[:1]
        assert piece <= len(table)
        out.append(entry)
        if before and len(table) < 4_096:
            table.append(before + entry[:1])
            if len(table) == 1 << width and width < 12:
                width += 1
        before = entry


def test_gif_decodes_frame_by_frame():
    data = (SITE / "images/queue.gif").read_bytes()
    assert data[:6] == b"GIF89a"
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in data
    position, frames, delays = 13 + 3 * (2 << (flags & 7)), 0, 0
    while data[position] != 0x3B:
        if data[position] == 0x21:
            if data[position + 1] == 0xF9:
                delays += struct.unpack_from("<H", data, position + 4)[0]
            position += 2
        else:
            assert data[position] == 0x2C
            left, top, wide, high = struct.unpack_from("<HHHH", data, position + 1)
            assert left + wide <= width
            assert top + high <= height
            code_bits, position, frames = data[position + 10], position + 11, frames + 1
        body = b""
        while size := data[position]:
            body += data[position + 1 : position + 1 + size]
            position += 1 + size
        position += 1
        if frames and data[position] in {0x21, 0x3B}:
            assert len(decode_lzw(body, code_bits)) == wide * high
    assert position == len(data) - 1
    assert frames == 110
    assert delays == frames * 5


def test_the_video_is_webm_of_a_size_that_a_repository_bears():
    data = (SITE / "video/queue.webm").read_bytes()
    assert data.startswith(b"\x1a\x45\xdf\xa3")  # EBML (RFC 8794 section 8.1)
    assert b"webm" in data[:64]
    assert len(data) < 300_000


def test_icon_holds_a_bitmap_of_its_stated_size():
    data = (SITE / "favicon.ico").read_bytes()
    assert struct.unpack_from("<HHH", data) == (0, 1, 1)
    width, height = data[6], data[7]
    size, offset = struct.unpack_from("<II", data, 14)
    assert offset + size == len(data)
    assert struct.unpack_from("<ii", data, offset + 4) == (width, 2 * height)


def test_generated_files_are_what_the_script_makes(tmp_path):
    script = REPOSITORY / "scripts" / "make_site"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True, timeout=60)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) == 5
    for path in made:
        name = path.relative_to(tmp_path)
        assert path.read_bytes() == (SITE / name).read_bytes(), name
