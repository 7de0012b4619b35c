"""Static files: types, caching, ranges, compression; why a second visit is cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servescope.chapters.chapter import Bars, Chapter, Point, Reading, Setting, Snippet
from servescope.chapters.exchange_steps import exchange_steps
from servescope.chapters.guesses import NumberGuess
from servescope.demo.search import SITE
from servescope.experiments.host import TemporaryListener
from servescope.experiments.requests_in_turn import Asked, RequestsInTurn
from servescope.records.listeners import AppKind, ConcurrencyModel

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "primes.txt"
FILE_BYTES: Final = 125_921
GZIP_BYTES: Final = 44_487
"""Of the file, compressed: it differs by some bytes from version to version of zlib."""

RANGE: Final = (("Range", "bytes=1000-1999"),)
_LISTENER: Final = TemporaryListener(
    str(SITE / "large"), AppKind.STATIC, ConcurrencyModel.THREAD_POOL, threads=2
)


def _points(second: float) -> tuple[Point, ...]:
    return Point("first", float(FILE_BYTES)), Point("second", second)


def _asking(*fields: tuple[str, str], if_changed: bool = False, **how: Any) -> RequestsInTurn:
    second = Asked(f"/{FILE}", fields, if_changed=if_changed)
    return RequestsInTurn(_LISTENER, (Asked(f"/{FILE}"), second), **how)


def _read(_: Setting, measured: Mapping[str, Any]) -> Reading:
    first, second = measured["exchanges"]
    share = second["received_bytes"] / first["received_bytes"]
    return Reading(
        float(second["content_bytes"]),
        points=(float(first["content_bytes"]), float(second["content_bytes"])),
        steps=exchange_steps(measured["exchanges"]),
        told=(
            (
                f"The first response came with {first['received_bytes']:,} bytes, its head "
                f"included; the second with {second['received_bytes']:,}, which is "
                f"{share * 100:.3g} % of that. Its status is {second['status']}."
            ),
        ),
    )


CHAPTER: Final = Chapter(
    name="static-files",
    number=5,
    title="Static files, and the second visit",
    question=(
        f"A browser has fetched a file of {FILE_BYTES:,} bytes, and now it asks for the same file "
        "again. How many bytes of content does the second response have?"
    ),
    before=(
        (
            "A server of static files answers with what lies in a folder, byte by byte as it is on "
            "the disk. It adds a head: the status, the type of the content (from the name's "
            "ending: .html is text/html, .webm is video/webm), its length, when the file was last "
            "changed, and often a tag for this version of it, the ETag."
        ),
        (
            "A browser keeps what it got. On the next visit it may ask under a condition: send the "
            "file only if it is another one than that of this ETag. A client can also ask for a "
            "range of bytes, or say that it takes compressed content."
        ),
        Snippet("A server of the folder you are in", "python -m http.server 8000"),
    ),
    guess=NumberGuess("The second response has", "bytes of content", 0, 10_000_000),
    knob="The second request",
    settings=(
        Setting(
            "second-visit",
            "As a browser asks: only if it has changed",
            _asking(if_changed=True),
            0.0,
            "The file is the same, so the server answers 304 Not Modified, a head and no content: "
            "the browser takes the copy that it has.",
            points=_points(0.0),
        ),
        Setting(
            "no-condition",
            "As a simple program asks: without a condition",
            _asking(),
            float(FILE_BYTES),
            "Who asks without a condition gets the whole file, each time.",
            points=_points(float(FILE_BYTES)),
        ),
        Setting(
            "range",
            "As a video player asks: bytes 1000 to 1999",
            _asking(*RANGE),
            1_000.0,
            "The first byte has the number 0 and the last one is counted, too, so this range has "
            "1,000 bytes. The status is 206 Partial Content, and Content-Range says which part it "
            "is. A player goes to the middle of a film in that way.",
            points=_points(1_000.0),
        ),
        Setting(
            "gzip",
            "As a browser asks: compressed, if there is such a file",
            _asking(("Accept-Encoding", "gzip"), has_gzip_of=FILE),
            float(GZIP_BYTES),
            f"Beside {FILE} lies {FILE}.gz, compressed once and not for each request. Digits "
            "shrink well; a picture or a video is compressed already and does not shrink.",
            points=_points(float(GZIP_BYTES)),
        ),
        Setting(
            "python-range",
            "Bytes 1000 to 1999, of python -m http.server",
            _asking(*RANGE, by_python=True),
            float(FILE_BYTES),
            "Python's own server does not know ranges: it answers 200 with the whole file, which "
            "the client has to take (RFC 9110 section 14.2). It knows If-Modified-Since, and no "
            "ETag and no compressed neighbours. It is for a folder on your own machine.",
            points=_points(float(FILE_BYTES)),
        ),
    ),
    read=_read,
    picture=Bars("The response", "Bytes of content of each response", "B"),
    tolerance=0.02,
    after=(
        (
            "A second visit is cheap for three reasons: what did not change is not sent, what is "
            "sent is compressed where that helps, and of what is long only a part is sent. "
            "A file whose name changes with its content needs not even the question: with "
            "Cache-Control: immutable the browser does not ask again. The scripts of this "
            "dashboard come that way."
        ),
    ),
    video="/video/queue.webm",
)
