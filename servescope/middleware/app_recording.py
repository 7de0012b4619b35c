"""What both recorders share: from a finished request to this process's ring.

What a request has in common with others of its kind (route, method, protocol, status) is looked up
once and packed into one number, its outline; a request then costs a lookup by what the server and
the app say of it, in their own terms. That keeps the path short, which within a real app counts for
more than its number of steps does on its own: there, every step starts with cold caches.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from servescope.environment import value_of
from servescope.errors import SettingsError
from servescope.middleware.process_rings import PROCESS_RINGS, UNRECORDED
from servescope.paths import absolute
from servescope.recording.record_layout import outline
from servescope.recording.ring import OTHER_ROUTE, OTHER_ROUTE_NAME
from servescope.records import Method, Protocol, RequestDetail, RequestFlag, RequestRecord
from servescope.settings import default_data_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from servescope.recording import Recorder

logger = logging.getLogger(__name__)

DATA_DIR: Final = "SERVESCOPE_DATA_DIR"
METHODS: Final = {method.name: int(method) for method in Method}
OTHER_METHOD: Final = 0
NO_FLAGS: Final = 0
APP_ERROR: Final = int(RequestFlag.APP_ERROR)
ABORTED: Final = int(RequestFlag.ABORTED)
HTTP_1_1: Final = int(Protocol.HTTP_1_1)
FAILED: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
MOST_OUTLINES: Final = 4_096
"""Kinds of request remembered; beyond, all are forgotten (an app may make up reason phrases)."""

_FALLBACK_NAME: Final = "app"
_NS_PER_S: Final = 1e9


class Kind(NamedTuple):
    """What an outline tells."""

    route: str
    method: int
    protocol: int
    status: int


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
        """As they are recorded; `read` and `queue` are the server's, which did not tell."""
        app_s, rest_s = self.head_s - self.began_s, self.ended_s - self.head_s
        body_s = max(rest_s - self.write_s, 0.0)
        app_ns, body_ns, write_ns = (s * _NS_PER_S for s in (app_s, body_s, self.write_s))
        return self.kernel_ns, 0.0, 0.0, app_ns, body_ns, write_ns


class AppRecording:
    """Records the requests of one app under one listener name, from any thread and process.

    `data_dir` is the data folder of the dashboard that shall show them: by default
    SERVESCOPE_DATA_DIR, else the dashboard's own default.

    Whatever is wrong with the folder or goes wrong while recording is logged, once, and never
    reaches the app: it is served on as if nobody recorded it.
    """

    def __init__(self, listener: str, data_dir: Path | str | None = None) -> None:
        self.listener = listener
        self.data_dir: Path | None = None
        """None where no folder is known: then nothing is recorded."""
        try:
            self.data_dir = absolute(data_dir or value_of(DATA_DIR) or default_data_dir())
        except SettingsError as error:
            logger.warning(UNRECORDED, error)
        self._failures: set[type[Exception]] = set()
        self.outlines: dict[Hashable, int] = {}
        """By whatever a recorder knows a kind of request again; `learn` adds to it."""
        self.record: Callable[..., int] = _record_nothing
        """`Recorder.record_call`, once the ring is open."""
        self.recorder: Recorder | None = None
        """None until the ring is open."""
        self._listener_id = 0
        PROCESS_RINGS.users.add(self)

    def learn(self, key: Hashable | None, kind: Kind) -> int:
        """The outline of a kind, from now on under `key`; any number while nothing is recorded."""
        recorder = self.recorder or self._open()
        if recorder is None:
            return 0
        route_id = recorder.route_id(self._listener_id, kind.route)
        outlined = outline(self._listener_id, route_id, kind.method, kind.protocol, kind.status)
        # Routes are bounded in number; the names beyond these are not kept.
        if key is not None and route_id != OTHER_ROUTE:
            if len(self.outlines) >= MOST_OUTLINES:
                self.outlines.clear()
            self.outlines[key] = outlined
        return outlined

    def _open(self) -> Recorder | None:
        recorder = None if self.data_dir is None else PROCESS_RINGS.recorder(self.data_dir)
        if recorder is not None:
            self._listener_id = recorder.listener_id(self.listener)
            self.record = recorder.record_call
            self.recorder = recorder  # the last: another thread may look any time
        return recorder

    def record_detail(
        self,
        end_ns: int,
        kind: Kind,
        flags: int,
        received: int,
        sent: int,
        times: Times,
        asker: Callable[[], tuple[str, str, str]],
    ) -> None:
        """Keep what the request log shows of a request, when it is wanted there.

        `end_ns` as `record` answered it; `asker` tells target, client and user agent.
        """
        end_ns = end_ns or time_ns()
        recorder = self.recorder
        if recorder is None or not recorder.wants_detail(kind.status, times.total_ns, end_ns):
            return
        route_id = recorder.route_id(self._listener_id, kind.route)
        record = RequestRecord(
            end_ns=end_ns,
            listener_id=self._listener_id,
            route_id=route_id,
            method=Method(kind.method),
            protocol=kind.protocol,
            status=kind.status,
            flags=RequestFlag(flags),
            bytes_received=received,
            bytes_sent=sent,
            stages_ns=times.stages_ns,
        )
        route = kind.route if route_id != OTHER_ROUTE else OTHER_ROUTE_NAME
        recorder.write_detail(RequestDetail(record, self.listener, route, *asker()))

    def give_up_on(self, error: Exception) -> None:
        """A request could not be recorded as it was: log that, once for each kind of error."""
        if type(error) not in self._failures:
            self._failures.add(type(error))
            logger.warning(
                "requests to %s are not all recorded as they were",
                self.listener,
                exc_info=error,
            )

    def unknown_kind(self) -> int:
        """The outline of a request of which nothing is known but that there was one."""
        return outline(self._listener_id, OTHER_ROUTE, OTHER_METHOD, Protocol.UNKNOWN, FAILED)

    def begin_anew(self) -> None:
        """Forget, in a forked child, the parent's ring and its numbers."""
        self.recorder = None
        self.record = _record_nothing
        self.outlines.clear()


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
