"""Hosting a WSGI callable (PEP 3333)."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from io import BufferedRandom, BufferedReader, BytesIO, FileIO
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from servescope.hosting.error_stream import ErrorStream
from servescope.hosting.forwarding import tell_environ
from servescope.hosting.open_file import OpenFile
from servescope.recording.routes import wsgi_route
from servescope.wire.http1_response import SERVER, as_content, check_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from servescope.hosting.exchange import Exchange
    from servescope.wire.http1_events import RequestHead
    from servescope.wire.http1_response import Headers

    ExcInfo = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    )
    StartResponse = Callable[..., Callable[[bytes], None]]
    WsgiCallable = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class FileWrapper:
    """`wsgi.file_wrapper`: a file-like object as a response, sent by the kernel where it can be."""

    def __init__(self, filelike: IO[bytes], block_size: int = 65_536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        block = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


class WsgiHost:
    """An Application that calls a WSGI app, from as many threads as the listener has."""

    accepts_body = True

    def __init__(self, app: WsgiCallable, *, multithread: bool, multiprocess: bool) -> None:
        self._app = app
        self._base: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": SERVER,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "wsgi.version": (1, 0),
            "wsgi.errors": ErrorStream(),
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,  # chunked bodies were decoded and end
        }

    def __call__(self, exchange: Exchange) -> None:
        """Answer by the app; its exceptions are let through, after its `close` was called."""
        environ = self._environ(exchange)
        response = _Response(exchange, environ)
        start: StartResponse = response.start
        capture = exchange.capture
        if capture is not None:
            start = capture.begin_wsgi_call(environ, start)
        try:
            result = pieces = self._app(environ, start)
            if capture is not None:
                capture.note_returned(result)
                if not isinstance(result, (list, tuple, FileWrapper)):
                    pieces = capture.watch_pieces(result)
            try:
                response.send_result(pieces)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        except BaseException:
            if not exchange.route:  # the app failed before its response began
                with suppress(BaseException):  # its own error is on the way up
                    exchange.route = wsgi_route(environ, "500")
            raise

    def _environ(self, exchange: Exchange) -> dict[str, Any]:
        head = exchange.head
        if head is None:
            raise ValueError("a WSGI app needs a request")
        template = head.notes.get(self)
        if template is None:  # threads may race: the worst is a template made twice
            head.notes[self] = template = self._template(exchange, head)
        environ: dict[str, Any] = template.copy()
        address, port = exchange.client
        environ["REMOTE_ADDR"] = address
        environ["REMOTE_PORT"] = str(port)
        if exchange.forwarded is not None:
            tell_environ(environ, exchange.forwarded)
        body = exchange.body
        environ["wsgi.input"] = BytesIO() if body is None else body
        if head.body_length is None and body is not None:
            environ["CONTENT_LENGTH"] = str(body.seek(0, os.SEEK_END))
            body.seek(0)
        return environ

    def _template(self, exchange: Exchange, head: RequestHead) -> dict[str, Any]:
        """The part of the environ that depends on nothing but the request's head."""
        site = exchange.site
        path, _, query = head.target.partition("?")
        environ = self._base.copy()
        environ["REQUEST_METHOD"] = head.method
        environ["PATH_INFO"] = (
            unquote_to_bytes(path).decode("latin-1") if "%" in path else path  # PEP 3333: latin-1
        )
        environ["QUERY_STRING"] = query
        environ["REQUEST_URI"] = environ["RAW_URI"] = head.target
        environ["wsgi.url_scheme"] = site.scheme
        if site.scheme == "https":
            environ["HTTPS"] = "on"  # as CGI programs have it of Apache
        if site.is_unix:  # has neither, and neither may be empty (PEP 3333)
            environ["SERVER_NAME"] = "localhost"
            environ["SERVER_PORT"] = "443" if site.scheme == "https" else "80"
        else:
            environ["SERVER_NAME"] = site.address
            environ["SERVER_PORT"] = str(site.port)
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.minor_version else "HTTP/1.0"
        for name, value in head.headers:
            key = _environ_key(name)
            if key is None:
                continue
            text = value.decode("latin-1")
            if key in environ:
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        return environ


@lru_cache(maxsize=1024)
def _environ_key(name: bytes) -> str | None:
    """The environ's key for a header; None for one the app must not see.

    A name with an underscore would pass for the one with a dash; Transfer-Encoding was undone.
    """
    if b"_" in name or name == b"transfer-encoding":
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _reads_its_descriptor(file: Any) -> bool:
    """Whether reading a file gives the bytes of its descriptor.

    The files of `gzip.open`, and of any class that reads in its own way, have a `fileno` as well.
    """
    is_plain = type(file) in (FileIO, BufferedReader, BufferedRandom)
    return is_plain and type(getattr(file, "raw", file)) is FileIO


class _Response:
    """The response side of one call: start_response, write, and the iterable."""

    __slots__ = ("_environ", "_exchange", "_headers", "_phrase", "_status")

    def __init__(self, exchange: Exchange, environ: dict[str, Any]) -> None:
        self._exchange = exchange
        self._environ = environ
        self._status = 0
        self._phrase = ""
        self._headers: Headers = []

    def start(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """`start_response` of PEP 3333; gives `write`."""
        if exc_info:
            try:
                if self._exchange.status and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no circle through the traceback
        elif self._status:
            raise AssertionError("start_response was called twice without exc_info")
        number, headers = check_status(status), list(headers)
        try:
            route = wsgi_route(self._environ, status)
        except BaseException:  # noqa: BLE001 - the boundary to the app, whose environ this is
            route = ""  # the folded target stands in
        # All of it, or none when one was unfit: the app may catch that and start anew.
        self._status, self._phrase, self._headers = number, status[4:], headers
        self._exchange.route = route
        return self.write

    def write(self, data: bytes) -> None:
        """The callable that start_response returns: send a part of the body at once (PEP 3333)."""
        exchange = self._exchange
        if exchange.status:
            exchange.send_part(data)
        elif self._status:
            exchange.respond_in_parts(self._status, self._headers, data, phrase=self._phrase)
        else:
            raise AssertionError("the app sent content before it called start_response")

    def send_result(self, result: Iterable[bytes]) -> None:
        """Send what the app returned, each block as it comes; a single block with its length."""
        exchange = self._exchange
        if isinstance(result, (list, tuple)) and len(result) == 1 and not exchange.status:
            self._require_start()
            exchange.respond(self._status, self._headers, result[0], self._phrase)
            return
        if isinstance(result, FileWrapper) and not exchange.status and self._send_file(result):
            return
        for block in result:
            # None or text is a mistake of the app even when it is empty.
            content = block if type(block) is bytes else as_content(block)
            if not content:
                continue
            if exchange.is_ended:  # PEP 3333: enough was sent, so "stop iterating"
                break
            self.write(content)
        if not exchange.status:
            self._require_start()
            exchange.respond(self._status, self._headers, b"", self._phrase)
            return
        exchange.end()

    def _require_start(self) -> None:
        if not self._status:
            raise AssertionError("the app returned without calling start_response")

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Let the kernel send the rest of the file; False when it is none, or is too short.

        The file stays the app's, which may close it before it is sent: we send from a copy of
        its descriptor.
        """
        file = getattr(wrapper.filelike, "file", wrapper.filelike)  # within that of `tempfile`
        if not _reads_its_descriptor(file):
            return False
        try:
            descriptor = file.fileno()
            offset = file.tell()
            rest = os.fstat(descriptor).st_size - offset
        except (AttributeError, OSError, ValueError):
            return False
        if offset < 0 or rest <= 0 or rest < self._announced():
            return False
        self._require_start()
        with OpenFile(os.dup(descriptor)) as copy:
            self._exchange.respond_file(
                self._status, self._headers, copy, offset, rest, self._phrase
            )
        return True

    def _announced(self) -> int:
        """The length that the headers announce, 0 without one, or with one that is unfit."""
        for name, value in self._headers:
            if isinstance(name, str) and name.lower() == "content-length":
                return int(value) if _LENGTH.fullmatch(value) else 0
        return 0
