"""The samples ring: each second once, in order, or passed over when it was overwritten."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.errors import RingError
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_writer import RingWriter
from servescope.recording.samples import CAPACITY, SLOT_BYTES, SampleReader, SampleWriter
from servescope.records.metrics import Sample

FAR = 2**31


def one(value, **labels):
    return Sample("servescope.http.server.threads.busy", value, tuple(sorted(labels.items())))


@pytest.fixture
def pair(tmp_path):
    writer = SampleWriter(tmp_path / "1.samples")
    reader = SampleReader(tmp_path / "1.samples")
    yield writer, reader
    reader.close()
    writer.close()


def test_samples_come_back_as_they_went_in(pair):
    writer, reader = pair
    told = [one(3.0, listener="größe"), one(0.25, listener="a", port="80"), one(7)]
    writer.write(1_700_000_000, iter(told))
    assert reader.drain(0, FAR) == ([(1_700_000_000, told)], 1)
    assert reader.drain(1, FAR) == ([], 1)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2 * CAPACITY), min_size=1, max_size=6))
def test_each_second_is_taken_once_and_a_lap_leaves_the_newest(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("ring") / "1.samples"
    writer, reader = SampleWriter(path), SampleReader(path)
    second = cursor = 0
    for batch in batches:
        for _ in range(batch):
            second += 1
            writer.write(second, [one(second)])
        taken, cursor = reader.drain(cursor, FAR)
        assert [at for at, _ in taken] == list(range(second - min(batch, CAPACITY) + 1, second + 1))
        assert cursor == second
    reader.close()
    writer.close()


def test_a_second_that_is_not_over_waits(pair):
    writer, reader = pair
    for second in (10, 11):
        writer.write(second, [one(1.0)])
    taken, cursor = reader.drain(0, 11)
    assert [at for at, _ in taken] == [10]
    assert [at for at, _ in reader.drain(cursor, 12)[0]] == [11]


def test_what_has_no_room_is_left_out(pair):
    writer, reader = pair
    writer.write(1, [one(number, listener="x" * 200) for number in range(100)])
    ((_, samples),) = reader.drain(0, FAR)[0]
    assert 20 < len(samples) < SLOT_BYTES / 200
    assert [sample.value for sample in samples] == list(range(len(samples)))


def test_the_writer_is_known_to_be_gone(pair):
    writer, reader = pair
    assert not reader.writer_is_gone()
    writer.close()
    writer.close()
    assert reader.writer_is_gone()


def test_a_ring_of_records_is_refused(tmp_path):
    RingWriter(tmp_path / "1.samples", RingKind.SERVER, 64).close()
    with pytest.raises(RingError, match="not a ring of this version"):
        SampleReader(tmp_path / "1.samples")
