"""The hot path of the WSGI recorder, in Python; `_wsgi_calls` is the same, compiled.

Both have a `Caller` that calls the app with a `Call` for each request. What most requests need is
here, and once more in C; what is rare is in `servescope.middleware.wsgi`, which `recording` leads
to.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from servescope.middleware.app_recording import NO_FLAGS
from servescope.middleware.kernel_wait import kernel_wait_ns
from servescope.recording.routes import ROUTE_KEY, WERKZEUG_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from servescope.middleware.wsgi import WsgiRecording

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], Any]]
    WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_MOST_DIGITS: Final = 19
"""Of a Content-Length: what is longer is no length of anything."""


class Caller:
    """A WSGI app that calls `app`, and has `recording` keep a record of each call."""

    def __init__(self, app: WsgiApp, recording: WsgiRecording) -> None:
        self.app = app
        self.recording = recording

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app; what it raises goes up."""
        call = Call()  # an __init__ would cost as much again as all that it set
        call.recording = recording = self.recording
        call.environ = environ
        call.start_response = start_response
        call.is_recorded = False
        call.status = ""
        call.rule = None
        call.sent = 0
        call.head_s = call.write_s = call.kernel_ns = 0.0
        if "gunicorn.socket" in environ:
            call.kernel_ns = kernel_wait_ns(environ["gunicorn.socket"])
        elif "werkzeug.socket" in environ:
            call.kernel_ns = kernel_wait_ns(environ["werkzeug.socket"])
        call.began_s = perf_counter()
        try:
            app = self.app  # an attribute called as a method would be looked up anew each time
            call.result = result = app(environ, call.start)
            if isinstance(result, (list, tuple)):  # the server's to look at
                call.sent += len(result[0]) if len(result) == 1 else sum(map(len, result))
                call.finish(NO_FLAGS)
                return result
            if type(result) in recording.streams:
                return call
            return recording.handed_on(call)
        except BaseException:
            recording.fail(call)
            raise


class Call:
    """One request: what is known of it so far, and its record once it has ended.

    It is the body, too, that the server gets, and the `write` that the app gets: an object less for
    each. Times are floats in seconds, which cost less to subtract and to pack than whole numbers of
    nanoseconds do; a double holds them to 4 ns after a year without a restart.
    """

    __slots__ = (
        "_server_write",
        "began_s",
        "environ",
        "head_s",
        "headers",
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
    recording: WsgiRecording
    environ: Environ
    start_response: StartResponse
    result: Iterable[bytes]
    status: str  # "" until started
    headers: list[tuple[str, str]]  # once started
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
        self.headers = headers
        # Asked now, because Flask takes its request out of the environ when the app returns.
        if WERKZEUG_REQUEST in self.environ:
            request = self.environ[WERKZEUG_REQUEST]
            self.rule = getattr(request, "url_rule", None)
            if self.rule is None:
                self.rule = self.recording.rule_instead(request)
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
            self.recording.fail(self)
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
                self.recording.leave(self)

    def finish(self, flags: int) -> None:
        """Record the request, which ends now."""
        ended_s = perf_counter()
        self.is_recorded = True
        recording, environ, rule = self.recording, self.environ, self.rule
        is_failed = False
        try:
            if rule is None or ROUTE_KEY in environ:
                key = recording.key(self)
            else:  # what `key` makes of it
                key = (
                    rule.rule,
                    self.status,
                    environ["REQUEST_METHOD"],
                    environ["SERVER_PROTOCOL"],
                    environ["SCRIPT_NAME"],
                )
            outlined = recording.outlines[key]
        except KeyError:
            outlined, flags, is_failed = recording.unusual(self, flags)
        received = 0
        if "CONTENT_LENGTH" in environ:
            length = environ["CONTENT_LENGTH"]
            if length.isdecimal() and len(length) <= _MOST_DIGITS:
                received = int(length)
        record = recording.record
        end_ns = record(
            outlined,
            flags,
            received,
            self.sent,
            self.kernel_ns,
            self.began_s,
            self.head_s or ended_s,
            self.write_s,
            ended_s,
        )
        if end_ns or is_failed:
            recording.keep_detail(self, end_ns, flags, received, ended_s)
