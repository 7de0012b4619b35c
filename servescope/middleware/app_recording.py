"""The part that both recorders share: from a finished request to this process's ring.

A request is counted by its labels (route, method, protocol, status). They are looked up once and
packed into one number, the request key; another request of the same labels then costs a lookup by
what the server and the app say of it, in their own terms. That keeps the path short, which within a
real app counts for more than its number of steps does on its own: there, every step starts with
cold caches.
"""

from __future__ import annotations

from http import HTTPStatus
from threading import current_thread
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from servescope.data_folder import recorded_data_dir
from servescope.errors import SettingsError
from servescope.middleware.process_rings import PROCESS_RINGS, UNRECORDED, log_warning
from servescope.recording.detail_layout import DetailTexts, Origin
from servescope.recording.detail_threshold import FIRST_ERROR_STATUS
from servescope.recording.record_layout import OTHER_ROUTE, OTHER_ROUTE_NAME, request_key
from servescope.recording.secret_names import mask_target
from servescope.recording.trace_context import trace_id_of
from servescope.request_fields import Method, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from servescope.recording.recorder import Recorder

OTHER_METHOD: Final = Method["_OTHER"]  # OpenTelemetry's name
NO_FLAGS: Final = 0
FAILED: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
"""The status that a server gives a response which the app has not begun."""

MOST_KNOWN: Final = 4_096
"""Kinds of request remembered; beyond, all are forgotten (an app may make up reason phrases)."""

MAX_PORT: Final = 0xFFFF
_PORT_DIGITS: Final = 5
_FALLBACK_NAME: Final = "app"
_NS_PER_S: Final = 1e9


class Labels(NamedTuple):
    """The labels that a request is counted by."""

    route: str
    method: int
    protocol: int
    status: int


class KnownRequest:
    """A kind of request: those that differ by nothing but their times and bytes."""

    __slots__ = ("is_usual", "key", "labels")

    def __init__(self, key: int, labels: Labels) -> None:
        self.key = key  # see record_layout.request_key
        self.labels = labels
        self.is_usual = labels.status < FIRST_ERROR_STATUS and labels.method != Method.HEAD


class ClientFacts(NamedTuple):
    """The request as its client sent it, for the request log."""

    target: str
    address: str
    port: object  # a number, or its digits; anything else is unknown
    user_agent: str
    traceparent: str


class Times(NamedTuple):
    """When an app was called, by `time.perf_counter`, and how long the kernel had waited."""

    kernel_ns: float
    began_s: float
    head_s: float
    write_s: float  # in sum
    ended_s: float

    @property
    def total_ns(self) -> float:
        """From the kernel's receipt to the end."""
        return self.kernel_ns + (self.ended_s - self.began_s) * _NS_PER_S

    @property
    def stages_ns(self) -> tuple[float, float, float, float, float, float]:
        """As they are recorded; `read` and `queue` are the server's, which does not show them."""
        app_s, rest_s = self.head_s - self.began_s, self.ended_s - self.head_s
        body_s = max(rest_s - self.write_s, 0.0)
        app_ns, body_ns, write_ns = (s * _NS_PER_S for s in (app_s, body_s, self.write_s))
        return self.kernel_ns, 0.0, 0.0, app_ns, body_ns, write_ns


class AppRecording:
    """Records the requests of one app under one listener name, from any thread and process.

    `data_dir` is the data folder of the dashboard that shall show them: by default
    SERVESCOPE_DATA_DIR, else the dashboard's own default.

    A fault of the folder or of the recording is logged, once, and never reaches the app, which is
    served on as if it were not recorded.
    """

    def __init__(self, listener: str, data_dir: Path | str | None = None) -> None:
        self.listener = listener
        self.data_dir: Path | None = None
        """None where no folder is known: then nothing is recorded."""
        try:
            self.data_dir = recorded_data_dir(data_dir)
        except SettingsError as error:
            log_warning(UNRECORDED, error)
        self._failures: set[type[Exception]] = set()
        self.known: dict[Hashable, KnownRequest] = {}
        """By the values that distinguish kinds of request for a recorder; `learn` adds to it."""
        self.record: Callable[..., int] = _record_nothing
        """`Recorder.record_call`, once the ring is open."""
        self.recorder: Recorder | None = None
        """None until the ring is open."""
        self._listener_id = 0
        PROCESS_RINGS.users.add(self)

    def learn(self, kind: Hashable | None, labels: Labels) -> KnownRequest:
        """Remember a kind of request, if it is one; the key is 0 while nothing is recorded."""
        recorder = self.recorder or self._open()
        if recorder is None:
            return KnownRequest(0, labels)
        route_id = recorder.route_id(self._listener_id, labels.route)
        key = request_key(
            self._listener_id, route_id, labels.method, labels.protocol, labels.status
        )
        known = KnownRequest(key, labels)
        if (
            kind is not None and route_id != OTHER_ROUTE
        ):  # these are bounded in number; names beyond them are not kept
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[kind] = known
        return known

    def _open(self) -> Recorder | None:
        recorder = None if self.data_dir is None else PROCESS_RINGS.recorder(self.data_dir)
        if recorder is not None:
            self._listener_id = recorder.listener_id(self.listener)
            self.record = recorder.record_call
            self.recorder = recorder  # the last: another thread may look any time
        return recorder

    def unknown(self) -> KnownRequest:
        """A request of which nothing is known but that there was one."""
        labels = Labels(OTHER_ROUTE_NAME, OTHER_METHOD, Protocol.UNKNOWN, FAILED)
        key = request_key(
            self._listener_id, OTHER_ROUTE, labels.method, labels.protocol, labels.status
        )
        return KnownRequest(key, labels)

    def record_detail(
        self,
        end_ns: int,
        known: KnownRequest,
        flags: int,
        received: int,
        sent: int,
        times: Times,
        tell_client: Callable[[], ClientFacts],
    ) -> None:
        """Keep what the request log shows of a request, when it is wanted there.

        `end_ns` as `record` answered it.
        """
        end_ns = end_ns or time_ns()
        labels = known.labels
        recorder = self.recorder
        if recorder is not None and recorder.wants_detail(labels.status, times.total_ns, end_ns):
            client = tell_client()
            texts = DetailTexts(
                self.listener,
                labels.route,
                mask_target(client.target),
                client.address,
                client.user_agent,
                current_thread().name,
            )
            origin = Origin(
                client_port=_port(client.port), trace_id=trace_id_of(client.traceparent)
            )
            recorder.write_detail(
                end_ns, known.key, flags, received, sent, times.stages_ns, texts, origin
            )

    def give_up_on(self, error: Exception) -> None:
        """A request could not be recorded as it was: log that, once for each kind of error."""
        if type(error) not in self._failures:
            self._failures.add(type(error))
            log_warning(
                "requests to %s are not all recorded as they were", self.listener, error=error
            )

    def begin_anew(self) -> None:
        """Forget, in a forked child, the parent's ring and its numbers."""
        self.recorder = None
        self.record = _record_nothing
        self.known.clear()


def _port(told: object) -> int:
    """The number of a port, 0 where none was told."""
    digits = str(told)
    is_port = digits.isascii() and digits.isdecimal() and len(digits) <= _PORT_DIGITS
    return int(digits) & MAX_PORT if is_port else 0


def _record_nothing(*_values: float) -> int:
    """Stand in for the recorder's `record_call` while the ring is not open."""
    return 0


def name_of(app: Any) -> str:
    """A listener name for an app: what it calls itself, or the module it comes from.

    Flask's `name`, FastAPI's `title`, else the module of a function, else the class.
    """
    try:
        return _told_name(app)
    except Exception:  # noqa: BLE001 - an app that is made when it is asked for may not be yet
        return _FALLBACK_NAME


def _told_name(app: Any) -> str:
    owner = getattr(app, "__self__", app)  # `flask_app.wsgi_app` is a method of the app
    for attribute in ("name", "title"):
        told = getattr(owner, attribute, None)
        if isinstance(told, str) and told:
            return told
    module = str(getattr(owner, "__module__", _FALLBACK_NAME))
    if hasattr(owner, "__code__"):
        return _FALLBACK_NAME if module == "__main__" else module
    return type(owner).__name__
