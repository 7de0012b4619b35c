"""The writer of a ring of 64-byte request records."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from servescope.recording import ring_file
from servescope.recording.record_layout import OTHER_ROUTE, SLOT, request_key
from servescope.recording.ring_file import NameKind, RingKind
from servescope.recording.slots import Slots

if TYPE_CHECKING:
    from pathlib import Path

CAPACITY: Final = 2**17
"""Slots of a server's ring: 8 MiB, 26 s at 5,000 requests/s."""

MAX_ROUTES: Final = 500
_MAX_U16: Final = 0xFFFF


class RingWriter:
    """One process's ring. Any thread of it may record.

    Raises DataFolderError when the file cannot be made.
    """

    def __init__(self, path: Path, kind: RingKind, capacity: int = CAPACITY) -> None:
        self.path = path
        header = ring_file.Header(kind, SLOT.size, capacity, os.getpid(), time.time_ns())
        self._mapping, self._descriptor = ring_file.create(path, header)
        self._lock = threading.Lock()
        self._listeners: dict[str, int] = {}
        self._routes: dict[str, int] = {}
        self._routes_of: dict[int, set[str]] = {}
        self.slots = Slots(self._mapping, capacity)
        self.record_request = self.slots.request_recorder()
        """record_request(end_ns, request_key, flags, bytes_received, bytes_sent, kernel_ns,
        read_ns, queue_ns, app_ns, body_ns, write_ns)."""

    def record(
        self,
        end_ns: int,
        listener_id: int,
        route_id: int,
        method: int,
        protocol: int,
        status: int,
        *rest: float,
    ) -> None:
        """Record a request whose key is not known; `rest` is that of `record_request`."""
        key = request_key(listener_id, route_id, method, protocol, status)
        self.record_request(end_ns, key, *rest)

    def listener_id(self, name: str) -> int:
        """The number of a listener in this ring's records, from 1."""
        with self._lock:
            return self._intern(self._listeners, NameKind.LISTENER, name)

    def route_id(self, listener_id: int, route: str) -> int:
        """The number of a route; `OTHER_ROUTE` after a listener's first 500, or a full table."""
        known = self._routes_of.get(listener_id)
        if known is not None and route in known:
            return self._routes[route]
        with self._lock:
            known = self._routes_of.setdefault(listener_id, set())
            if len(known) >= MAX_ROUTES:
                return OTHER_ROUTE
            number = self._intern(self._routes, NameKind.ROUTE, route)
            if number != OTHER_ROUTE:
                known.add(route)
            return number

    def _intern(self, table: dict[str, int], kind: NameKind, name: str) -> int:
        number = table.get(name)
        if number is None:
            number = len(table) + 1
            if number > _MAX_U16 or not ring_file.append_name(self._mapping, kind, number, name):
                return 0
            table[name] = number
        return number

    def close(self) -> None:
        """Give up the writer's lock; later records may be lost.

        The mapping lives on until the last thread lets go of it.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:  # a number closed twice may be somebody else's by then
            ring_file.release(descriptor)

    def disown(self) -> None:
        """Let go of an inherited ring in a forked child; the parent's lock stays its own."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            ring_file.disown(self._mapping, descriptor)
