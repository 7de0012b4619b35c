"""A recorder for WSGI apps (PEP 3333): `app = ServescopeMiddleware(app)`.

What the app returns is handed on as it is where the server may look at it: a list (whose length
becomes Content-Length) and the server's own `wsgi.file_wrapper` (which it sends with sendfile).
Anything else is handed on in an iterable that counts blocks. Times are taken on both sides of each
block, so that `body` is the app's own time and `write` the server's.
"""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from servescope.hosting.routes import environ_route
from servescope.middleware.app_recording import (
    ABORTED,
    APP_ERROR,
    HTTP_1_1,
    METHODS,
    NO_FLAGS,
    OTHER_METHOD,
    AppRecording,
    name_of,
)
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.records import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from servescope.records import RequestRecord

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_PROTOCOLS: Final = {"HTTP/1.1": HTTP_1_1, "HTTP/1.0": int(Protocol.HTTP_1_0)}
_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)


class ServescopeMiddleware:
    """Records each request that `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: WsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        self.app = app
        self.recording = AppRecording(listener or name_of(app), data_dir)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app; what it raises goes up."""
        request = _Request(self.recording, environ, start_response)
        try:
            result = self.app(environ, request.start)
            if isinstance(result, (list, tuple)):
                request.answer_whole(result)
                return result
            wrapper = environ.get("wsgi.file_wrapper")
            if isinstance(wrapper, type) and isinstance(result, wrapper):
                request.answer_file(result)
                return result
            if hasattr(result, "__len__"):
                return _SizedBody(result, request)
            return _Body(result, request)
        except BaseException:
            request.fail()
            raise


class _Request:
    """One request: what is known of it so far, and its record once it has ended."""

    _is_recorded = False  # defaults of the class: what a request does not do costs nothing
    _status = ""
    _kernel_ns = _head_ns = _sent = _write_ns = 0

    def __init__(
        self, recording: AppRecording, environ: Environ, start_response: StartResponse
    ) -> None:
        self._recording = recording
        self._environ = environ
        self._start_response = start_response
        sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
        if sock is not None:
            self._kernel_ns = kernel_wait_ns(sock)
        self._began_ns = perf_counter_ns()

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """The app's `start_response`: the server's, after which it is known what was accepted."""
        if exc_info is None:
            self._write = self._start_response(status, headers)
        else:
            self._write = self._start_response(status, headers, exc_info)
        self._status = status
        self._headers = headers
        # Asked now, because Flask takes its request out of the environ when the app returns.
        self._route = environ_route(self._environ, status[:3], _path(self._environ))
        return self.write

    def write(self, data: bytes) -> Any:
        """The app's `write`: the server's, counted and timed."""
        before = perf_counter_ns()
        if not self._head_ns:
            self._head_ns = before
        answer = self._write(data)
        self._write_ns += perf_counter_ns() - before
        self._sent += len(data)
        return answer

    def answer_whole(self, blocks: list[bytes] | tuple[bytes, ...]) -> None:
        """The app is done, and this is all of its body."""
        self._sent += len(blocks[0]) if len(blocks) == 1 else sum(map(len, blocks))
        self._finish(NO_FLAGS)

    def answer_file(self, wrapper: Any) -> None:
        """The server will send this file, and close it when that is done."""
        close = getattr(wrapper, "close", None)
        self._head_ns = perf_counter_ns()

        def closed() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self._write_ns = perf_counter_ns() - self._head_ns
                self._sent = self._announced() or 0
                self._finish(NO_FLAGS)

        try:
            wrapper.close = closed
        except AttributeError:  # a wrapper in C: its end stays unknown
            self._finish(NO_FLAGS)

    def blocks(self, result: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Hand on the app's blocks; PEP 3333: the head goes out with the first that is not empty.

        A generator: of all ways to stand between an iterator and a loop it costs least.
        """
        sent = write_ns = 0
        try:
            for block in result:
                left_ns = perf_counter_ns()
                if block:
                    sent += len(block)
                    if not self._head_ns:
                        self._head_ns = left_ns
                yield block
                write_ns += perf_counter_ns() - left_ns  # until the server asks for more
        except GeneratorExit:  # the server stops here; its `close` comes next
            self._sent += sent
            self._write_ns += write_ns
            raise
        except BaseException:
            self._sent += sent
            self._write_ns += write_ns
            self.fail()
            raise
        self._sent += sent
        self._write_ns += write_ns
        self.end()

    def end(self) -> None:
        """The app has no more body."""
        if not self._is_recorded:
            self._finish(NO_FLAGS)

    def close(self) -> None:
        """The server lets go; before the end of the body that means the client has left."""
        if self._is_recorded:
            return
        announced = self._announced()
        is_whole = self._environ.get("REQUEST_METHOD") == "HEAD" or (
            announced is not None and self._sent >= announced
        )
        self._finish(NO_FLAGS if is_whole else ABORTED)

    def fail(self) -> None:
        """The app raised: the server answers 500, unless the head is out."""
        if self._is_recorded:
            return
        if not self._head_ns:
            self._status = ""
        self._finish(APP_ERROR)

    def _announced(self) -> int | None:
        if self._status:
            for name, value in self._headers:
                if name.lower() == "content-length" and value.isdigit():
                    return int(value)
        return None

    def _finish(self, flags: int) -> None:
        self._is_recorded = True
        now = perf_counter_ns()
        head_ns = self._head_ns or now
        environ = self._environ
        status = self._status[:3]
        if status.isdigit():
            route, code = self._route, int(status)
        else:  # never started, or started wrongly: the server makes a 500 of it
            route = environ_route(environ, "500", _path(environ))
            code, flags = _ERROR, flags | APP_ERROR
        name = environ.get("REQUEST_METHOD", "")
        length = environ.get("CONTENT_LENGTH", "")
        record = self._recording.record(
            METHODS.get(name, OTHER_METHOD),
            _PROTOCOLS.get(environ.get("SERVER_PROTOCOL", ""), 0),
            route,
            code,
            flags,
            int(length) if length.isdigit() else 0,
            0 if name == "HEAD" else self._sent,
            self._kernel_ns,
            head_ns - self._began_ns,
            max(now - head_ns - self._write_ns, 0),
            self._write_ns,
        )
        if record is not None:
            self._detail(record, route)

    def _detail(self, record: RequestRecord, route: str) -> None:
        environ = self._environ
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        if not target:
            query = environ.get("QUERY_STRING", "")
            target = quote(_path(environ), safe="/%") + (f"?{query}" if query else "")
        client = environ.get("REMOTE_ADDR", "")
        agent = environ.get("HTTP_USER_AGENT", "")
        self._recording.record_detail(record, route, target, client, agent)


class _Body:
    """What the app returned, block by block. `close` is the app's own, when it has one."""

    __slots__ = ("_blocks", "_request", "_result")

    def __init__(self, result: Iterable[bytes], request: _Request) -> None:
        self._result = result
        self._request = request
        self._blocks = request.blocks(result)

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        """What PEP 3333 has the server call in any case."""
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        finally:
            self._blocks.close()
            self._request.close()


class _SizedBody(_Body):
    """A body that can tell its number of blocks, by which servers find its Content-Length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]  # asked before this class was chosen


def _path(environ: Environ) -> str:
    """The path as it was asked for; PEP 3333 has its bytes decoded as latin-1."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path if path.isascii() else quote(path, encoding="latin-1")
