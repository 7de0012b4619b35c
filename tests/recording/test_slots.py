"""The record of an app's call in a slot, and pages that are ready before they are written."""

import errno
import mmap
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.recording.detail_threshold import DetailThreshold
from servescope.recording.record_layout import SLOT, request_key
from servescope.recording.ring_file import SLOTS_OFFSET, RingKind
from servescope.recording.ring_reader import RECORD_DTYPE
from servescope.recording.ring_writer import RingWriter
from servescope.recording.slots import READY_SLOTS, Slots

LABELS = (7, 9, 1, 2, 200)
moments = st.floats(0, 1e6)


def memory_of(slots: int, kind: type[mmap.mmap] = mmap.mmap) -> mmap.mmap:
    return kind(-1, SLOTS_OFFSET + slots * SLOT.size)


def recorder_of(memory: mmap.mmap, threshold: DetailThreshold | None = None):
    """A recorder of calls into two slots of memory."""
    return Slots(memory, 2).call_recorder(threshold or DetailThreshold())


def records(memory: mmap.mmap, number: int) -> np.ndarray:
    return np.frombuffer(bytes(memory), RECORD_DTYPE, number, SLOTS_OFFSET)


@given(
    flags=st.integers(0, 2**16 - 1),
    received=st.integers(0, 2**40),
    sent=st.integers(0, 2**60),
    kernel_ns=st.floats(0, 1e12),
    began_s=moments,
    app_s=moments,
    rest_s=moments,
    write_s=moments,
)
def test_a_call_becomes_the_stages_that_it_tells(
    flags, received, sent, kernel_ns, began_s, app_s, rest_s, write_s
):
    memory = memory_of(2)
    head_s = began_s + app_s
    ended_s = head_s + rest_s
    before_ns = time.time_ns()
    recorder_of(memory)(
        request_key(*LABELS), flags, received, sent, kernel_ns, began_s, head_s, write_s, ended_s
    )
    (record,) = records(memory, 1)
    assert tuple(record[name] for name in RECORD_DTYPE.names[1:6]) == LABELS
    assert before_ns <= record["end_ns"] <= time.time_ns()
    assert (record["flags"], record["reserved"]) == (flags, 0)
    assert record["bytes_received"] == min(received, 2**32 - 1)
    assert record["bytes_sent"] == sent
    assert record["sequence"] == 1
    # Sending time beyond the rest is an error of the clock: no stage is less than nothing.
    body_s = max(ended_s - head_s - write_s, 0.0)
    stages_s = [kernel_ns / 1e9, 0.0, 0.0, head_s - began_s, body_s, write_s]
    assert record["stages_ns"].tolist() == pytest.approx([s * 1e9 for s in stages_s], rel=1e-6)


@pytest.mark.parametrize(
    ("until_s", "above_ns", "kernel_ns", "is_told"),
    [
        (0.0, 0.0, 0.0, True),
        (9.9, 3e9, 0.0, True),  # the second is over
        (10.1, 3e9, 0.0, False),
        (10.1, 1.9e9, 0.0, True),  # the slowest so far
        (10.1, 3e9, 2e9, True),  # the kernel's wait is part of it
    ],
)
def test_a_call_tells_whether_its_details_may_be_wanted(until_s, above_ns, kernel_ns, is_told):
    memory = memory_of(2)
    threshold = DetailThreshold()
    record_call = recorder_of(memory, threshold)
    threshold.until_s, threshold.above_ns = until_s, above_ns
    end_ns = record_call(request_key(*LABELS), 0, 0, 5, kernel_ns, 8.0, 9.0, 0.5, 10.0)
    assert end_ns == (int(records(memory, 1)["end_ns"][0]) if is_told else 0)


class MemoryThatNotes(mmap.mmap):
    """Notes which bytes it was asked to make ready."""

    def madvise(self, _advice: int, start: int, length: int) -> None:
        self.__dict__.setdefault("asked", []).append((start, length))


def test_recorders_of_one_ring_take_turns_and_make_slots_ready():
    capacity = 2 * READY_SLOTS
    memory = memory_of(capacity, MemoryThatNotes)
    slots = Slots(memory, capacity)
    record_call, record_request = slots.call_recorder(DetailThreshold()), slots.request_recorder()
    for sent in range(0, capacity + READY_SLOTS, 2):
        record_call(request_key(*LABELS), 0, 0, sent, 0.0, 1.0, 1.0, 0.0, 1.0)
        record_request(1, request_key(*LABELS), 0, 0, sent + 1, 0, 0, 0, 1, 0, 0)
    expected = [*range(capacity, capacity + READY_SLOTS), *range(READY_SLOTS, capacity)]
    assert records(memory, capacity)["bytes_sent"].tolist() == expected
    assert records(memory, capacity)["sequence"].tolist() == [sent + 1 for sent in expected]
    size = READY_SLOTS * SLOT.size
    # Those of the first slots when it is made, then always the ones after those being written.
    halves = [SLOTS_OFFSET, SLOTS_OFFSET + size]
    assert memory.asked == [(halves[number % 2], size) for number in (0, 1, 0, 1)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0), TypeError),  # one too few
        ((1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0), TypeError),
        ((1, 0, 0, -5, 0.0, 1.0, 1.0, 0.0, 1.0), struct.error),
        ((1, 2**16, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0), struct.error),
        ((1, 0, 0, "5", 0.0, 1.0, 1.0, 0.0, 1.0), struct.error),
        ((1, 0, 0, 5, "0", 1.0, 1.0, 0.0, 1.0), struct.error),
    ],
)
def test_what_cannot_be_recorded_is_an_error_and_no_record(arguments, error):
    memory = memory_of(2)
    with pytest.raises(error):
        recorder_of(memory)(*arguments)
    assert not records(memory, 2)["sequence"].any()


def test_closed_memory_is_an_error():
    memory = memory_of(2)
    record_call = recorder_of(memory)
    record_call(1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0)
    memory.close()  # as a forked child does with what it inherited
    with pytest.raises((TypeError, ValueError)):
        record_call(1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0)


def resident_kib(path: Path) -> int:
    """How much of a file this process has in its page tables."""
    text = Path("/proc/self/smaps").read_text()
    (found,) = re.findall(rf"{re.escape(str(path))}\n(?:\w+:.*\n)*?Rss:\s+(\d+) kB", text)
    return int(found)


def test_the_pages_of_the_next_slots_are_there_before_they_are_written(tmp_path):
    writer = RingWriter(tmp_path / "1.ring", RingKind.SERVER, 8 * READY_SLOTS)
    step = READY_SLOTS * SLOT.size // 1024
    at_first = resident_kib(writer.path)
    assert step <= at_first < 2 * step
    writer.record_request(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert resident_kib(writer.path) == at_first + step
    for _ in range(READY_SLOTS - 1):
        writer.record_request(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert resident_kib(writer.path) == at_first + step
    writer.record_request(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert resident_kib(writer.path) == at_first + 2 * step
    writer.close()


class MemoryOfAnOlderKernel(mmap.mmap):
    asked = 0

    def madvise(self, *_advice: int) -> None:
        self.asked += 1
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_kernel_that_cannot_make_pages_ready_is_asked_once():
    memory = memory_of(4, MemoryOfAnOlderKernel)
    slots = Slots(memory, 4)
    record_request = slots.request_recorder()
    for number in range(9):
        record_request(number, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert memory.asked == 1
    assert records(memory, 4)["sequence"].tolist() == [9, 6, 7, 8]
