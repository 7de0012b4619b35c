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
                f"included; the second with {second['received_bytes']:,} bytes, which is "
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
            "Static files lie in a folder, and the server sends them as they are. Before the "
            "content of a file it sends a head: the status (a number that says how it went), the "
            "type of the content (which the end of the file's name says: .html is text/html, "
            ".webm is video/webm), the length, the time when the file was last changed, and often "
            "an ETag: a text that names this version of the file."
        ),
        (
            "A browser keeps a copy of what it got. On the next visit it can ask with a condition: "
            "send the file only if it has another ETag by now. A client can also ask for a range: "
            "some of the bytes, from one number to another. And it can say that it understands "
            "compressed content, which a program has made smaller without a loss."
        ),
        (
            f"The file here is {FILE}, a list of prime numbers, written as text. Between the two "
            "requests nobody changes it."
        ),
        Snippet(
            "A server for the files of the folder in which you start it:",
            "python -m http.server 8000",
        ),
    ),
    guess=NumberGuess("The second response has", "bytes of content", 0, 10_000_000),
    knob="The second request",
    settings=(
        Setting(
            "second-visit",
            "Send it only if it has changed",
            _asking(if_changed=True),
            0.0,
            "Browsers ask in this way. The file is the same. So the server answers with the "
            "status 304 Not Modified and sends a head without content: the browser uses the copy "
            "that it has.",
            points=_points(0.0),
        ),
        Setting(
            "no-condition",
            "Send it, without a condition",
            _asking(),
            float(FILE_BYTES),
            "A client that asks without a condition gets the whole file, each time. Simple "
            "programs do so.",
            points=_points(float(FILE_BYTES)),
        ),
        Setting(
            "range",
            "Send bytes 1000 to 1999",
            _asking(*RANGE),
            1_000.0,
            "Both ends of a range are part of it, so bytes 1000 to 1999 are 1,000 bytes. The "
            "status is 206 Partial Content, and the field Content-Range says which part it is. In "
            "this way a player goes to the middle of a film.",
            points=_points(1_000.0),
        ),
        Setting(
            "gzip",
            "Send it compressed, if you can",
            _asking(("Accept-Encoding", "gzip"), has_gzip_of=FILE),
            float(GZIP_BYTES),
            f"Beside {FILE} lies {FILE}.gz, which was compressed once, and not for this request: "
            "the server sends that. Text of digits becomes much smaller. A picture or a video is "
            "compressed already, and does not become smaller.",
            points=_points(float(GZIP_BYTES)),
        ),
        Setting(
            "python-range",
            "Bytes 1000 to 1999, of Python's server",
            _asking(*RANGE, by_python=True),
            float(FILE_BYTES),
            "The server that comes with Python does not know ranges. It answers 200 with the whole "
            "file. The rules of HTTP let a server do so (they are called RFC 9110: section 14.2). "
            "It also has no ETags, and sends no compressed files; its only condition is the time "
            "of the last change. It is for a folder on your own machine.",
            points=_points(float(FILE_BYTES)),
        ),
    ),
    read=_read,
    picture=Bars("The response", "Bytes of content of each response", "B", asked="second"),
    tolerance=0.02,
    after=(
        (
            "A second visit can cost little, for three reasons: a file that did not change is not "
            "sent again, a file that becomes smaller is sent compressed, and of a long file only "
            "the part that is needed is sent. If the name of a file changes with its content, the "
            "browser need not even ask again: the server tells it so by the field Cache-Control: "
            "immutable. The scripts of this dashboard are sent in that way."
        ),
    ),
    video="/video/queue.webm",
)
