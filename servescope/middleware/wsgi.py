"""A recorder for WSGI apps (PEP 3333): `app = ServescopeMiddleware(app)`.

The app's result is handed on as it is where the server may look at it: a list (whose length becomes
Content-Length) and the server's own `wsgi.file_wrapper` (which it sends with sendfile). Anything
else is handed on in an iterable that counts blocks. Times are taken on both sides of each block, so
that `body` is the app's own time and `write` the server's.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from servescope.middleware.app_recording import (
    FAILED,
    NO_FLAGS,
    OTHER_METHOD,
    AppRecording,
    ClientFacts,
    KnownRequest,
    Labels,
    Times,
    name_of,
)
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.recording.record_layout import OTHER_ROUTE_NAME
from servescope.recording.routes import wsgi_route
from servescope.request_fields import METHODS, Method, Protocol, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_PROTOCOLS: Final = {"HTTP/1.1": Protocol.HTTP_1_1, "HTTP/1.0": Protocol.HTTP_1_0}
_FAILED: Final = str(FAILED)
_MOST_TYPES: Final = 64
_MOST_DIGITS: Final = 19
"""Of a Content-Length: a longer one is no length of anything."""


class ServescopeMiddleware:
    """Records each request that `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: WsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        self.app = app
        self.recording = AppRecording(listener or name_of(app), data_dir)
        self._streams: set[type] = set()
        """Types of what is handed on block by block, so that they are looked at once."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app, and let its exceptions through."""
        # No __init__: with one, a list in `benchmarks/middleware.py` takes 1.32 µs, not 1.24.
        call = _Call()
        call.recording = self.recording
        call.environ = environ
        call.start_response = start_response
        call.is_recorded = False
        call.status = call.route = ""
        call.sent = 0
        call.head_s = call.write_s = call.kernel_ns = 0.0
        if "gunicorn.socket" in environ:
            call.kernel_ns = kernel_wait_ns(environ["gunicorn.socket"])
        elif "werkzeug.socket" in environ:
            call.kernel_ns = kernel_wait_ns(environ["werkzeug.socket"])
        call.began_s = perf_counter()
        try:
            call.result = result = self.app(environ, call.start)
            if type(result) in self._streams:
                return call
            return self._hand_on(call, result)
        except BaseException:
            call.fail()
            raise

    def _hand_on(self, call: _Call, result: Iterable[bytes]) -> Iterable[bytes]:
        """The iterable that the server gets in the place of the app's."""
        if isinstance(result, (list, tuple)):
            call.finish_whole(result)
            return result
        wrapper = call.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(result, wrapper):
            call.follow_file(result)
            return result
        if hasattr(result, "__len__"):
            return _SizedBody(call, result)
        if len(self._streams) < _MOST_TYPES:
            self._streams.add(type(result))
        return call


class _Call:
    """One call of the app: what is known of it so far, and its record once it has ended.

    It is also the body that the server gets in the place of an iterable of the app's. Times are
    floats in seconds, which cost less to subtract and to pack than whole numbers of nanoseconds do;
    a double holds them to 4 ns after a year without a restart.
    """

    __slots__ = (
        "began_s",
        "environ",
        "head_s",
        "headers",
        "is_recorded",
        "kernel_ns",
        "recording",
        "result",
        "route",
        "sent",
        "server_write",
        "start_response",
        "status",
        "write_s",
    )
    recording: AppRecording
    environ: Environ
    start_response: StartResponse
    server_write: Callable[[bytes], Any]  # once started
    status: str  # "" until started, and when the app has failed before its head was out
    headers: list[tuple[str, str]]  # once started
    route: str  # "" until started
    result: Iterable[bytes]  # once the app has returned
    is_recorded: bool
    sent: int  # bytes
    kernel_ns: float
    began_s: float
    head_s: float  # 0 until it is out
    write_s: float  # in sum

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """The app's `start_response`: the server's, after which it is known what was accepted."""
        if exc_info is None:
            self.server_write = self.start_response(status, headers)
        else:
            self.server_write = self.start_response(status, headers, exc_info)
        self.headers = headers
        self.status = status
        try:
            self.route = wsgi_route(self.environ, status)
        except Exception as error:  # noqa: BLE001 - the boundary to the app: its objects are asked
            self.recording.give_up_on(error)
            self.route = OTHER_ROUTE_NAME
        return self.write

    def write(self, data: bytes) -> Any:
        """The app's `write`: the server's, counted and timed."""
        before_s = perf_counter()
        if not self.head_s:
            self.head_s = before_s
        answer = self.server_write(data)
        self.write_s += perf_counter() - before_s
        self.sent += len(data)
        return answer

    def finish_whole(self, result: list[bytes] | tuple[bytes, ...]) -> None:
        """All of the body is there."""
        self.sent += len(result[0]) if len(result) == 1 else sum(map(len, result))
        self._finish(NO_FLAGS)

    def follow_file(self, wrapper: Any) -> None:
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
                self._finish(NO_FLAGS)

        try:
            wrapper.close = closed
        except AttributeError:  # a wrapper in C: its end stays unknown
            self._finish(NO_FLAGS)

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
            self._finish(NO_FLAGS)

    def close(self) -> None:
        """The app's own `close`, if any, which PEP 3333 has the server call in any case."""
        try:
            close = getattr(self.result, "close", None)
            if close is not None:
                close()
        finally:
            if not self.is_recorded:
                self._leave()

    def _leave(self) -> None:
        """The server has closed the body before its end: all was sent, or the client has left."""
        announced = self._announced()
        is_whole = self.environ.get("REQUEST_METHOD") == "HEAD" or (
            announced is not None and self.sent >= announced
        )
        self._finish(NO_FLAGS if is_whole else RequestFlag.ABORTED)

    def fail(self) -> None:
        """The app raised: the server answers 500, unless the head is out."""
        if self.is_recorded:
            return
        if not self.head_s:
            self.status = ""
        self._finish(RequestFlag.APP_ERROR)

    def _announced(self) -> int | None:
        """The Content-Length that the app announced."""
        if not self.status:
            return None
        try:
            for name, value in self.headers:
                if name.lower() == "content-length" and value.isdecimal():
                    return int(value)
        except (AttributeError, TypeError, ValueError):  # no headers: the server's to refuse
            pass
        return None

    def _finish(self, flags: int) -> None:
        """Record the request, which ends now."""
        ended_s = perf_counter()
        self.is_recorded = True
        recording, environ = self.recording, self.environ
        try:
            known = recording.known[
                self.route, self.status, environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"]
            ]
        except (KeyError, TypeError):
            known = self._learn()
        try:
            if not known.is_usual:
                if known.labels.method == Method.HEAD:
                    self.sent = 0  # whatever the app gave: the server sends none of it
                if not self.status[:3].isdecimal():
                    # Not started, or with no status: the server makes it a 500.
                    flags |= RequestFlag.APP_ERROR
            received = 0
            if "CONTENT_LENGTH" in environ:
                length = environ["CONTENT_LENGTH"]
                if length.isdecimal() and len(length) <= _MOST_DIGITS:
                    received = int(length)
            end_ns = recording.record(
                known.key,
                flags,
                received,
                self.sent,
                self.kernel_ns,
                self.began_s,
                self.head_s or ended_s,
                self.write_s,
                ended_s,
            )
            if end_ns or not known.is_usual:
                head_s = self.head_s or ended_s
                times = Times(self.kernel_ns, self.began_s, head_s, self.write_s, ended_s)
                recording.record_detail(
                    end_ns, known, flags, received, self.sent, times, self._tell_client
                )
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            recording.give_up_on(error)

    def _learn(self) -> KnownRequest:
        """Remember a kind of request that has not been before."""
        environ, recording, status = self.environ, self.recording, self.status
        method: str = environ.get("REQUEST_METHOD", "")
        protocol: str = environ.get("SERVER_PROTOCOL", "")
        code = status[:3]
        try:
            route = self.route or wsgi_route(environ, _FAILED)
            labels = Labels(
                route,
                METHODS.get(method, OTHER_METHOD),
                _PROTOCOLS.get(protocol, Protocol.UNKNOWN),
                int(code) if code.isdecimal() else FAILED,
            )
            kind = (route, status, method, protocol) if self.route else None
            return recording.learn(kind, labels)
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            recording.give_up_on(error)
            return recording.unknown()

    def _tell_client(self) -> ClientFacts:
        environ = self.environ
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        if not target:
            query = environ.get("QUERY_STRING", "")
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            path = path if path.isascii() else quote(path, encoding="latin-1")  # PEP 3333
            target = quote(path, safe="/%") + (f"?{query}" if query else "")
        return ClientFacts(
            target,
            environ.get("REMOTE_ADDR", ""),
            environ.get("REMOTE_PORT"),
            environ.get("HTTP_USER_AGENT", ""),
            environ.get("HTTP_TRACEPARENT", ""),
        )


class _SizedBody:
    """A body that can tell its number of blocks, by which servers find its Content-Length."""

    __slots__ = ("_call", "_result", "close")

    def __init__(self, call: _Call, result: Any) -> None:
        self._call = call
        self._result = result
        self.close = call.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._call)

    def __len__(self) -> int:
        return len(self._result)
