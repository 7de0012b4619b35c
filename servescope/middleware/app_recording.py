"""What both recorders share: from a finished request to this process's ring."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.middleware.process_rings import PROCESS_RINGS
from servescope.recording.ring import OTHER_ROUTE, OTHER_ROUTE_NAME
from servescope.records import Method, Protocol, RequestDetail, RequestFlag, RequestRecord
from servescope.settings import default_data_dir

if TYPE_CHECKING:
    from servescope.recording import Recorder

DATA_DIR: Final = "SERVESCOPE_DATA_DIR"
METHODS: Final = {method.name: int(method) for method in Method}
OTHER_METHOD: Final = 0
NO_FLAGS: Final = 0
APP_ERROR: Final = int(RequestFlag.APP_ERROR)
ABORTED: Final = int(RequestFlag.ABORTED)
HTTP_1_1: Final = int(Protocol.HTTP_1_1)
_FALLBACK_NAME: Final = "app"


class AppRecording:
    """Records the requests of one app under one listener name, from any thread and process.

    `data_dir` is the data folder of the dashboard that shall show them: by default
    SERVESCOPE_DATA_DIR, else the dashboard's own default.
    """

    def __init__(self, listener: str, data_dir: Path | str | None = None) -> None:
        self.listener = listener
        chosen = data_dir or os.environ.get(DATA_DIR) or default_data_dir()
        self.data_dir = Path(chosen).expanduser().absolute()
        self._opened_in: object = None
        self._recorder: Recorder | None = None
        self._listener_id = 0
        self._route_ids: dict[str, int] = {}

    def record(
        self,
        method: int,
        protocol: int,
        route: str,
        status: int,
        flags: int,
        received: int,
        sent: int,
        kernel_ns: int,
        app_ns: int,
        body_ns: int,
        write_ns: int,
    ) -> RequestRecord | None:
        """Record a request that ends now; answers its record when its details are wanted too.

        `received` and `sent` are bytes of the bodies: a middleware does not see the heads.
        """
        recorder = self._recorder
        if recorder is None or self._opened_in is not PROCESS_RINGS.start:
            recorder = self._open()
            if recorder is None:
                return None
        end_ns = time.time_ns()
        route_id = self._route_ids.get(route) or self._route_id(recorder, route)
        recorder.record(
            end_ns,
            self._listener_id,
            route_id,
            method,
            protocol,
            status,
            flags,
            received,
            sent,
            kernel_ns,
            0.0,
            0.0,
            app_ns,
            body_ns,
            write_ns,
        )
        if not recorder.wants_detail(status, kernel_ns + app_ns + body_ns + write_ns, end_ns):
            return None
        return RequestRecord(
            end_ns=end_ns,
            listener_id=self._listener_id,
            route_id=route_id,
            method=Method(method),
            protocol=protocol,
            status=status,
            flags=RequestFlag(flags),
            bytes_received=received,
            bytes_sent=sent,
            stages_ns=(kernel_ns, 0.0, 0.0, app_ns, body_ns, write_ns),
        )

    def record_detail(
        self, record: RequestRecord, route: str, target: str, client: str, user_agent: str
    ) -> None:
        """Keep what the request log shows of a request."""
        recorder = self._recorder
        if recorder is not None:
            known = route if record.route_id != OTHER_ROUTE else OTHER_ROUTE_NAME
            recorder.write_detail(
                RequestDetail(record, self.listener, known, target, client, user_agent)
            )

    def _open(self) -> Recorder | None:
        start = PROCESS_RINGS.start
        recorder = PROCESS_RINGS.recorder(self.data_dir)
        if recorder is not None:
            self._listener_id = recorder.listener_id(self.listener)
            self._route_ids = {}
            self._opened_in = start
        self._recorder = recorder  # the last: another thread may look any time
        return recorder

    def _route_id(self, recorder: Recorder, route: str) -> int:
        number = recorder.route_id(self._listener_id, route)
        if number != OTHER_ROUTE:  # these are bounded; the names beyond them are not kept
            self._route_ids[route] = number
        return number


def name_of(app: Any) -> str:
    """A listener name for an app: what it calls itself, or the module it comes from.

    Flask's `name`, FastAPI's `title`, else the module of a function, else the class.
    """
    owner = getattr(app, "__self__", app)  # `flask_app.wsgi_app` is a method of the app
    for attribute in ("name", "title"):
        told = getattr(owner, attribute, None)
        if isinstance(told, str) and told:
            return told
    module = str(getattr(owner, "__module__", _FALLBACK_NAME))
    if hasattr(owner, "__code__"):
        return _FALLBACK_NAME if module == "__main__" else module
    return type(owner).__name__
