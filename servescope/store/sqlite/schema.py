"""Tables of the SQLite store, and the version that guards them.

Blobs carry their own CRC (see `codec.rows.seal`). The view `open_row` has the rows of spans that
are still open: tier 1 until their minute closes, tier 60 until their hour does, tier 600 until ten
hours are full. Those of tier 1 lie in `second` (see `open_seconds`), unless they came late, all
others in `frame`. `chunk` holds closed spans as one blob for each plane and section, numbered in
the column `plane` (see `codec.chunks.numbered`). `cursor` keeps the cursor of each ring, unless a
second carries that (see `ring_cursors`), and under an empty name a stamp, of which `Store.version`
is made.

Version 2 added tier 600 and denser blobs, and moved the stamp from `meta`; version 3 added
sections; version 4 the slots of `second`, and chunks that pack numbers of few bits; with version 5
a second carries the cursors; version 6 keeps where a request came from, and what was captured of
it; version 7 keeps a load run's environment and what a person says of it, version 8 where one that
was imported had been measured; version 9 keeps the cipher suite of a request's connection.
`migrations` brings older files up to date.
"""

from __future__ import annotations

from typing import Final

FILE_NAME: Final = "servescope.sqlite3"
VERSION: Final = 9

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS series (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL,
        kind TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (name, labels))""",
    """CREATE TABLE IF NOT EXISTS frame (
        tier INTEGER NOT NULL, ts INTEGER NOT NULL, seconds INTEGER NOT NULL,
        gauges BLOB NOT NULL, counts BLOB NOT NULL, hist BLOB NOT NULL,
        PRIMARY KEY (tier, ts)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS second (
        slot INTEGER PRIMARY KEY, ts INTEGER NOT NULL UNIQUE, gauges BLOB NOT NULL,
        counts BLOB NOT NULL, hist BLOB NOT NULL, cursors BLOB NOT NULL DEFAULT x'',
        padding BLOB NOT NULL)""",
    """CREATE VIEW IF NOT EXISTS open_row AS
        SELECT tier, ts, seconds, gauges, counts, hist FROM frame UNION ALL
        SELECT 1, ts, 1, gauges, counts, hist FROM second WHERE ts > 0""",
    # AUTOINCREMENT: an id is never used twice, so that it names a decoded chunk in a cache.
    """CREATE TABLE IF NOT EXISTS chunk (
        id INTEGER PRIMARY KEY AUTOINCREMENT, tier INTEGER NOT NULL, plane INTEGER NOT NULL,
        t0 INTEGER NOT NULL, first INTEGER NOT NULL, data BLOB NOT NULL,
        UNIQUE (tier, plane, t0))""",
    "CREATE TABLE IF NOT EXISTS cursor (ring TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS event (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
        start_s REAL NOT NULL, end_s REAL, text TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS event_start ON event (start_s)",
    # `status` and `wish` are JSON: a listener has many options, and gains some. Owner 0 is whoever
    # leads, any other one is the pid of a process that serves an app of its own.
    """CREATE TABLE IF NOT EXISTS listener_status (
        owner INTEGER NOT NULL, position INTEGER NOT NULL, seen_s REAL NOT NULL,
        status TEXT NOT NULL, PRIMARY KEY (owner, position)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS listener_wish (name TEXT PRIMARY KEY, wish TEXT NOT NULL)",
    # The places of listeners and apps among the colours; see `records.colour_places`.
    """CREATE TABLE IF NOT EXISTS colour_place (
        name TEXT PRIMARY KEY, place INTEGER NOT NULL UNIQUE) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS load_run (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, started_s REAL, ended_s REAL,
        progress TEXT NOT NULL, result TEXT NOT NULL, message TEXT NOT NULL,
        name TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
        tags TEXT NOT NULL DEFAULT '[]', environment TEXT NOT NULL DEFAULT '{}',
        origin TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE IF NOT EXISTS comparison (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, started_s REAL, ended_s REAL,
        contenders TEXT NOT NULL, message TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS capacity_search (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, started_s REAL, ended_s REAL, steps TEXT NOT NULL DEFAULT '[]',
        step TEXT NOT NULL DEFAULT '{}', evidence TEXT NOT NULL DEFAULT '{}',
        message TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE IF NOT EXISTS experiment (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, started_s REAL, ended_s REAL,
        measured TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE IF NOT EXISTS verdict (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, started_s REAL, ended_s REAL,
        result TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE IF NOT EXISTS capture (
        id INTEGER PRIMARY KEY AUTOINCREMENT, "order" TEXT NOT NULL, state TEXT NOT NULL,
        requested_s REAL NOT NULL, captured INTEGER NOT NULL DEFAULT 0, ended_s REAL)""",
    """CREATE TABLE IF NOT EXISTS instance (
        pid INTEGER PRIMARY KEY, role TEXT NOT NULL, since_s REAL NOT NULL,
        seen_s REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS request_detail (
        id INTEGER PRIMARY KEY AUTOINCREMENT, end_ns INTEGER NOT NULL, listener TEXT NOT NULL,
        route TEXT NOT NULL, target TEXT NOT NULL, client TEXT NOT NULL,
        user_agent TEXT NOT NULL, listener_id INTEGER NOT NULL, route_id INTEGER NOT NULL,
        method INTEGER NOT NULL, protocol INTEGER NOT NULL, status INTEGER NOT NULL,
        flags INTEGER NOT NULL, bytes_received INTEGER NOT NULL, bytes_sent INTEGER NOT NULL,
        stages BLOB NOT NULL, thread TEXT NOT NULL DEFAULT '', pid INTEGER NOT NULL DEFAULT 0,
        client_port INTEGER NOT NULL DEFAULT 0, requests_before INTEGER,
        trace_id TEXT NOT NULL DEFAULT '', capture_id INTEGER NOT NULL DEFAULT 0,
        cipher_suite INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS request_detail_end ON request_detail (end_ns)",
)
