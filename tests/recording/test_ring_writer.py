"""The writer of a ring: what a record holds, and the numbers that names get."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.errors import DataFolderError
from servescope.recording.record_layout import OTHER_ROUTE, request_key, route_id_of
from servescope.recording.ring_file import SLOTS_OFFSET, RingKind
from servescope.recording.ring_reader import RECORD_DTYPE, RingReader
from servescope.recording.ring_writer import MAX_ROUTES, RingWriter

FOREVER = 1 << 62
u16 = st.integers(0, 2**16 - 1)


@pytest.fixture
def pair(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 64)
    reader = RingReader(tmp_path / "1.ring")
    yield writer, reader
    reader.close()
    writer.close()


@settings(max_examples=50)
@given(
    end_ns=st.integers(0, 2**62),
    labels=st.tuples(u16, u16, st.integers(0, 255), st.integers(0, 255), u16),
    flags=u16,
    received=st.integers(0, 2**40),
    sent=st.integers(0, 2**60),
    stages=st.tuples(*[st.integers(0, 2**62)] * 6),
)
def test_a_record_by_its_key_holds_what_the_key_was_made_of(
    tmp_path_factory, end_ns, labels, flags, received, sent, stages
):
    path = tmp_path_factory.mktemp("ring") / "1.ring"
    writer = RingWriter(path, RingKind.SERVER, 2)
    writer.record_request(end_ns, request_key(*labels), flags, received, sent, *stages)
    writer.record(end_ns, *labels, flags, received, sent, *stages)
    writer.close()
    records = np.frombuffer(path.read_bytes(), RECORD_DTYPE, 2, SLOTS_OFFSET)
    for number, record in enumerate(records, 1):
        *fields, reserved, bytes_received, bytes_sent, stages_ns, sequence = record.tolist()
        assert fields == [end_ns, *labels, flags]
        assert (reserved, bytes_received, bytes_sent) == (0, min(received, 2**32 - 1), sent)
        assert stages_ns.tolist() == np.array(stages, np.float64).astype(np.float32).tolist()
        assert sequence == number


def test_the_501st_route_of_a_listener_is_other(pair):
    writer, reader = pair
    numbers = [writer.route_id(1, f"/{number}") for number in range(MAX_ROUTES + 5)]
    assert numbers[MAX_ROUTES:] == [OTHER_ROUTE] * 5
    assert len(set(numbers[:MAX_ROUTES])) == MAX_ROUTES
    assert OTHER_ROUTE not in numbers[:MAX_ROUTES]
    assert writer.route_id(2, "/new") != OTHER_ROUTE  # another listener has its own 500
    reader.drain(0, FOREVER, 0.0)
    assert reader.routes[OTHER_ROUTE] == "other"


def test_a_full_table_of_names_ends_in_other(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 2)
    for listener in range(1, 6):
        last = [writer.route_id(listener, f"/{listener}/{n}" + "x" * 250) for n in range(500)][-1]
    assert last == OTHER_ROUTE
    reader = RingReader(tmp_path / "1.ring")
    reader.drain(0, FOREVER, 0.0)
    assert 1_900 < len(reader.routes) < 2_100
    reader.close()
    writer.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match=r"cannot make a ring in .*file"):
        RingWriter(tmp_path / "file" / "1.ring", RingKind.SERVER)


def test_the_capacity_is_a_power_of_two(tmp_path):
    with pytest.raises(ValueError, match="power of two"):
        RingWriter(tmp_path / "1.ring", RingKind.SERVER, 100)


@given(listener=u16, route=u16, rest=st.tuples(st.integers(0, 255), st.integers(0, 255), u16))
def test_a_key_tells_its_route(listener, route, rest):
    assert route_id_of(request_key(listener, route, *rest)) == route
