"""The exchanges of a listener that are captured, and their way to their files.

Theory of operation. A site has a gate while a capture is on, and None otherwise. The gate looks at
each head; an exchange that may match is captured from there on, and judged once the request is
answered, since only then its route and its time are known. Each process has gates of its own, and
no gate lets more through than the order asks for; the leader, who counts the files, ends the
capture for all (`runtime.captures`). Masking and writing are done on a thread of the gate's own: a
request waits for neither.
"""

from __future__ import annotations

import os
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from servescope.capturing.document import masked_document
from servescope.capturing.exchange_capture import ExchangeCapture
from servescope.hosting.unfailing_log import UnfailingLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.capturing.exchange_capture import File
    from servescope.capturing.files import CaptureFolder
    from servescope.hosting.exchange import Exchange
    from servescope.records.captures import CaptureOrder
    from servescope.records.listeners import ListenerSpec

WRITTEN_WITHIN_S: Final = 0.5
"""How long the end of a gate waits for what was captured last to be written; its thread goes on."""

_NS: Final = 1_000_000_000
_ID_BYTES: Final = 8
_log = UnfailingLogger(__name__)


class CaptureGate:
    """The captures of one listener for one order, in one process; any thread may call.

    `loaded_s` is the epoch second at which its app was loaded.
    """

    def __init__(
        self, order: CaptureOrder, spec: ListenerSpec, folder: CaptureFolder, loaded_s: float
    ) -> None:
        self.order = order
        self.masks_query = order.masks_query
        self._spec = spec
        self._folder = folder
        self._loaded_s = loaded_s
        self._left = order.count
        self._lock = threading.Lock()
        self._kept: SimpleQueue[ExchangeCapture | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._is_closed = False
        self._has_failed = False

    now_ns = staticmethod(time.perf_counter_ns)

    def begin(self, exchange: Exchange, head: bytes) -> None:
        """Capture the exchange, if it may match (see `hosting.site.Captures`)."""
        if self._left > 0 and time.time() < self.order.until_s and self._may_match(exchange):
            exchange.capture = capture = ExchangeCapture(
                self, head, exchange.first_byte_ns, exchange.kernel_ns
            )
            capture.note("parse", "valid" if exchange.head else "refused")

    def _may_match(self, exchange: Exchange) -> bool:
        wanted = self.order.filter
        if not wanted.header:
            return exchange.head is not None or not wanted.route
        if exchange.head is None:
            return False
        name = wanted.header.encode("latin-1", "replace")
        part = wanted.header_value.lower()
        return any(
            part in value.decode("latin-1").lower()
            for known, value in exchange.head.headers
            if known == name
        )

    # The methods that an ExchangeCapture calls of its judge.

    def accept(self, capture: ExchangeCapture, route: str, total_ns: float) -> int:
        """The id under which an answered exchange is kept; 0: it is not."""
        wanted = self.order.filter
        if (wanted.route and route != wanted.route) or total_ns < wanted.slower_than_s * _NS:
            return 0
        with self._lock:
            if self._left <= 0 or self._is_closed:
                return 0
            self._left -= 1
        # A positive number of SQLite, and not 0.
        capture.id = int.from_bytes(os.urandom(_ID_BYTES)) >> 1 | 1
        return capture.id

    def keep(self, capture: ExchangeCapture) -> None:
        """Write what was captured, if it was accepted."""
        if not capture.id:
            return
        with self._lock:
            self._kept.put(capture)
            if self._writer is None:
                name = f"{self._spec.name}-captures"
                writer = threading.Thread(target=self._write_all, name=name, daemon=True)
                writer.start()
                if self._is_closed:  # a WebSocket outlived the capture: that was the last of it
                    self._kept.put(None)
                else:
                    self._writer = writer

    def thread_name(self) -> str:
        """The name of the thread that asks."""
        return threading.current_thread().name

    def read_file(self, file: File, offset: int, count: int) -> bytes:
        """Bytes of a file; none when it cannot be read."""
        try:
            return os.pread(file.fileno(), count, offset)
        except (OSError, ValueError):
            return b""

    def describe(self, exchange: Exchange, route: str, end_ns: int) -> dict[str, Any]:
        """The facts of an answered exchange that stand beside what was captured of it."""
        spec = self._spec
        return {
            "order": self.order.id,
            "listener": spec.name,
            "model": str(spec.model),
            "app": spec.app,
            "app_kind": str(spec.app_kind),
            "pid": os.getpid(),
            "method": exchange.method,
            "target": exchange.target,
            "route": route,
            "status": exchange.status,
            "bytes_received": exchange.bytes_received,
            "bytes_sent": exchange.bytes_sent,
            "end_s": end_ns / _NS,
            "loaded_s": self._loaded_s,
            "masks_query": self.masks_query,
        }

    def close(self) -> None:
        """Capture no more, and wait a moment for what was captured to be written."""
        with self._lock:
            self._is_closed = True
            self._left = 0
            writer, self._writer = self._writer, None
        if writer is not None:
            self._kept.put(None)
            writer.join(WRITTEN_WITHIN_S)

    def _write_all(self) -> None:
        while (capture := self._kept.get()) is not None:
            try:
                self._folder.write(self.order.id, capture.id, masked_document(capture))
            except OSError as error:
                self._warn_once(error)
            except BaseException:  # noqa: BLE001 - the writer's boundary: an app's objects are shown here
                _log.exception("listener %s: a captured request is lost", self._spec.name)
            del capture  # the wait for the next one may be long

    def _warn_once(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            name = self._spec.name
            _log.warning("listener %s: captured requests are lost: %s", name, error.strerror)


class CaptureSwitch:
    """The order that a listener captures by, None while it captures nothing.

    `change` tells whoever has to know: the site, or the processes of a model's own.
    """

    def __init__(self) -> None:
        self.order: CaptureOrder | None = None
        self._told: list[Callable[[CaptureOrder | None], None]] = []

    def on_change(self, tell: Callable[[CaptureOrder | None], None]) -> None:
        """Call `tell` with each new order."""
        self._told.append(tell)

    def change(self, order: CaptureOrder | None) -> None:
        """Capture by another order, or no more; nothing happens where it is the same."""
        if order != self.order:
            self.order = order
            for tell in self._told:
                tell(order)
