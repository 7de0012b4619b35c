"""The catalogue of series: ids for keys when writing, and selections of ids when reading."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.catalog import BY_NAME, Kind
from servescope.store.base import SeriesKey
from servescope.store.codec.row_packers import packer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from servescope.records.metrics import Labels
    from servescope.store.query import Query

    _Packer = Callable[[Collection[Any]], bytes]

_SELECTIONS: Final = 128


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that were asked for, and the group of each.

    `position[id]` is the place of a series in the selection, which is in order of the groups;
    `group[id]` is the place of its group; -1 for a series that was not asked for.
    """

    kind: Kind
    groups: list[tuple[str, ...]]
    group_of: NDArray[np.intp]  # (series selected,), ascending
    position: NDArray[np.intp]  # (highest id + 1,)
    group: NDArray[np.intp]  # (highest id + 1,)


class SeriesWriter:
    """Packs values under the ids of their series, which it gives to new ones.

    Ids given in a transaction count once it is committed.
    """

    def __init__(self) -> None:
        self._ids: dict[SeriesKey, int] = {}
        self._staged: dict[SeriesKey, int] = {}
        self._last: dict[Kind, tuple[tuple[SeriesKey, ...], _Packer]] = {}
        self._generation = -1

    def begin(self, generation: int) -> None:
        """Forget what a transaction that failed had staged, or what another file held."""
        if self._staged or generation != self._generation:
            self._staged.clear()
            self._last.clear()
        if generation != self._generation:
            self._ids.clear()
            self._generation = generation

    def pack(
        self, connection: sqlite3.Connection, kind: Kind, values: Mapping[SeriesKey, Any]
    ) -> bytes:
        """One second's values of a kind; most seconds have the series of the second before."""
        keys = tuple(values)
        last = self._last.get(kind)
        if last is None or last[0] != keys:
            numbers = np.fromiter(
                (self._ids.get(key) or self._new(connection, kind, key) for key in keys),
                np.uint32,
                len(keys),
            )
            last = self._last[kind] = (keys, packer(kind, numbers))
        return last[1](values.values())

    def number(self, connection: sqlite3.Connection, kind: Kind, key: SeriesKey) -> None:
        """Give a series its id before it has a value."""
        if key not in self._ids:
            self._new(connection, kind, key)

    def committed(self) -> None:
        """Keep the ids given since `begin`."""
        self._ids.update(self._staged)
        self._staged.clear()

    def _new(self, connection: sqlite3.Connection, kind: Kind, key: SeriesKey) -> int:
        staged = self._staged.get(key)
        if staged is not None:
            return staged
        metric = BY_NAME.get(key.metric)
        labels = json.dumps(key.labels, separators=(",", ":"))
        connection.execute(
            "INSERT INTO series (name, labels, kind, unit) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (key.metric, labels, kind, metric.unit if metric else ""),
        )
        (number,) = connection.execute(
            "SELECT id FROM series WHERE name = ? AND labels = ?", (key.metric, labels)
        ).fetchone()
        self._staged[key] = number
        return int(number)


def all_series(connection: sqlite3.Connection) -> dict[int, tuple[SeriesKey, Kind]]:
    """Every series of the file with its kind, by its id, ascending."""
    rows = connection.execute("SELECT id, name, labels, kind FROM series ORDER BY id")
    return {number: (_key(name, labels), Kind(kind)) for number, name, labels, kind in rows}


def _key(metric: str, labels: str) -> SeriesKey:
    return SeriesKey(metric, tuple((name, value) for name, value in json.loads(labels)))


class SeriesIndex:
    """The series of the file, read on from where it was left. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = -1
        self._highest = 0
        self._of_metric: dict[str, list[tuple[int, SeriesKey]]] = {}
        self._kinds: dict[str, Kind] = {}
        self._selections: dict[tuple[str, Labels, Labels, tuple[str, ...]], Selection | None] = {}

    def keys(self, connection: sqlite3.Connection, generation: int, metric: str) -> list[SeriesKey]:
        """The series of a metric, sorted."""
        with self._lock:
            self._catch_up(connection, generation)
            return sorted(key for _, key in self._of_metric.get(metric, ()))

    def select(
        self, connection: sqlite3.Connection, generation: int, query: Query
    ) -> Selection | None:
        """The series that a query selects, in groups; None when there are none."""
        wanted = (query.metric, query.where, query.without, query.by)
        with self._lock:
            self._catch_up(connection, generation)
            if wanted not in self._selections:
                while len(self._selections) >= _SELECTIONS:
                    del self._selections[next(iter(self._selections))]
                self._selections[wanted] = self._select(query)
            return self._selections[wanted]

    def _select(self, query: Query) -> Selection | None:
        numbers: list[int] = []
        groups: list[tuple[str, ...]] = []
        for number, key in self._of_metric.get(query.metric, ()):
            group = query.group_of(key.labels)
            if group is not None:
                numbers.append(number)
                groups.append(group)
        if not numbers:
            return None
        names = sorted(set(groups))
        place = {name: index for index, name in enumerate(names)}
        group_of = np.array([place[name] for name in groups], np.intp)
        order = np.argsort(group_of, kind="stable")
        ids, group_of = np.array(numbers)[order], group_of[order]
        position = np.full(self._highest + 1, -1, np.intp)
        group_of_id = position.copy()
        position[ids] = np.arange(ids.size)
        group_of_id[ids] = group_of
        return Selection(self._kinds[query.metric], names, group_of, position, group_of_id)

    def _catch_up(self, connection: sqlite3.Connection, generation: int) -> None:
        if generation != self._generation:
            self._generation, self._highest = generation, 0
            self._of_metric.clear()
            self._kinds.clear()
            self._selections.clear()
        rows = connection.execute(
            "SELECT id, name, labels, kind FROM series WHERE id > ? ORDER BY id", (self._highest,)
        ).fetchall()
        for number, name, labels, kind in rows:
            self._of_metric.setdefault(name, []).append((number, _key(name, labels)))
            self._kinds[name] = Kind(kind)
            self._highest = number
        if rows:
            # Positions are looked up by id: a selection made before must not meet a new id.
            self._selections.clear()
