"""No cursor is lost, none goes back, and each commit is news."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.catalog import BYTES_SENT
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.open_seconds import SLOTS
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_store

MINUTE = 1_700_006_400
SENT = SeriesKey(BYTES_SENT, (("listener", "files"),))
RINGS = ["1-1.ring", "1-1.detail", "2-7.ring"]

steps = st.fixed_dictionaries(
    {
        "writer": st.integers(0, 1),
        # Mostly the next second; else one that comes late, several, none, or after a gap.
        "seconds": st.sampled_from([[1], [1], [1], [-3], [1, 2, 3], [], [70], [-70]]),
        "moved": st.lists(st.sampled_from(RINGS), unique=True),
        "dropped": st.lists(st.sampled_from(RINGS), unique=True, max_size=1),
    }
)


def one(ts):
    return Frame(ts, counts={SENT: 1.0})


def carried_by_seconds(store):
    return store._db.read(
        lambda connection: connection.execute(
            "SELECT count(*) FROM second WHERE instr(cursors, '.ring')"
        ).fetchone()
    )[0]


@settings(max_examples=60, deadline=None)
@given(several=st.lists(steps, min_size=1, max_size=40))
def test_the_cursors_are_those_of_the_last_batch_that_told_them(tmp_path_factory, several):
    """Two processes write in turns; who takes over asks first, as a collector does."""
    folder = tmp_path_factory.mktemp("store")
    stores = [open_store(folder) for _ in range(2)]
    for ts in range(MINUTE - SLOTS - 60, MINUTE):  # all slots are there, and the minute is closed
        stores[0].write(Batch([one(ts)]))
    expected, newest, writer = {}, MINUTE, 0
    for number, step in enumerate(several, 1):
        if step["writer"] != writer:
            writer = step["writer"]
            assert stores[writer].cursors() == expected
        moved = dict.fromkeys(step["moved"], number)
        version = stores[1].version()
        seconds = [newest + further for further in step["seconds"]]
        stores[writer].write(Batch([one(ts) for ts in seconds], moved, step["dropped"]))
        newest = max([newest, *seconds])
        expected |= moved
        for ring in step["dropped"]:
            expected.pop(ring, None)
        assert stores[0].version() == stores[1].version() != version
    third = open_store(folder)
    assert third.cursors() == expected
    for store in (*stores, third):
        store.close()


def test_a_ring_that_one_second_tells_of_is_known_when_its_slot_is_another_seconds(store):
    for ts in range(MINUTE, MINUTE + 65):
        store.write(Batch([one(ts)], {"2-7.ring": 5}))
    for ts in range(MINUTE + 65, MINUTE + 65 + 3 * SLOTS):
        store.write(Batch([one(ts)], {"1-1.ring": ts}))
    assert carried_by_seconds(store) > SLOTS - 10
    assert store.cursors() == {"2-7.ring": 5, "1-1.ring": MINUTE + 64 + 3 * SLOTS}


def test_seconds_that_carry_nothing_leave_the_cursors_in_the_table(store):
    """A clock that was set back: no second is the newest for as long as it lags behind."""
    for ts in range(MINUTE, MINUTE + 90):
        store.write(Batch([one(ts)], {"1-1.ring": ts, "2-7.ring": ts}))
    assert carried_by_seconds(store)
    for further in range(2 * SLOTS):
        store.write(Batch([one(MINUTE - 3_600 + further)], {"1-1.ring": MINUTE + 90 + further}))
    assert store.cursors() == {"1-1.ring": MINUTE + 89 + 2 * SLOTS, "2-7.ring": MINUTE + 89}


def test_a_writer_that_did_not_hear_of_another_sets_nothing_back(store):
    store.write(Batch([one(MINUTE)], {"1-1.ring": 5}))
    other = open_store(store.path.parent)
    other.write(Batch([one(MINUTE + 1), one(MINUTE + 2)], {"1-1.ring": 50}))
    other.close()
    store.write(Batch([one(MINUTE + 3), one(MINUTE + 4)], {"2-7.ring": 1}))
    assert store.cursors() == {"1-1.ring": 50, "2-7.ring": 1}


def test_damaged_cursors_are_those_of_the_second_before(tmp_path):
    store = open_store(tmp_path)
    for ts in range(MINUTE, MINUTE + 90):
        store.write(Batch([one(ts)], {"1-1.ring": ts}))
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(
            "UPDATE second SET cursors = cast(replace(cursors, '1-1', '1-7') AS blob) WHERE ts = ?",
            (MINUTE + 89,),
        )
    connection.close()
    store = open_store(tmp_path)
    assert store.cursors() == {"1-1.ring": MINUTE + 88}
    store.close()


@pytest.mark.parametrize("rings", [0, 1, 40])
def test_a_second_carries_as_many_rings_as_there_are(store, rings):
    cursors = {f"{number}-1700000000000000000.ring": number << 40 for number in range(rings)}
    for ts in range(MINUTE, MINUTE + 90):
        store.write(Batch([one(ts)], cursors))
    assert bool(carried_by_seconds(store)) == bool(rings)
    assert store.cursors() == cursors
