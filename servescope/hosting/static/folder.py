"""Hosting a folder: files, index.html, listings; never a byte from outside the folder."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from servescope.errors import AppImportError
from servescope.hosting.open_file import OpenFile
from servescope.hosting.static.byte_ranges import MultipartRanges
from servescope.hosting.static.conditional import Validators, select
from servescope.hosting.static.content_coding import neighbours, preferred
from servescope.hosting.static.content_types import content_type
from servescope.hosting.static.directory_listing import listing_page, read_entries
from servescope.hosting.static.file_cache import FileCache, version_of
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.recording.routes import UNMATCHED
from servescope.sentences import counted
from servescope.wire.http1_response import render_block
from servescope.wire.http1_rules import KNOWN_METHODS

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange
    from servescope.hosting.static.byte_ranges import ByteRange
    from servescope.hosting.static.file_cache import CachedFile
    from servescope.wire.http1_response import Headers

INDEX: Final = "index.html"
SMALL_FILE: Final = 65_536
"""Bytes up to which a file is read and leaves in one send with its head."""

MOST_READINGS: Final = 3
"""How often a file that became shorter between its size and its content is read anew."""

_ALLOW: Final = "GET, HEAD, OPTIONS"
_VARY: Final = ("Vary", "Accept-Encoding")
_NOSNIFF: Final = ("X-Content-Type-Options", "nosniff")
_OK: Final = int(HTTPStatus.OK)
_CONDITIONS: Final = frozenset(
    (
        b"range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
    )
)
_SCARCE: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Errors of open(2) that say nothing about the file."""

_log = UnfailingLogger(__name__)


class StaticFolder:
    """An Application that serves the files below `folder`.

    Raises AppImportError when there is no such folder or it cannot be read.
    """

    accepts_body = False

    def __init__(self, folder: str) -> None:
        self._root = os.path.realpath(folder)
        if not Path(self._root).is_dir() or not os.access(self._root, os.R_OK | os.X_OK):
            raise AppImportError(f"{folder} is no folder that can be read")
        self._inside = self._root.rstrip("/") + "/"
        self._cache = FileCache()

    def __call__(self, exchange: Exchange) -> None:
        """Answer with the file, the listing, a redirect or an error."""
        exchange.route = UNMATCHED
        if exchange.method == "OPTIONS":  # RFC 9110 section 9.3.7, also of the server as a whole
            exchange.respond(HTTPStatus.NO_CONTENT, [("Allow", _ALLOW)])
            return
        if exchange.method not in ("GET", "HEAD"):
            self._refuse_method(exchange)
            return
        known = self._cache.find(exchange.target, exchange.taken_ns)
        if known is not None and self._serve_known(exchange, known):
            return
        path, _, query = exchange.target.partition("?")
        segments = _segments(path)
        if segments is None:
            self._not_found(exchange)
            return
        try:
            self._serve(exchange, segments, path, query)
        except OSError as error:
            if error.errno not in _SCARCE or exchange.status:
                raise
            exchange.respond_error(
                HTTPStatus.SERVICE_UNAVAILABLE, "The server has run out of resources; ask again."
            )

    def _refuse_method(self, exchange: Exchange) -> None:
        """405, or 501 for a method that we have never heard of (RFC 9110 section 9.1)."""
        status, reason = HTTPStatus.METHOD_NOT_ALLOWED, "Files can be read only."
        if exchange.method not in KNOWN_METHODS:
            status, reason = HTTPStatus.NOT_IMPLEMENTED, "The method is not implemented."
        exchange.respond_error(status, reason, [("Allow", _ALLOW)])

    def _serve_known(self, exchange: Exchange, known: CachedFile) -> bool:
        """Answer from memory, the whole file or that it is unchanged; False for anything else."""
        content = known.content
        if content is None or exchange.head is None or exchange.method != "GET":
            return False
        if any(name in _CONDITIONS for name, _ in exchange.head.headers):
            selection = select(
                known.validators, exchange.combined_header, exchange.date, is_get=True
            )
            if selection.status is not HTTPStatus.NOT_MODIFIED:
                return False
            exchange.route = known.route
            exchange.respond(selection.status, _version_headers(known.validators))
            return True
        exchange.route = known.route
        exchange.respond(_OK, [], content, block=known.block)
        return True

    def _serve(self, exchange: Exchange, segments: list[str], path: str, query: str) -> None:
        url = "/" + "/".join(segments)
        file_path = "/".join((self._root, *segments))
        file = self._open(file_path)
        if file is None:
            self._not_found(exchange)
            return
        with file:
            status = os.fstat(file.fileno())
            wants_folder = path.endswith("/") or not segments
            if stat.S_ISDIR(status.st_mode):
                if not wants_folder:
                    exchange.route = _shown(url) + "/"
                    self._redirect(exchange, url, query)
                    return
                exchange.route = _shown(url.rstrip("/")) + "/"
                self._serve_folder(exchange, segments, file)
            elif not wants_folder:
                exchange.route = _shown(url)
                self._serve_file(exchange, file, status, file_path)
            else:
                self._not_found(exchange)

    def _open(self, path: str) -> OpenFile | None:
        """Open a file or folder below the root; None when there is none, or it lies outside.

        The kernel is asked where the opened file is, so no link can be swapped in between
        (proc(5): /proc/self/fd). Anything but a file and a folder is not even opened: to open a
        named pipe lets its writer go on, to open a device may start it. Should one take the file's
        place just now, O_NONBLOCK keeps it from holding the thread. Raises OSError when the process
        has run out of descriptors or memory.
        """
        try:
            if not _is_servable(os.stat(path).st_mode):  # noqa: PTH116 - Path doubles the cost
                return None
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            if error.errno in _SCARCE:
                raise
            return None
        except ValueError:
            return None
        with OpenFile(descriptor) as file, suppress(OSError):
            real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - Path doubles the cost
            is_inside = real == self._root or real.startswith(self._inside)
            if is_inside and _is_servable(os.fstat(descriptor).st_mode):
                return file.moved()
        return None

    def _leads_outside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real != self._root and not real.startswith(self._inside)

    def _serve_folder(self, exchange: Exchange, segments: list[str], folder: OpenFile) -> None:
        folder_path = "/".join((self._root, *segments))
        index_path = f"{folder_path}/{INDEX}"
        index = self._open(index_path)
        if index is not None:
            with index:
                status = os.fstat(index.fileno())
                if stat.S_ISREG(status.st_mode):
                    self._serve_file(exchange, index, status, index_path)
                    return
        try:
            entries = read_entries(folder.fileno(), folder_path, self._leads_outside)
        except OSError as error:  # removed just now, say
            if error.errno in _SCARCE:
                raise
            self._not_found(exchange)
            return
        path = "/" + "".join(segment + "/" for segment in segments)
        headers = [("Content-Type", "text/html; charset=utf-8"), _NOSNIFF]
        exchange.respond(HTTPStatus.OK, headers, listing_page(path, entries))

    def _serve_file(
        self, exchange: Exchange, file: OpenFile, status: os.stat_result, path: str
    ) -> None:
        """Answer with a file, or with what stands beside it in a coding the client prefers."""
        coded = neighbours(path, status.st_mtime_ns)
        if not coded:
            self._serve_version(exchange, file, path, [])
            return
        codings = [each.coding for each in coded]
        for coding in preferred(_fields(exchange, b"accept-encoding"), codings):
            if not coding:
                break
            neighbour = self._open(coded[codings.index(coding)].path)
            if neighbour is None:  # not ours to read, or a link that leads outside
                continue
            with neighbour:
                if stat.S_ISREG(os.fstat(neighbour.fileno()).st_mode):
                    headers = [("Content-Encoding", coding), _VARY]
                    self._serve_version(exchange, neighbour, path, headers, coding)
                    return
        self._serve_version(exchange, file, path, [_VARY])

    def _serve_version(
        self, exchange: Exchange, file: OpenFile, path: str, extra: Headers, coding: str = ""
    ) -> None:
        """Answer with one representation.

        `extra` are the headers that only a file with coded neighbours has; such a file is not
        remembered, since its neighbours would have to be watched as well.
        """
        for _ in range(MOST_READINGS):
            if self._serve_reading(exchange, file, path, extra, coding):
                return
        _log.warning(
            "listener %s: %s became shorter whenever it was read",
            exchange.site.name,
            exchange.masked_target,
        )
        exchange.respond_error(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The file is being changed; ask again.",
            [("Retry-After", "1")],
        )

    def _serve_reading(
        self, exchange: Exchange, file: OpenFile, path: str, extra: Headers, coding: str
    ) -> bool:
        """Answer with the representation as it is now; False, unanswered, when it got shorter."""
        status = os.fstat(file.fileno())
        validators = Validators(status.st_size, status.st_mtime_ns, coding)
        is_get = exchange.method == "GET"
        selection = select(validators, exchange.combined_header, exchange.date, is_get=is_get)
        headers = _version_headers(validators)
        match selection.status:
            case HTTPStatus.NOT_MODIFIED:
                exchange.respond(selection.status, headers + extra[-1:])
                return True
            case HTTPStatus.PRECONDITION_FAILED:
                exchange.respond_error(selection.status, "The file has changed.")
                return True
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                exchange.respond_error(
                    selection.status,
                    f"The file has {counted(status.st_size, 'byte')}.",
                    [("Content-Range", f"bytes */{status.st_size}")],
                )
                return True
        headers += extra
        if len(selection.ranges) > 1:
            return self._serve_ranges(exchange, file, selection.ranges, validators, headers, path)
        offset, count = selection.offset, selection.count
        headers.insert(0, ("Content-Type", content_type(path)))
        if selection.status is HTTPStatus.PARTIAL_CONTENT:
            headers.append(("Content-Range", selection.ranges[0].content_range(status.st_size)))
        if not is_get:
            headers.append(("Content-Length", str(count)))
            exchange.respond(selection.status, headers)
        elif count <= SMALL_FILE:
            content = os.pread(file.fileno(), count, offset)
            if len(content) < count:
                return False
            if selection.status is HTTPStatus.OK and not extra:
                self._cache.keep(
                    exchange.target,
                    path,
                    version_of(status),
                    exchange.taken_ns,
                    content,
                    render_block(headers),
                    validators,
                    exchange.route,
                )
            exchange.respond(selection.status, headers, content)
        else:
            exchange.respond_file(selection.status, headers, file, offset, count)
        return True

    def _serve_ranges(
        self,
        exchange: Exchange,
        file: OpenFile,
        ranges: tuple[ByteRange, ...],
        validators: Validators,
        headers: Headers,
        path: str,
    ) -> bool:
        """Several ranges as `multipart/byteranges`, read as they are sent; see `_serve_reading`."""
        body = MultipartRanges(ranges, validators.size, content_type(path), secrets.token_hex(16))
        headers.insert(0, ("Content-Type", body.content_type))
        if body.length <= SMALL_FILE:
            content = b"".join(body.blocks(file.fileno()))
            if len(content) < body.length:
                return False
            headers.append(("Content-Length", str(body.length)))
            exchange.respond(HTTPStatus.PARTIAL_CONTENT, headers, content)
            return True
        blocks = body.blocks(file.fileno())
        first = next(blocks, b"")
        exchange.respond_in_parts(HTTPStatus.PARTIAL_CONTENT, headers, first, body.length)
        for block in blocks:
            exchange.send_part(block)
        exchange.end()
        return True

    def _redirect(self, exchange: Exchange, url: str, query: str) -> None:
        """To the same path with a slash. The path is ours, not the client's: no `//host` in it."""
        location = quote(os.fsencode(url)) + "/" + ("?" + query if query else "")
        exchange.respond_error(
            HTTPStatus.MOVED_PERMANENTLY, "A folder's address ends in /.", [("Location", location)]
        )

    def _not_found(self, exchange: Exchange) -> None:
        exchange.respond_error(HTTPStatus.NOT_FOUND, "There is no such file here.")


def _is_servable(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _fields(exchange: Exchange, name: bytes) -> list[str]:
    """Every value of a request header that may be split over several lines."""
    headers = () if exchange.head is None else exchange.head.headers
    return [value.decode("latin-1") for known, value in headers if known == name]


def _version_headers(validators: Validators) -> Headers:
    return [
        ("Last-Modified", validators.last_modified),
        ("ETag", validators.etag),
        ("Accept-Ranges", "bytes"),
        _NOSNIFF,
    ]


def _segments(path: str) -> list[str] | None:
    """The decoded segments of a URL path; None when one of them is no plain file name.

    Decoded once, so `%252e` stays what it says. An encoded slash is no name in any folder.
    """
    segments = []
    for raw in path.split("/"):
        decoded = unquote_to_bytes(raw)
        if decoded in (b"", b"."):
            continue
        if decoded == b".." or b"/" in decoded or b"\0" in decoded:
            return None
        segments.append(os.fsdecode(decoded))
    return segments


def _shown(url: str) -> str:
    """A URL path as a route: text without lone surrogates."""
    return os.fsencode(url).decode("utf-8", "replace")
