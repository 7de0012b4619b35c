"""This host's store on an engine: written to the local file, sent on, read from the engine."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from servescope.errors import ServescopeError
from servescope.store.engine.address import read_address
from servescope.store.engine.client import Engine
from servescope.store.engine.hosts import Fleet
from servescope.store.engine.outbox import Outbox
from servescope.store.engine.reader import EngineReader
from servescope.store.engine.sender import Sender
from servescope.store.engine.view import BEHIND_S, EngineView
from servescope.store.sqlite.database import Database
from servescope.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from servescope.records.requests import RequestDetail
    from servescope.store.base import Batch, HostSeen, KeptDetails
    from servescope.store.engine.outbox import Parcel
    from servescope.store.results import RequestColumns
    from servescope.store.tiers import Retention


class WriteAheadStore(SqliteStore):
    """The local file; `on_commit` is called after each batch."""

    def __init__(
        self,
        folder: Path,
        size_mib: int,
        retention: Retention | None,
        on_commit: Callable[[], None],
    ) -> None:
        super().__init__(folder, size_mib, retention)
        self._on_commit = on_commit

    def write(self, batch: Batch) -> None:
        """Commit the batch, then have it sent."""
        super().write(batch)
        self._on_commit()


class FarView(EngineView):
    """A host of the engine at `url`, or all of them (None), seen from nowhere: no data folder.

    Raises SettingsError when the URL is none.
    """

    def __init__(self, url: str, instance: str | None) -> None:
        self._engine = Engine(read_address(url))
        fleet = Fleet(self._engine)
        super().__init__(EngineReader(self._engine, fleet, instance), fleet)

    def hosts(self) -> list[HostSeen]:
        """The hosts the engine holds, by name. Raises EngineAwayError."""
        return self._fleet.hosts()

    def close(self) -> None:
        self._engine.close()


class PrometheusStore(EngineView):
    """`Store` of `instance` on the engine at `url`, and access to the other hosts there.

    The first `write` starts the sender: only the process that leads writes. Raises SettingsError
    when the URL is none, and what SqliteStore raises; an engine that is away is no error.
    """

    def __init__(
        self,
        folder: Path,
        size_mib: int = 512,
        retention: Retention | None = None,
        *,
        url: str,
        instance: str,
    ) -> None:
        self.instance = instance
        self.engine = Engine(read_address(url))
        fleet = Fleet(self.engine)
        own = EngineReader(self.engine, fleet, instance)
        everyone = EngineReader(self.engine, fleet, None)
        self._readers = WeakSet((own, everyone))
        self._everyone = everyone
        self._last_hosts: list[HostSeen] = []
        self.local = WriteAheadStore(folder, size_mib, retention, self._committed)
        super().__init__(own, fleet, self.local)
        self._db = Database(folder, None)  # the cursor moves also when metrics have no room
        # Hashed, since the address may name a person.
        key = hashlib.sha256(self.engine.address.shown.encode()).hexdigest()[:16]
        self._outbox = Outbox(self._db, key, instance)
        self._sender = Sender(self._outbox, self.engine, own.has, self._sent)

    def write(self, batch: Batch) -> None:
        """Commit the batch to the local file; it is sent soon after."""
        self.local.write(batch)

    def cursors(self) -> dict[str, int]:
        """The cursor of each ring, as last committed."""
        return self.local.cursors()

    def request_details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """The newest request details of this host."""
        return self.local.request_details(limit, after_id)

    def request_detail(self, detail_id: int) -> RequestDetail | None:
        """One request detail of this host."""
        return self.local.request_detail(detail_id)

    def request_detail_of_trace(self, trace_id: str) -> int | None:
        """The id of the newest detail of a trace of this host."""
        return self.local.request_detail_of_trace(trace_id)

    def kept_request_details(self) -> KeptDetails | None:
        """The request details of this host that are kept."""
        return self.local.kept_request_details()

    def request_columns(self, start_s: int, end_s: int, limit: int) -> RequestColumns:
        """The request details of this host in a span."""
        return self.local.request_columns(start_s, end_s, limit)

    def request_details_by_ids(self, ids: Sequence[int]) -> list[tuple[int, RequestDetail]]:
        """The request details of this host by their ids."""
        return self.local.request_details_by_ids(ids)

    def version(self) -> int:
        """A number that changes with each commit, and when the engine shows a newer second."""
        return (self.local.version() << 40) + super().version()

    def close(self) -> None:
        """Stop sending and close files and connections; the file keeps rows that were not sent."""
        self._sender.stop()
        self.engine.close()
        self._db.close()
        self.local.close()

    def hosts(self) -> list[HostSeen]:
        """The hosts the engine holds, by name; while it is away, those it last held."""
        with suppress(ServescopeError):
            self._last_hosts = self._fleet.hosts()
        return self._last_hosts

    def view(self, instance: str | None) -> EngineView:
        """Another host's figures, or those of all together (None)."""
        reader = EngineReader(self.engine, self._fleet, instance)
        self._readers.add(reader)
        return EngineView(reader, self._fleet)

    def seconds_by_host(self, start: int, end: int) -> dict[str, int]:
        """Seconds of `[start, end)` of which each host has a frame. Raises EngineAwayError."""
        return self._everyone.seconds_by_host(start, end)

    def wait_sent(self, seconds: float) -> bool:
        """Wait until all that was written is sent, or refused, for at most `seconds`."""
        bounds = self._outbox.bounds()
        return bounds is None or self._sender.wait_sent(bounds[1], seconds)

    def look_anew(self) -> None:
        """Forget which series and hosts the engine has."""
        for reader in list(self._readers):
            reader.forget_series()
        self._fleet.forget()

    def notices(self) -> list[str]:
        """Whole sentences about trouble of the engine."""
        progress, bounds = self._outbox.progress(), self._outbox.bounds()
        shown = self.engine.address.shown
        sentences = []
        waiting = 0
        if bounds is not None:
            waiting = bounds[1] - max(progress.sent_until or 0, bounds[0] - 1)
        trouble = self.engine.trouble or progress.trouble
        if trouble:
            sentences.append(
                f"The engine is away: {trouble}. Graphs of {self.instance} come from its own "
                f"store; {waiting} s of data wait to be sent."
            )
        elif waiting > BEHIND_S:
            sentences.append(
                f"{waiting} s of data wait to be sent to the engine at {shown}. Meanwhile graphs "
                f"of {self.instance} come from its own store."
            )
        sentences += self._warnings()
        if progress.refused:
            sentences.append(
                f"The engine at {shown} refused {progress.refused} s of data as too old or out of "
                "order; this host's own store has them."
            )
        if progress.skipped:
            sentences.append(
                f"{progress.skipped} s of data were no longer kept when the engine came back: "
                "it lacks them."
            )
        return sentences

    def _warnings(self) -> list[str]:
        try:
            interval_s = self.engine.traits().deduplication_s
        except ServescopeError:
            return []
        if interval_s <= 1:
            return []
        sentence = (
            f"The engine keeps one sample of every {interval_s:g} s (-dedup.minScrapeInterval) and "
            "so loses most of the seconds it is sent: set it to 1ms."
        )
        return [sentence]

    def _committed(self) -> None:
        self._sender.wake()

    def _sent(self, parcel: Parcel) -> None:
        if parcel.new_series:
            self.look_anew()
        else:
            self._fleet.forget_live()
