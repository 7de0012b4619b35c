"""A recorder for WSGI apps (PEP 3333): `app = ServescopeMiddleware(app)`.

What the app returns is handed on as it is where the server may look at it: a list (whose length
becomes Content-Length) and the server's own `wsgi.file_wrapper` (which it sends with sendfile).
Anything else is handed on in an iterable that counts blocks. Times are taken on both sides of each
block, so that `body` is the app's own time and `write` the server's.
"""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from servescope.hosting.routes import ROUTE_KEY, WERKZEUG_REQUEST, environ_route
from servescope.middleware.app_recording import (
    ABORTED,
    APP_ERROR,
    HTTP_1_1,
    METHODS,
    NO_FLAGS,
    OTHER_METHOD,
    AppRecording,
    Kind,
    name_of,
)
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.records import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_PROTOCOLS: Final = {"HTTP/1.1": HTTP_1_1, "HTTP/1.0": int(Protocol.HTTP_1_0)}
_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_FIRST_STATUS: Final = "1"
_FIRST_ERROR: Final = "4"  # by its first digit; none at all (RFC 9110 section 15) counts as one
_MOST_TYPES: Final = 64
_new: Final = object.__new__


class ServescopeMiddleware:
    """Records each request that `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: WsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        self.app = app
        self.recording = AppRecording(listener or name_of(app), data_dir)
        self._streams: dict[type, Any] = {}  # type handed on block by block → file wrapper then

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app; what it raises goes up."""
        request = _new(_Request)  # an __init__ would cost as much again as all that it set
        request.recording = self.recording
        request.environ = environ
        request.start_response = start_response
        request.is_recorded = False
        request.status = ""
        request.rule = None
        request.kernel_ns = request.head_ns = request.sent = request.write_ns = 0
        sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
        if sock is not None:
            request.kernel_ns = kernel_wait_ns(sock)
        request.began_ns = perf_counter_ns()
        try:
            request.result = result = self.app(environ, request.start)
            # What was looked at once under the same file wrapper needs no look again.
            if self._streams.get(type(result), self) is environ.get("wsgi.file_wrapper"):
                return request
            return self._handed_on(request, result)
        except BaseException:
            request.fail()
            raise

    def _handed_on(self, request: _Request, result: Iterable[bytes]) -> Iterable[bytes]:
        if isinstance(result, (list, tuple)):
            request.sent += len(result[0]) if len(result) == 1 else sum(map(len, result))
            request.finish(NO_FLAGS)
            return result
        wrapper = request.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(result, wrapper):
            request.answer_file(result)
            return result
        if hasattr(result, "__len__"):
            return _SizedBody(request)
        if len(self._streams) < _MOST_TYPES:
            self._streams[type(result)] = wrapper
        return request


class _Request:
    """One request: what is known of it so far, and its record once it has ended.

    It is the body, too, that the server gets: an object less for each request.
    """

    __slots__ = (
        "_headers",
        "_server_write",
        "began_ns",
        "environ",
        "head_ns",
        "is_recorded",
        "kernel_ns",
        "recording",
        "result",
        "rule",
        "sent",
        "start_response",
        "status",
        "write_ns",
    )
    recording: AppRecording
    environ: Environ
    start_response: StartResponse
    result: Iterable[bytes]
    status: str  # "" until started
    rule: Any  # Werkzeug's, when it matched one
    is_recorded: bool
    kernel_ns: int
    began_ns: int
    head_ns: int
    sent: int  # bytes
    write_ns: int

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """The app's `start_response`: the server's, after which it is known what was accepted."""
        if exc_info is None:
            self._server_write = self.start_response(status, headers)
        else:
            self._server_write = self.start_response(status, headers, exc_info)
        self.status = status
        self._headers = headers
        # Asked now, because Flask takes its request out of the environ when the app returns.
        asked = self.environ.get(WERKZEUG_REQUEST)
        if asked is not None:
            self.rule = getattr(asked, "url_rule", None)
        return self.write

    def write(self, data: bytes) -> Any:
        """The app's `write`: the server's, counted and timed."""
        before = perf_counter_ns()
        if not self.head_ns:
            self.head_ns = before
        answer = self._server_write(data)
        self.write_ns += perf_counter_ns() - before
        self.sent += len(data)
        return answer

    def answer_file(self, wrapper: Any) -> None:
        """The server will send this file, and close it when that is done."""
        close = getattr(wrapper, "close", None)
        self.head_ns = perf_counter_ns()

        def closed() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.write_ns = perf_counter_ns() - self.head_ns
                self.sent = self._announced() or 0
                self.finish(NO_FLAGS)

        try:
            wrapper.close = closed
        except AttributeError:  # a wrapper in C: its end stays unknown
            self.finish(NO_FLAGS)

    def __iter__(self) -> Generator[bytes, None, None]:
        """Hand on the app's blocks; PEP 3333: the head goes out with the first that is not empty.

        A generator: of all ways to stand between an iterator and a loop it costs least.
        """
        try:
            for block in self.result:
                left_ns = perf_counter_ns()
                if block:
                    self.sent += len(block)
                    if not self.head_ns:
                        self.head_ns = left_ns
                yield block
                self.write_ns += perf_counter_ns() - left_ns  # until the server asks for more
        except GeneratorExit:  # the server stops here; its `close` comes next
            raise
        except BaseException:
            self.fail()
            raise
        if not self.is_recorded:
            self.finish(NO_FLAGS)

    def close(self) -> None:
        """What PEP 3333 has the server call in any case: the app's own `close`, when it has one.

        Before the end of the body it means that the client has left.
        """
        try:
            close = getattr(self.result, "close", None)
            if close is not None:
                close()
        finally:
            if not self.is_recorded:
                announced = self._announced()
                is_whole = self.environ.get("REQUEST_METHOD") == "HEAD" or (
                    announced is not None and self.sent >= announced
                )
                self.finish(NO_FLAGS if is_whole else ABORTED)

    def fail(self) -> None:
        """The app raised: the server answers 500, unless the head is out."""
        if self.is_recorded:
            return
        if not self.head_ns:
            self.status = ""
        self.finish(APP_ERROR)

    def _announced(self) -> int | None:
        if self.status:
            for name, value in self._headers:
                if name.lower() == "content-length" and value.isdigit():
                    return int(value)
        return None

    def finish(self, flags: int) -> None:
        """Record the request, which ends now."""
        now = perf_counter_ns()
        self.is_recorded = True
        head_ns = self.head_ns or now
        recording, environ, status = self.recording, self.environ, self.status
        rule = self.rule
        if rule is None or ROUTE_KEY in environ:
            route = environ_route(environ, status[:3] or str(_ERROR), _path(environ))
        else:
            route = rule.rule
            mount = environ.get("SCRIPT_NAME")
            if mount:
                route = mount + route
        method = environ.get("REQUEST_METHOD", "")
        key = (route, status, method, environ.get("SERVER_PROTOCOL", ""))
        outlined = recording.outlines.get(key)
        if outlined is None:
            is_status = status[:3].isdigit()
            if not is_status:  # never started, or started wrongly: the server makes a 500 of it
                flags |= APP_ERROR
            outlined = recording.learn(key if is_status else None, _kind(*key))
        length = environ.get("CONTENT_LENGTH")
        received = int(length) if length and length.isdigit() else 0
        sent = 0 if method == "HEAD" else self.sent
        kernel_ns, write_ns, app_ns = self.kernel_ns, self.write_ns, head_ns - self.began_ns
        body_ns = max(now - head_ns - write_ns, 0)
        end_ns = time_ns()
        recording.record(
            end_ns, outlined, flags, received, sent, kernel_ns, 0, 0, app_ns, body_ns, write_ns
        )
        total_ns = kernel_ns + app_ns + body_ns + write_ns
        recorder = recording.recorder
        if recorder is not None and (
            total_ns > recorder.detail_above_ns
            or not _FIRST_STATUS <= status < _FIRST_ERROR
            or not recorder.second_began_ns <= end_ns < recorder.second_ends_ns
        ):
            kind = _kind(*key)
            if recorder.wants_detail(kind.status, total_ns, end_ns):
                stages_ns = (kernel_ns, 0.0, 0.0, app_ns, body_ns, write_ns)
                recording.record_detail(
                    end_ns, kind, flags, received, sent, stages_ns, *_asker(environ)
                )


class _SizedBody:
    """A body that can tell its number of blocks, by which servers find its Content-Length."""

    __slots__ = ("_request", "close")

    def __init__(self, request: _Request) -> None:
        self._request = request
        self.close = request.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._request)

    def __len__(self) -> int:
        return len(self._request.result)  # type: ignore[arg-type]  # asked before this was chosen


def _kind(route: str, status: str, method: str, protocol: str) -> Kind:
    """What app and server told; where that is no status, the server's 500."""
    code = status[:3]
    return Kind(
        route,
        METHODS.get(method, OTHER_METHOD),
        _PROTOCOLS.get(protocol, 0),
        int(code) if code.isdigit() else _ERROR,
    )


def _asker(environ: Environ) -> tuple[str, str, str]:
    """Target, client and user agent."""
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not target:
        query = environ.get("QUERY_STRING", "")
        target = quote(_path(environ), safe="/%") + (f"?{query}" if query else "")
    return target, environ.get("REMOTE_ADDR", ""), environ.get("HTTP_USER_AGENT", "")


def _path(environ: Environ) -> str:
    """The path as it was asked for; PEP 3333 has its bytes decoded as latin-1."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path if path.isascii() else quote(path, encoding="latin-1")
