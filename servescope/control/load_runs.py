"""Desired and actual state, beside the metrics in the same file: what people want, what is.

Any process writes what is wanted (a load run, its end); the leader reads it, acts, and writes back
what became of it. Each method is one transaction.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from servescope.control import comparisons, listeners, scrape_totals
from servescope.control.listeners import LEADER
from servescope.errors import LoadRefusedError
from servescope.records import (
    FINAL_STATES,
    Event,
    EventKind,
    Instance,
    LoadPlan,
    LoadRun,
    Role,
    RunState,
)
from servescope.store.sqlite.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from servescope.comparison import Comparison, ComparisonPlan, Contender
    from servescope.control.scrape_totals import Kept
    from servescope.records import ListenerStatus, ListenerWish

NEXT_STATES: Final[dict[RunState, frozenset[RunState]]] = {
    RunState.REQUESTED: frozenset(
        {RunState.RUNNING, RunState.STOPPING, RunState.STOPPED, RunState.FAILED}
    ),
    RunState.RUNNING: frozenset(
        {RunState.STOPPING, RunState.DONE, RunState.STOPPED, RunState.FAILED}
    ),
    RunState.STOPPING: frozenset({RunState.DONE, RunState.STOPPED, RunState.FAILED}),
    RunState.DONE: frozenset(),
    RunState.STOPPED: frozenset(),
    RunState.FAILED: frozenset(),
}
"""Where a load run may go from each state; the final states lead nowhere."""

_FINAL: Final = tuple(FINAL_STATES)
_OPEN_ENDED: Final = EventKind.LOAD_RUN
_FORGOTTEN_AFTER_SECONDS: Final = 60
_RUN: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, progress, result, message"
    " FROM load_run"
)
_PLAN_FIELDS: Final = frozenset(field.name for field in fields(LoadPlan))


class Control:
    """The control tables of the store in `folder`. Every method may be called from any thread.

    Raises what opening a store raises; each method StoreError when the store cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._db = Database(folder, None)  # small, and wanted most when the metrics have no room
        self._beaten: tuple[int, Role] | None = None

    def write_listeners(
        self, statuses: Sequence[ListenerStatus], owner: int = LEADER, now_s: float | None = None
    ) -> None:
        """Replace the actual state of all listeners of an owner; see `control.listeners`.

        An empty list when the owner ends.
        """
        at_s = time.time() if now_s is None else now_s
        self._db.write(lambda connection: listeners.write(connection, statuses, owner, at_s))

    def see_listeners(self, owner: int, now_s: float) -> None:
        """Tell that a process that serves on its own is alive."""
        self._db.write(lambda connection: listeners.see(connection, owner, now_s), news=False)

    def listeners(self, now_s: float | None = None) -> list[ListenerStatus]:
        """The leader's listeners, and those of other processes that are alive, in order."""
        at_s = time.time() if now_s is None else now_s
        return self._db.read(lambda connection: listeners.read(connection, at_s))

    def wishes(self) -> dict[str, ListenerWish]:
        """What people want of listeners, by name."""
        return self._db.read(listeners.wishes)

    def change_wish(self, name: str, change: Callable[[ListenerWish], ListenerWish]) -> None:
        """Want something else of a listener."""
        self._db.write(lambda connection: listeners.change_wish(connection, name, change))

    def forget_wish(self, name: str) -> None:
        """Want of a listener what its settings say."""
        self._db.write(lambda connection: listeners.forget_wish(connection, name))

    def request_run(self, plan: LoadPlan, now_s: float) -> int:
        """Ask for a load run; return its id.

        Raises LoadRefusedError while another one goes on, unless both are of one comparison.
        """

        def change(connection: sqlite3.Connection) -> int:
            _expect_quiet(connection, plan.comparison)
            return int(
                connection.execute(
                    "INSERT INTO load_run (plan, state, requested_s, progress, result, message)"
                    " VALUES (?, ?, ?, '{}', '{}', '')",
                    (json.dumps(asdict(plan)), RunState.REQUESTED, now_s),
                ).lastrowid
                or 0
            )

        return self._db.write(change)

    def request_stop(self, run_id: int, now_s: float) -> LoadRun:
        """Ask for the end of a run; a run that is over stays as it is.

        Raises LoadRefusedError when there is no such run.
        """
        del now_s  # the end is when the leader has stopped it
        return self.update_run(run_id, state=RunState.STOPPING)

    def runs(self, limit: int) -> list[LoadRun]:
        """The newest runs, newest first."""
        return self._db.read(
            lambda connection: [
                _run(row)
                for row in connection.execute(f"{_RUN} ORDER BY id DESC LIMIT ?", (limit,))
            ]
        )

    def run(self, run_id: int) -> LoadRun | None:
        """One run, None when there is none of this id."""
        return self._db.read(lambda connection: _by_id(connection, run_id))

    def active_run(self) -> LoadRun | None:
        """The run that is not over yet; there is one at most."""
        return self._db.read(_active)

    def active_runs(self) -> list[LoadRun]:
        """The runs that are not over yet; several only in a comparison of models at once."""
        return self._db.read(_all_active)

    def request_comparison(self, plan: ComparisonPlan, now_s: float) -> int:
        """Ask for a comparison; return its id. Raises LoadRefusedError while any load goes on."""

        def change(connection: sqlite3.Connection) -> int:
            _expect_quiet(connection, 0)
            return comparisons.add(connection, plan, now_s)

        return self._db.write(change)

    def stop_comparison(self, comparison_id: int) -> None:
        """Ask for the end of a comparison; one that is over stays as it is."""
        self._db.write(lambda connection: comparisons.stop(connection, comparison_id))

    def comparison(self, comparison_id: int) -> Comparison | None:
        """One comparison, None when there is none of this id."""
        return self._db.read(lambda connection: comparisons.by_id(connection, comparison_id))

    def comparisons(self, limit: int) -> list[Comparison]:
        """The newest comparisons, newest first."""
        return self._db.read(lambda connection: comparisons.newest(connection, limit))

    def active_comparison(self) -> Comparison | None:
        """The comparison that is not over yet; there is one at most."""
        return self._db.read(comparisons.active)

    def begin_comparison(self, comparison_id: int, now_s: float) -> None:
        """A comparison is under way."""
        self._db.write(lambda connection: comparisons.begin(connection, comparison_id, now_s))

    def tell_contenders(self, comparison_id: int, contenders: Sequence[Contender]) -> None:
        """How the contenders of a comparison stand."""
        self._db.write(lambda connection: comparisons.tell(connection, comparison_id, contenders))

    def end_comparison(
        self, comparison_id: int, state: RunState, now_s: float, message: str = ""
    ) -> None:
        """A comparison is over."""
        self._db.write(
            lambda connection: comparisons.end(connection, comparison_id, state, now_s, message)
        )

    def update_run(
        self,
        run_id: int,
        *,
        state: RunState | None = None,
        started_s: float | None = None,
        ended_s: float | None = None,
        progress: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        message: str | None = None,
    ) -> LoadRun:
        """Write what became of a run; what is None stays. Return the run as it is now.

        A state that NEXT_STATES does not allow is passed over: whoever asked for a stop in the
        meantime keeps it. Progress alone is no news to `Store.version`: the next second's frame is,
        and with it everybody sees both. Raises LoadRefusedError when there is no such run.
        """

        def change(connection: sqlite3.Connection) -> LoadRun:
            run = _expect(connection, run_id)
            moved = state is not None and state in NEXT_STATES[run.state]
            values = {
                "state": state if moved else None,
                "started_s": started_s,
                "ended_s": ended_s,
                "progress": None if progress is None else json.dumps(progress),
                "result": None if result is None else json.dumps(result),
                "message": message,
            }
            known = {name: value for name, value in values.items() if value is not None}
            if known:
                columns = ", ".join(f"{name} = ?" for name in known)
                connection.execute(
                    f"UPDATE load_run SET {columns} WHERE id = ?",  # noqa: S608 - our own names
                    (*known.values(), run_id),
                )
            return _expect(connection, run_id)

        others = (state, started_s, ended_s, result, message)
        return self._db.write(change, news=any(value is not None for value in others))

    def add_event(self, event: Event) -> int:
        """Add an annotation; return its id. `event.id` is not looked at."""
        return self._db.write(
            lambda connection: int(
                connection.execute(
                    "INSERT INTO event (kind, start_s, end_s, text) VALUES (?, ?, ?, ?)",
                    (event.kind, event.start_s, event.end_s, event.text),
                ).lastrowid
                or 0
            )
        )

    def end_event(self, event_id: int, end_s: float) -> None:
        """Give an open annotation its end."""
        self._db.write(
            lambda connection: connection.execute(
                "UPDATE event SET end_s = ? WHERE id = ?", (end_s, event_id)
            )
        )

    def events(self, start_s: float, end_s: float) -> list[Event]:
        """Annotations that touch `[start_s, end_s)`, oldest first.

        A load run without an end goes on; any other event without an end is a moment.
        """
        rows = self._db.read(
            lambda connection: connection.execute(
                "SELECT kind, start_s, text, end_s, id FROM event WHERE start_s < ? AND"
                " (coalesce(end_s, start_s) >= ? OR (end_s IS NULL AND kind = ?))"
                " ORDER BY start_s, id",
                (end_s, start_s, _OPEN_ENDED),
            ).fetchall()
        )
        return [Event(EventKind(kind), *rest) for kind, *rest in rows]

    def beat(self, pid: int, role: str, now_s: float) -> None:
        """Tell that a dashboard process is alive. `Store.version` changes with its role only.

        Raises ValueError when the role is not one of `Role`.
        """
        role = Role(role)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO instance (pid, role, since_s, seen_s) VALUES (?1, ?2, ?3, ?3)"
                " ON CONFLICT (pid) DO UPDATE SET role = ?2, seen_s = ?3,"
                " since_s = CASE role WHEN ?2 THEN since_s ELSE ?3 END",
                (pid, role, now_s),
            )
            connection.execute(
                "DELETE FROM instance WHERE seen_s < ?", (now_s - _FORGOTTEN_AFTER_SECONDS,)
            )

        self._db.write(change, news=self._beaten != (pid, role))
        self._beaten = (pid, role)

    def instances(self, now_s: float, fresh_s: float = 5) -> list[Instance]:
        """Dashboard processes on this folder that were alive within `fresh_s`, leader first."""
        rows = self._db.read(
            lambda connection: connection.execute(
                "SELECT pid, role, since_s, seen_s FROM instance WHERE seen_s >= ?"
                " ORDER BY role <> ?, pid",
                (now_s - fresh_s, Role.LEADER),
            ).fetchall()
        )
        return [Instance(pid, Role(role), since_s, seen_s) for pid, role, since_s, seen_s in rows]

    def leave(self, pid: int) -> None:
        """Tell that a dashboard process ends."""
        self._db.write(
            lambda connection: connection.execute("DELETE FROM instance WHERE pid = ?", (pid,))
        )
        self._beaten = None

    def kept_totals(self) -> Kept | None:
        """Whose totals are kept for scrapers, and up to when; None in a new store."""
        return self._db.read(scrape_totals.kept)

    def totals(self) -> tuple[Kept, bytes] | None:
        """The totals kept for scrapers, as `servescope.queries.scrape` packed them."""
        return self._db.read(scrape_totals.packed)

    def keep_totals(self, before: Kept | None, now: Kept, packed: bytes) -> bool:
        """Keep totals in the place of `before`; False when another process was faster."""
        return self._db.write(
            lambda connection: scrape_totals.keep(connection, before, now, packed), news=False
        )

    def close(self) -> None:
        """Close every connection."""
        self._db.close()


def _run(row: tuple[Any, ...]) -> LoadRun:
    run_id, plan, state, requested_s, started_s, ended_s, progress, result, message = row
    known = {name: value for name, value in json.loads(plan).items() if name in _PLAN_FIELDS}
    return LoadRun(
        run_id,
        LoadPlan(**known),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        json.loads(progress),
        json.loads(result),
        message,
    )


def _by_id(connection: sqlite3.Connection, run_id: int) -> LoadRun | None:
    row = connection.execute(f"{_RUN} WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else _run(row)


def _expect(connection: sqlite3.Connection, run_id: int) -> LoadRun:
    run = _by_id(connection, run_id)
    if run is None:
        raise LoadRefusedError(f"there is no load run {run_id}")
    return run


def _active(connection: sqlite3.Connection) -> LoadRun | None:
    return next(iter(_all_active(connection)), None)


def _all_active(connection: sqlite3.Connection) -> list[LoadRun]:
    marks = ", ".join("?" * len(_FINAL))
    rows = connection.execute(f"{_RUN} WHERE state NOT IN ({marks}) ORDER BY id", _FINAL)
    return [_run(row) for row in rows]


def _expect_quiet(connection: sqlite3.Connection, comparison_id: int) -> None:
    """Raise LoadRefusedError when load goes on that is no part of this comparison."""
    compared = comparisons.active(connection)
    if compared is not None and compared.id != comparison_id:
        raise LoadRefusedError(
            f"comparison {compared.id} is {compared.state}: stop it or wait for its end"
        )
    for run in _all_active(connection):
        if not comparison_id or run.plan.comparison != comparison_id:
            raise LoadRefusedError(f"load run {run.id} is {run.state}: stop it or wait for its end")
