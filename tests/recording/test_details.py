"""The detail ring: texts beside a record, of a sample of requests."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.errors import RingError
from servescope.recording import ring_file
from servescope.recording.detail_layout import (
    FORMER_SLOT_BYTES,
    FORMER_TEXT_LENGTHS,
    FORMER_TEXTS_OFFSET,
    NO_TRACE,
    SLOT_BYTES,
    TEXT_LENGTHS_OFFSET,
    UNKNOWN_COUNT,
    DetailTexts,
    Origin,
)
from servescope.recording.detail_reader import DetailReader
from servescope.recording.detail_writer import DetailWriter
from servescope.recording.record_layout import (
    OTHER_ROUTE,
    SEQUENCE_OFFSET,
    SLOT,
    request_key,
)
from servescope.recording.ring_file import SLOTS_OFFSET, RingKind
from servescope.recording.ring_writer import RingWriter
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag

RECORD = RequestRecord(
    end_ns=1_700_000_000_000_000_000,
    listener_id=1,
    route_id=2,
    method=Method.POST,
    protocol=2,
    status=404,
    flags=RequestFlag.NEW_CONNECTION | RequestFlag.ABORTED,
    bytes_received=120,
    bytes_sent=2**40,
    stages_ns=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
)


def detail(target="/", **texts):
    return RequestDetail(
        RECORD,
        texts.get("listener", "files"),
        texts.get("route", "/"),
        target,
        texts.get("client", "127.0.0.1"),
        texts.get("user_agent", "curl/8"),
        **{"pid": os.getpid(), **origin_of(texts)},
    )


def origin_of(given):
    names = ("thread", "client_port", "requests_before", "trace_id", "capture_id", "cipher_suite")
    return {name: given[name] for name in names if name in given}


def write(writer, detail, route_id=None):
    record = detail.record
    key = request_key(
        record.listener_id,
        record.route_id if route_id is None else route_id,
        record.method,
        record.protocol,
        record.status,
    )
    texts = DetailTexts(
        *(detail.listener, detail.route, detail.target, detail.client, detail.user_agent),
        detail.thread,
    )
    before = detail.requests_before
    origin = Origin(
        detail.client_port,
        detail.cipher_suite,
        UNKNOWN_COUNT if before is None else before,
        detail.capture_id,
        bytes.fromhex(detail.trace_id) or NO_TRACE,
    )
    writer.write(
        *(record.end_ns, key, record.flags, record.bytes_received, record.bytes_sent),
        *(record.stages_ns, texts, origin),
    )


@pytest.fixture
def pair(tmp_path):
    writer = DetailWriter(tmp_path / "1.detail", 8)
    reader = DetailReader(tmp_path / "1.detail")
    yield writer, reader
    reader.close()
    writer.close()


def test_a_detail_comes_back_as_it_went_in(pair):
    writer, reader = pair
    write(writer, detail("/search?q=größe", user_agent=""))
    assert reader.drain(0) == ([detail("/search?q=größe", user_agent="")], 1)
    assert reader.drain(1) == ([], 1)


def test_a_route_without_a_number_is_not_named(pair):
    writer, reader = pair
    write(writer, detail("/501", route="/501"), OTHER_ROUTE)
    ((found,), _) = reader.drain(0)
    assert (found.record.route_id, found.route, found.target) == (OTHER_ROUTE, "other", "/501")


@settings(max_examples=50)
@given(st.text(max_size=400), st.text(max_size=400))
def test_texts_are_cut_to_the_slot_and_never_mixed(tmp_path_factory, target, agent):
    path = tmp_path_factory.mktemp("detail") / "1.detail"
    writer, reader = DetailWriter(path, 2), None
    write(writer, detail(target, user_agent=agent, route="r" * 500, listener="l" * 500))
    reader = DetailReader(path)
    ((found,), _) = reader.drain(0)
    assert found.record == RECORD
    assert (found.route, found.listener) == ("r" * 96, "l" * 32)
    for whole, kept in ((target, found.target), (agent, found.user_agent)):
        cut = kept.removesuffix("\N{REPLACEMENT CHARACTER}")
        assert whole.encode("utf-8", "replace").decode().startswith(cut)
        assert kept == cut or len(whole.encode("utf-8", "replace")) > 60
    reader.close()
    writer.close()


@pytest.mark.parametrize("written", [1, 7, 8, 9, 30])
def test_the_newest_are_kept(pair, written):
    writer, reader = pair
    for number in range(written):
        write(writer, detail(f"/{number}"))
    taken, cursor = reader.drain(0)
    assert cursor == written
    newest = range(max(0, written - 8), written)
    assert [one.target for one in taken] == [f"/{number}" for number in newest]


def test_a_half_written_detail_is_passed_over(pair):
    writer, reader = pair
    for number in range(4):
        write(writer, detail(f"/{number}"))
    sequence = SLOTS_OFFSET + SLOT_BYTES + SEQUENCE_OFFSET
    writer._mapping[sequence : sequence + 8] = bytes(8)
    taken, cursor = reader.drain(0)
    assert [one.target for one in taken] == ["/0", "/2", "/3"]
    assert cursor == 4


def test_a_method_nobody_wrote_is_passed_over(pair):
    writer, reader = pair
    write(writer, detail("/0"))
    write(writer, detail("/1"))
    writer._mapping[SLOTS_OFFSET + 12] = 250
    assert [one.target for one in reader.drain(0)[0]] == ["/1"]


def test_the_reader_knows_when_the_writer_closed(pair):
    writer, reader = pair
    assert not reader.writer_is_gone()
    writer.close()
    assert reader.writer_is_gone()


def test_a_ring_of_records_is_refused(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 64)
    with pytest.raises(RingError):
        DetailReader(tmp_path / "1.ring")
    writer.close()


def test_a_detail_tells_where_its_request_came_from(pair):
    writer, reader = pair
    told = detail(
        thread="wsgi-3",
        client_port=65_535,
        requests_before=7,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        capture_id=2**63 - 1,
        cipher_suite=0xC02F,
    )
    write(writer, told)
    write(writer, detail(requests_before=None))
    assert reader.drain(0) == ([told, detail()], 2)


def test_a_ring_of_the_former_version_is_read(tmp_path):
    """An app that records may have been started before an update."""
    path = tmp_path / "1.detail"
    header = ring_file.Header(RingKind.DETAIL, FORMER_SLOT_BYTES, 8, 4242, 1)
    mapping, descriptor = ring_file.create(path, header)
    texts = [b"files", b"/", b"/a", b"::1", b"curl/8"]
    for number in range(3):
        offset = SLOTS_OFFSET + number * FORMER_SLOT_BYTES
        SLOT.pack_into(
            mapping,
            offset,
            *(RECORD.end_ns, RECORD.listener_id, RECORD.route_id, RECORD.method),
            *(RECORD.protocol, RECORD.status, RECORD.flags),
            *(RECORD.bytes_received, RECORD.bytes_sent, *RECORD.stages_ns, number + 1),
        )
        FORMER_TEXT_LENGTHS.pack_into(mapping, offset + TEXT_LENGTHS_OFFSET, *map(len, texts))
        start, joined = offset + FORMER_TEXTS_OFFSET, b"".join(texts)
        mapping[start : start + len(joined)] = joined
    reader = DetailReader(path)
    found, cursor = reader.drain(0)
    assert cursor == 3
    assert found == [RequestDetail(RECORD, "files", "/", "/a", "::1", "curl/8", pid=4242)] * 3
    reader.close()
    ring_file.release(descriptor)
