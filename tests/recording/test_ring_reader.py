"""The reader of a ring: every record once, in order, or counted as lost."""

import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.errors import RingError
from servescope.recording.detail_writer import DetailWriter
from servescope.recording.record_layout import SEQUENCE, SEQUENCE_OFFSET, SLOT
from servescope.recording.ring_file import SLOTS_OFFSET, RingKind
from servescope.recording.ring_reader import (
    HOLE_PATIENCE_S,
    RingReader,
    stores_are_ordered,
)
from servescope.recording.ring_writer import RingWriter

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000
FOREVER = 1 << 62


def put(writer, number, end_ns=None):
    writer.record(
        number if end_ns is None else end_ns, 1, 2, 3, 1, 200, 0, number, 0, 0, 0, 0, 0, 0, 0
    )


@pytest.fixture
def pair(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 64)
    reader = RingReader(tmp_path / "1.ring")
    yield writer, reader
    reader.close()
    writer.close()


u16, u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@settings(max_examples=50)
@given(
    end_ns=st.integers(0, 2**62),
    listener=u16,
    route=u16,
    method=st.integers(0, 255),
    protocol=st.integers(0, 255),
    status=u16,
    flags=u16,
    received=st.integers(0, 2**40),
    sent=st.integers(0, 2**60),
    stages=st.lists(st.floats(0, 2.0**40, width=32), min_size=6, max_size=6),
)
def test_a_record_comes_back_as_it_went_in(tmp_path_factory, **fields):
    path = tmp_path_factory.mktemp("ring") / "1.ring"
    writer = RingWriter(path, RingKind.SERVER, 2)
    stages = fields.pop("stages")
    writer.record(*fields.values(), *stages)
    reader = RingReader(path)
    (record,) = reader.drain(0, FOREVER + SECOND, 0.0).records
    assert record["sequence"] == 1
    names = ["end_ns", "listener", "route", "method", "protocol", "status", "flags"]
    keys = list(fields)[:7]
    assert [int(record[name]) for name in names] == [fields[key] for key in keys]
    assert record["bytes_received"] == min(fields["received"], 2**32 - 1)
    assert record["bytes_sent"] == fields["sent"]
    assert record["stages_ns"].tolist() == stages
    reader.close()
    writer.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 63), max_size=20), st.integers(1, 40))
def test_each_record_is_taken_once_and_in_order(tmp_path_factory, batches, limit):
    path = tmp_path_factory.mktemp("ring") / "1.ring"
    writer, written, taken, cursor = RingWriter(path, RingKind.SERVER, 64), 0, [], 0
    reader = RingReader(path)
    for batch in batches:
        for _ in range(batch):
            put(writer, written)
            written += 1
        while True:
            drained = reader.drain(cursor, FOREVER, 0.0, limit)
            cursor = drained.cursor
            assert drained.lost == 0
            if not drained.records.size:
                break
            taken += drained.records["bytes_received"].tolist()
    assert taken == list(range(written))
    reader.close()
    writer.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_what_was_overwritten_is_counted(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("ring") / "1.ring"
    writer, written, taken, lost, cursor = RingWriter(path, RingKind.SERVER, 64), 0, [], 0, 0
    reader = RingReader(path)
    for batch in batches:
        for _ in range(batch):
            put(writer, written)
            written += 1
        drained = reader.drain(cursor, FOREVER, 0.0)
        cursor, lost = drained.cursor, lost + drained.lost
        taken += drained.records["bytes_received"].tolist()
        assert len(taken) + lost == cursor == written
    assert taken == sorted(set(taken))
    assert (lost == 0) == all(batch <= 64 for batch in batches)
    reader.close()
    writer.close()


def test_four_threads_and_a_reader_beside_them(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 2**16)
    reader = RingReader(tmp_path / "1.ring")
    each = 8_000

    def write(thread):
        for number in range(each):
            put(writer, thread * each + number)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    taken, cursor = [], 0
    while len(taken) < 4 * each:
        drained = reader.drain(cursor, FOREVER, 0.0)  # its clock stands still: no hole is given up
        cursor = drained.cursor
        assert drained.lost == 0
        taken += drained.records["bytes_received"].tolist()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(4 * each))
    reader.close()
    writer.close()


def test_records_of_the_running_second_wait(pair):
    writer, reader = pair
    for end_ns in (10 * SECOND, 11 * SECOND - 1, 11 * SECOND, 10 * SECOND + 1):
        put(writer, 0, end_ns)
    first = reader.drain(0, 11 * SECOND, 0.0)
    assert first.records["end_ns"].tolist() == [10 * SECOND, 11 * SECOND - 1]
    assert first.held_back
    second = reader.drain(first.cursor, 12 * SECOND, 1.0)
    assert second.records["end_ns"].tolist() == [11 * SECOND, 10 * SECOND + 1]
    assert not second.held_back


def test_a_clock_set_back_does_not_hold_records_up(pair):
    writer, reader = pair
    put(writer, 0, 5_000 * SECOND)
    put(writer, 1, 10 * SECOND)
    assert reader.drain(0, 11 * SECOND, 0.0).records.size == 2


def leave_hole(writer, number):
    """Leave slot `number` as a thread does that took it and was stopped before it wrote."""
    SEQUENCE.pack_into(writer._mapping, SLOTS_OFFSET + number * SLOT.size + SEQUENCE_OFFSET, 0)


def test_a_slot_that_stays_unwritten_is_given_up_after_a_while(pair):
    writer, reader = pair
    for number in range(5):
        put(writer, number)
    leave_hole(writer, 2)
    first = reader.drain(0, FOREVER, 100.0)
    assert (first.cursor, first.lost) == (2, 0)
    assert reader.drain(2, FOREVER, 100.0 + HOLE_PATIENCE_S / 2).cursor == 2
    late = reader.drain(2, FOREVER, 100.0 + HOLE_PATIENCE_S)
    assert (late.cursor, late.lost) == (5, 1)
    assert late.records["bytes_received"].tolist() == [3, 4]


def test_a_slot_written_late_is_not_lost(pair):
    writer, reader = pair
    for number in range(5):
        put(writer, number)
    leave_hole(writer, 2)
    assert reader.drain(0, FOREVER, 0.0).cursor == 2
    SEQUENCE.pack_into(writer._mapping, SLOTS_OFFSET + 2 * SLOT.size + SEQUENCE_OFFSET, 3)
    drained = reader.drain(2, FOREVER, 1.0)
    assert (drained.cursor, drained.lost) == (5, 0)


def test_a_dead_writers_hole_is_given_up_at_once(pair):
    writer, reader = pair
    for number in range(5):
        put(writer, number)
    leave_hole(writer, 0)
    writer.close()
    drained = reader.drain(0, FOREVER, 0.0)
    assert (drained.cursor, drained.lost, drained.records.size) == (5, 1, 4)


def test_a_hole_a_lap_ago_is_counted_too(pair):
    writer, reader = pair
    for number in range(64 + 40):
        put(writer, number)
    leave_hole(writer, 0)  # the slot of record 64, and of the first record once
    writer.close()
    drained = reader.drain(0, FOREVER, 0.0)
    assert drained.records.size + drained.lost == drained.cursor == 104


def test_names_reach_the_reader_with_the_records_that_use_them(pair):
    writer, reader = pair
    files, wsgi = writer.listener_id("files"), writer.listener_id("wsgi")
    assert (files, writer.listener_id("files")) == (1, 1)
    first, second = writer.route_id(files, "/"), writer.route_id(wsgi, "/größe/{id}")
    assert writer.route_id(wsgi, "/") == first
    reader.drain(0, FOREVER, 0.0)
    assert (reader.listeners[files], reader.listeners[wsgi]) == ("files", "wsgi")
    assert (reader.routes[first], reader.routes[second]) == ("/", "/größe/{id}")


def test_the_reader_knows_when_the_writer_closed(pair):
    writer, reader = pair
    assert not reader.writer_is_gone()
    writer.close()
    assert reader.writer_is_gone()
    writer.close()  # twice does no harm


def test_what_a_killed_process_recorded_is_there(tmp_path):
    path = tmp_path / "1.ring"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from servescope.recording.ring_file import RingKind\n"
        "from servescope.recording.ring_writer import RingWriter\n"
        "writer = RingWriter(Path(sys.argv[1]), RingKind.LOAD, 1024)\n"
        "for n in range(777): writer.record(n, 1, 1, 1, 0, 200, 0, n, 0, 0, 0, 0, 0, 0, 0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    reader = RingReader(path)
    assert reader.header.kind == RingKind.LOAD
    assert reader.writer_is_gone()
    assert reader.drain(0, FOREVER, 0.0).records["bytes_received"].tolist() == list(range(777))
    reader.close()


def test_two_readers_do_not_take_each_other_for_the_writer(pair, tmp_path):
    writer, reader = pair
    other = RingReader(tmp_path / "1.ring")
    writer.close()
    assert reader.writer_is_gone()
    assert other.writer_is_gone()
    other.close()


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 600_000])
def test_a_file_that_is_no_ring_is_refused(tmp_path, content):
    path = tmp_path / "1.ring"
    path.write_bytes(content)
    with pytest.raises(RingError, match="not a ring"):
        RingReader(path)


def test_a_missing_ring_and_one_of_details_are_refused(tmp_path):
    with pytest.raises(RingError, match="cannot be opened"):
        RingReader(tmp_path / "none.ring")
    writer = DetailWriter(tmp_path / "1.detail", 8)
    with pytest.raises(RingError, match="not a ring"):
        RingReader(tmp_path / "1.detail")
    writer.close()


def test_a_cut_ring_is_refused(tmp_path):
    RingWriter(tmp_path / "1.ring", RingKind.SERVER, 64).close()
    with (tmp_path / "1.ring").open("r+b") as file:
        file.truncate(SLOTS_OFFSET + 64)
    with pytest.raises(RingError, match="not a ring"):
        RingReader(tmp_path / "1.ring")


def test_a_drained_array_outlives_the_ring(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 64)
    put(writer, 1)
    reader = RingReader(tmp_path / "1.ring")
    records = reader.drain(0, FOREVER, 0.0).records
    reader.close()
    writer.close()
    assert np.array_equal(records["bytes_received"], [1])


def test_which_processors_show_stores_in_order():
    assert stores_are_ordered("x86_64")
    assert not stores_are_ordered("aarch64")
    assert stores_are_ordered() == stores_are_ordered(platform.machine())


def resident_kib(path):
    """How much of a file this process holds in memory, over all its mappings (proc(5), smaps)."""
    held, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.partition(" ")[0]:
            is_ours = line.endswith(str(path))
        elif is_ours and line.startswith("Rss:"):
            held += int(line.split()[1])
    return held


def test_a_ring_that_was_round_is_not_held_in_memory_and_loses_nothing(tmp_path):
    path, capacity = tmp_path / "1.ring", 2**15  # 2 MiB, mapped twice
    writer, cursor, taken = RingWriter(path, RingKind.SERVER, capacity), 0, []
    reader = RingReader(path)
    for start in range(0, 2 * capacity, 1000):
        for number in range(start, start + 1000):
            put(writer, number)
        drained = reader.drain(cursor, FOREVER, 0.0)
        cursor = drained.cursor
        taken.append(drained.records["bytes_received"])
    assert np.array_equal(np.concatenate(taken), np.arange(cursor))
    assert drained.lost == 0
    assert 0 < resident_kib(path) < 512
    reader.close()
    writer.close()
