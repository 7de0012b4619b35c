"""Steps from each older schema version to the next, run once when an old file is opened.

A step runs inside the transaction that also writes the new version: killed in the middle, it is
simply run again at the next start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from servescope.errors import StoreCorruptError
from servescope.store.codec.chunks import Plane, decode
from servescope.store.codec.histograms import Buckets
from servescope.store.codec.matrices import Matrix
from servescope.store.sqlite.rollup import coarser_rows, put_coarse_row
from servescope.store.tiers import COARSER, MINUTE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)


def _add_ten_minutes(connection: sqlite3.Connection) -> None:
    """Version 2 has tier 600: fill it from the closed hours of tier 60.

    An hour with a damaged blob stays a gap of that tier.
    """
    connection.execute("DELETE FROM meta WHERE key = 'stamp'")
    hours = connection.execute(
        "SELECT t0 FROM chunk WHERE tier = ? AND plane = ? ORDER BY t0", (MINUTE, Plane.INCREASE)
    ).fetchall()
    for (t0,) in hours:
        blobs = connection.execute(
            "SELECT plane, data FROM chunk WHERE tier = ? AND t0 = ?", (MINUTE, t0)
        )
        try:
            chunks = {Plane(plane): decode(Plane(plane), blob) for plane, blob in blobs}
        except StoreCorruptError as error:
            logger.warning(
                "the hour at epoch second %d is left out of the long tier: %s", t0, error
            )
            continue
        matrices = {plane: one for plane, one in chunks.items() if isinstance(one, Matrix)}
        buckets = chunks.get(Plane.HIST_BUCKETS)
        if isinstance(buckets, Buckets) and len(matrices) == len(Plane) - 1:
            for row in coarser_rows(MINUTE, t0, matrices, buckets):
                put_coarse_row(connection, COARSER[MINUTE], row, _pass_over)


def _keep_chunks(connection: sqlite3.Connection) -> None:
    """Version 3 keeps planes of many series in sections: older planes stay whole."""
    del connection


def _keep_rows(connection: sqlite3.Connection) -> None:
    """Version 4 writes seconds into slots: rows that are open in `frame` close where they are."""
    del connection


def _carry_cursors(connection: sqlite3.Connection) -> None:
    """Version 5 has a second carry the cursors; those of before stay in the table."""
    columns = connection.execute("SELECT name FROM pragma_table_info('second')").fetchall()
    if ("cursors",) not in columns:  # there are slots since version 4
        connection.execute("ALTER TABLE second ADD COLUMN cursors BLOB NOT NULL DEFAULT x''")


def _add_origins(connection: sqlite3.Connection) -> None:
    """Version 6 keeps where a request came from; of those of before it is unknown."""
    _add_columns(
        connection,
        "request_detail",
        "thread TEXT NOT NULL DEFAULT ''",
        "pid INTEGER NOT NULL DEFAULT 0",
        "client_port INTEGER NOT NULL DEFAULT 0",
        "requests_before INTEGER",
        "trace_id TEXT NOT NULL DEFAULT ''",
        "capture_id INTEGER NOT NULL DEFAULT 0",
    )


def _add_words_of_runs(connection: sqlite3.Connection) -> None:
    """Version 7 keeps a run's name, note, tags and environment; those of before have none."""
    _add_columns(
        connection,
        "load_run",
        "name TEXT NOT NULL DEFAULT ''",
        "note TEXT NOT NULL DEFAULT ''",
        "tags TEXT NOT NULL DEFAULT '[]'",
        "environment TEXT NOT NULL DEFAULT '{}'",
    )


def _add_columns(connection: sqlite3.Connection, table: str, *columns: str) -> None:
    """Add those of the columns that a table does not have: a step before may have made it anew."""
    known = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    for column in columns:
        if (column.split()[0],) not in known:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _add_origin_of_runs(connection: sqlite3.Connection) -> None:
    """Version 8 knows runs that were measured elsewhere; those of before were measured here."""
    _add_columns(connection, "load_run", "origin TEXT NOT NULL DEFAULT ''")


def _add_cipher_suites(connection: sqlite3.Connection) -> None:
    """Version 9 keeps cipher suites of requests; of the requests of before they are unknown."""
    _add_columns(connection, "request_detail", "cipher_suite INTEGER NOT NULL DEFAULT 0")


def _pass_over(tier: int, ts: int) -> None:
    """No row of the new tier was there before: none can be damaged."""
    del tier, ts


STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {
    1: _add_ten_minutes,
    2: _keep_chunks,
    3: _keep_rows,
    4: _carry_cursors,
    5: _add_origins,
    6: _add_words_of_runs,
    7: _add_origin_of_runs,
    8: _add_cipher_suites,
}
"""By the version a file has: how it becomes the next one."""
