"""A recorder for WSGI apps (PEP 3333): `app = ServescopeMiddleware(app)`.

What the app returns is handed on as it is where the server may look at it: a list (whose length
becomes Content-Length) and the server's own `wsgi.file_wrapper` (which it sends with sendfile).
Anything else is handed on in an iterable that counts blocks. Times are taken on both sides of each
block, so that `body` is the app's own time and `write` the server's.
"""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

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
from servescope.recording.recorder import FIRST_ERROR_STATUS
from servescope.recording.ring import OTHER_ROUTE_NAME
from servescope.recording.routes import (
    ROUTE_KEY,
    UNMATCHED,
    environ_route,
    fold_path,
    has_no_rule,
)
from servescope.records import Method, Protocol

try:
    from servescope.middleware._wsgi_calls import Caller
except ImportError:  # not compiled for this Python
    from servescope.middleware.wsgi_calls import Caller

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from servescope.middleware.wsgi_calls import Call, Environ, WsgiApp

    _Key = tuple[str, str, str, str, str]

_PROTOCOLS: Final = {"HTTP/1.1": HTTP_1_1, "HTTP/1.0": int(Protocol.HTTP_1_0)}
_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_MOST_TYPES: Final = 64


class Rule(NamedTuple):
    """What is read of a rule of Werkzeug's."""

    rule: str


_NO_RULE: Final = Rule(UNMATCHED)


class ServescopeMiddleware(Caller):
    """Records each request that `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: WsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        super().__init__(app, WsgiRecording(listener or name_of(app), data_dir))


class WsgiRecording(AppRecording):
    """What a `Caller` asks of the recording of its app: all that is rare."""

    def __init__(self, listener: str, data_dir: Path | str | None = None) -> None:
        super().__init__(listener, data_dir)
        self.streams: set[type] = set()
        """Types of what is handed on block by block: a call whose app returned one is the body."""

    def rule_instead(self, request: Any) -> Rule | None:
        """What stands for the rule of a Werkzeug request that has none."""
        return _NO_RULE if has_no_rule(request) else None

    def handed_on(self, call: Call) -> Iterable[bytes]:
        """What the server gets in the place of an unknown type of what apps return."""
        result = call.result
        wrapper = call.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(result, wrapper):
            _answer_file(call, result)
            return result
        if hasattr(result, "__len__"):
            return _SizedBody(call)
        if len(self.streams) < _MOST_TYPES:
            self.streams.add(type(result))
        return call

    def fail(self, call: Call) -> None:
        """The app raised: the server answers 500, unless the head is out."""
        if call.is_recorded:
            return
        if not call.head_s:
            call.status = ""
        call.finish(APP_ERROR)

    def leave(self, call: Call) -> None:
        """The server has closed the body before its end: all was sent, or the client has left."""
        announced = _announced(call)
        is_whole = call.environ.get("REQUEST_METHOD") == "HEAD" or (
            announced is not None and call.sent >= announced
        )
        call.finish(NO_FLAGS if is_whole else ABORTED)

    def key(self, call: Call) -> _Key:
        """Route, status, method, protocol, and the mount that the route is relative to."""
        environ, rule = call.environ, call.rule
        mount = ""
        try:
            if rule is None or ROUTE_KEY in environ:
                route = environ_route(environ, _status(call.status), _path(environ))
            else:
                route, mount = rule.rule, environ.get("SCRIPT_NAME", "")
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            self.give_up_on(error)
            route = OTHER_ROUTE_NAME
        method, protocol = environ.get("REQUEST_METHOD", ""), environ.get("SERVER_PROTOCOL", "")
        return route, call.status, method, protocol, mount

    def unusual(self, call: Call, flags: int) -> tuple[int, int, bool]:
        """The first of its kind, a failed one or a HEAD: outline, flags, whether it has failed.

        These are remembered where `finish` does not look, which so has less to ask of the others.
        """
        try:
            return self._unusual(call, flags)
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            self.give_up_on(error)
            return self.unknown_kind(), flags, False

    def _unusual(self, call: Call, flags: int) -> tuple[int, int, bool]:
        key = self.key(call)
        kind = _kind(key)
        is_failed = kind.status >= FIRST_ERROR_STATUS
        is_head = kind.method == Method.HEAD
        if is_head:
            call.sent = 0  # whatever the app gave: the server sends none of it
        if not call.status[:3].isdecimal():
            # Never started, or started wrongly: the server makes a 500 of it.
            return self.learn(None, kind), flags | APP_ERROR, True
        if not is_failed and not is_head:
            return self.learn(key, kind), flags, False
        outlined = self.outlines.get((key,))
        if outlined is None:
            outlined = self.learn((key,), kind)
        return outlined, flags, is_failed

    def keep_detail(
        self, call: Call, end_ns: int, flags: int, received: int, ended_s: float
    ) -> None:
        """Show the request in the request log, when it is wanted there."""
        head_s = call.head_s or ended_s
        times = Times(call.kernel_ns, call.began_s, head_s, call.write_s, ended_s)
        environ, sent = call.environ, call.sent
        try:
            kind = _kind(self.key(call))
            self.record_detail(end_ns, kind, flags, received, sent, times, lambda: _asker(environ))
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            self.give_up_on(error)


class _SizedBody:
    """A body that can tell its number of blocks, by which servers find its Content-Length."""

    __slots__ = ("_call", "close")

    def __init__(self, call: Call) -> None:
        self._call = call
        self.close = call.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._call)

    def __len__(self) -> int:
        return len(self._call.result)  # type: ignore[arg-type]  # asked before this was chosen


def _answer_file(call: Call, wrapper: Any) -> None:
    """The server will send this file, and close it when that is done."""
    close = getattr(wrapper, "close", None)
    call.head_s = perf_counter()

    def closed() -> None:
        try:
            if close is not None:
                close()
        finally:
            call.write_s = perf_counter() - call.head_s
            call.sent = _announced(call) or 0
            call.finish(NO_FLAGS)

    try:
        wrapper.close = closed
    except AttributeError:  # a wrapper in C: its end stays unknown
        call.finish(NO_FLAGS)


def _announced(call: Call) -> int | None:
    if not call.status:
        return None
    try:
        for name, value in call.headers:
            if name.lower() == "content-length" and value.isdecimal():
                return int(value)
    except (AttributeError, TypeError, ValueError):  # no headers: the server's to refuse
        pass
    return None


def _status(status: str) -> int:
    """What the app told; where that is no status (RFC 9110 section 15), the server's 500."""
    code = status[:3]
    return int(code) if code.isdecimal() else _ERROR


def _kind(key: _Key) -> Kind:
    route, status, method, protocol, mount = key
    return Kind(
        fold_path(mount) + route,
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
