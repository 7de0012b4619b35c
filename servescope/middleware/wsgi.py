"""A recorder for WSGI apps (PEP 3333): `app = ServescopeMiddleware(app)`.

What the app returns is handed on as it is where the server may look at it: a list (whose length
becomes Content-Length) and the server's own `wsgi.file_wrapper` (which it sends with sendfile).
Anything else is handed on in an iterable that counts blocks. Times are taken on both sides of each
block, so that `body` is the app's own time and `write` the server's.
"""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter
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
    Times,
    name_of,
)
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.recording.recorder import FIRST_ERROR_STATUS
from servescope.records import Method, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
    _Key = tuple[str, str, str, str, str]

_PROTOCOLS: Final = {"HTTP/1.1": HTTP_1_1, "HTTP/1.0": int(Protocol.HTTP_1_0)}
_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_MOST_TYPES: Final = 64


class ServescopeMiddleware:
    """Records each request that `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: WsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        self.app = app
        self.recording = AppRecording(listener or name_of(app), data_dir)
        self._streams: set[type] = set()  # of what is handed on block by block

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app; what it raises goes up."""
        request = _Request()  # an __init__ would cost as much again as all that it set
        request.recording = self.recording
        request.environ = environ
        request.start_response = start_response
        request.is_recorded = False
        request.status = ""
        request.rule = None
        request.sent = 0
        request.head_s = request.write_s = request.kernel_ns = 0.0
        if "gunicorn.socket" in environ:
            request.kernel_ns = kernel_wait_ns(environ["gunicorn.socket"])
        elif "werkzeug.socket" in environ:
            request.kernel_ns = kernel_wait_ns(environ["werkzeug.socket"])
        request.began_s = perf_counter()
        try:
            app = self.app  # an attribute called as a method would be looked up anew each time
            request.result = result = app(environ, request.start)
            if type(result) in self._streams:  # needs no second look
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
            self._streams.add(type(result))
        return request


class _Request:
    """One request: what is known of it so far, and its record once it has ended.

    It is the body, too, that the server gets, and the `write` that the app gets: an object less for
    each. Times are floats in seconds, which cost less to subtract and to pack than whole numbers of
    nanoseconds do; a double holds them to 4 ns after a year without a restart.
    """

    __slots__ = (
        "_headers",
        "_server_write",
        "began_s",
        "environ",
        "head_s",
        "is_recorded",
        "kernel_ns",
        "recording",
        "result",
        "rule",
        "sent",
        "start_response",
        "status",
        "write_s",
    )
    recording: AppRecording
    environ: Environ
    start_response: StartResponse
    result: Iterable[bytes]
    status: str  # "" until started
    rule: Any  # Werkzeug's, when it matched one
    is_recorded: bool
    kernel_ns: float
    began_s: float
    head_s: float  # 0 until it is out
    sent: int  # bytes
    write_s: float  # in sum

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """The app's `start_response`: the server's, after which it is known what was accepted."""
        start_response = self.start_response
        if exc_info is None:
            self._server_write = start_response(status, headers)
        else:
            self._server_write = start_response(status, headers, exc_info)
        self.status = status
        self._headers = headers
        # Asked now, because Flask takes its request out of the environ when the app returns.
        if WERKZEUG_REQUEST in self.environ:
            self.rule = getattr(self.environ[WERKZEUG_REQUEST], "url_rule", None)
        return self

    def __call__(self, data: bytes) -> Any:
        """The app's `write`: the server's, counted and timed."""
        before_s = perf_counter()
        if not self.head_s:
            self.head_s = before_s
        answer = self._server_write(data)
        self.write_s += perf_counter() - before_s
        self.sent += len(data)
        return answer

    def answer_file(self, wrapper: Any) -> None:
        """The server will send this file, and close it when that is done."""
        close = getattr(wrapper, "close", None)
        self.head_s = perf_counter()

        def closed() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.write_s = perf_counter() - self.head_s
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
                left_s = perf_counter()
                if block:
                    self.sent += len(block)
                    if not self.head_s:
                        self.head_s = left_s
                yield block
                self.write_s += perf_counter() - left_s  # until the server asks for more
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
        if not self.head_s:
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
        now_s = perf_counter()
        self.is_recorded = True
        recording, environ, rule = self.recording, self.environ, self.rule
        is_failed = False
        try:
            if rule is None or ROUTE_KEY in environ:
                key = self._key()
            else:  # what `_key` makes of it
                key = (
                    rule.rule,
                    self.status,
                    environ["REQUEST_METHOD"],
                    environ["SERVER_PROTOCOL"],
                    environ["SCRIPT_NAME"],
                )
            outlined = recording.outlines[key]
        except KeyError:
            outlined, flags, is_failed = self._unusual(flags)
        received = 0
        if "CONTENT_LENGTH" in environ:
            length = environ["CONTENT_LENGTH"]
            if length and length.isdigit():
                received = int(length)
        record = recording.record
        end_ns = record(
            outlined,
            flags,
            received,
            self.sent,
            self.kernel_ns,
            self.began_s,
            self.head_s or now_s,
            self.write_s,
            now_s,
        )
        if end_ns or is_failed:
            head_s = self.head_s or now_s
            times = Times(self.kernel_ns, self.began_s, head_s, self.write_s, now_s)
            recording.record_detail(
                end_ns,
                _kind(self._key()),
                flags,
                received,
                self.sent,
                times,
                lambda: _asker(environ),
            )

    def _key(self) -> _Key:
        """Route, status, method, protocol, and the mount that the route is relative to."""
        environ, rule = self.environ, self.rule
        mount = ""
        if rule is None or ROUTE_KEY in environ:
            route = environ_route(environ, self.status[:3] or str(_ERROR), _path(environ))
        else:
            route, mount = rule.rule, environ.get("SCRIPT_NAME", "")
        method, protocol = environ.get("REQUEST_METHOD", ""), environ.get("SERVER_PROTOCOL", "")
        return route, self.status, method, protocol, mount

    def _unusual(self, flags: int) -> tuple[int, int, bool]:
        """The first of its kind, a failed one or a HEAD: outline, flags, whether it has failed.

        These are remembered where `finish` does not look, which so has less to ask of the others.
        """
        key = self._key()
        kind = _kind(key)
        is_failed = kind.status >= FIRST_ERROR_STATUS
        is_head = kind.method == Method.HEAD
        if is_head:
            self.sent = 0  # whatever the app gave: the server sends none of it
        if not self.status[:3].isdigit():
            # Never started, or started wrongly: the server makes a 500 of it.
            return self.recording.learn(None, kind), flags | APP_ERROR, True
        if not is_failed and not is_head:
            return self.recording.learn(key, kind), flags, False
        outlined = self.recording.outlines.get((key,))
        if outlined is None:
            outlined = self.recording.learn((key,), kind)
        return outlined, flags, is_failed


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


def _status(status: str) -> int:
    """What the app told; where that is no status (RFC 9110 section 15), the server's 500."""
    code = status[:3]
    return int(code) if code.isdigit() else _ERROR


def _kind(key: _Key) -> Kind:
    route, status, method, protocol, mount = key
    return Kind(
        mount + route,
        METHODS.get(method, OTHER_METHOD),
        _PROTOCOLS.get(protocol, 0),
        _status(status),
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
