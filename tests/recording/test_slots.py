"""What an app's call becomes in a slot, and the pages that are ready before they are written."""

import errno
import mmap
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.recording import RECORD_DTYPE, RingKind, RingWriter
from servescope.recording.mapping import SLOTS_OFFSET
from servescope.recording.slots import READY_SLOTS, SLOT, Quiet, Slots, outline

KIND = (7, 9, 1, 2, 200)
moments = st.floats(0, 1e6)


def memory_of(slots: int, kind: type[mmap.mmap] = mmap.mmap) -> mmap.mmap:
    return kind(-1, SLOTS_OFFSET + slots * SLOT.size)


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
    Slots(memory, 2).call_recorder(Quiet())(
        outline(*KIND), flags, received, sent, kernel_ns, began_s, head_s, write_s, ended_s
    )
    (record,) = records(memory, 1)
    assert tuple(record[name] for name in RECORD_DTYPE.names[1:6]) == KIND
    assert before_ns <= record["end_ns"] <= time.time_ns()
    assert (record["flags"], record["reserved"]) == (flags, 0)
    assert record["bytes_received"] == min(received, 2**32 - 1)
    assert record["bytes_sent"] == sent
    assert record["sequence"] == 1
    # What sending took beyond the rest is the clock's: no stage is less than nothing.
    body_s = max(ended_s - head_s - write_s, 0.0)
    stages_s = [kernel_ns / 1e9, 0.0, 0.0, head_s - began_s, body_s, write_s]
    assert record["stages_ns"].tolist() == pytest.approx([s * 1e9 for s in stages_s], rel=1e-6)


@pytest.mark.parametrize(
    ("quiet", "kernel_ns", "is_told"),
    [
        (Quiet(), 0.0, True),
        (Quiet(until_s=9.9, above_ns=3e9), 0.0, True),  # the second is over
        (Quiet(until_s=10.1, above_ns=3e9), 0.0, False),
        (Quiet(until_s=10.1, above_ns=1.9e9), 0.0, True),  # the slowest so far
        (Quiet(until_s=10.1, above_ns=3e9), 2e9, True),  # the kernel's wait is part of it
    ],
)
def test_a_call_tells_whether_its_details_may_be_wanted(quiet, kernel_ns, is_told):
    memory = memory_of(2)
    record_call = Slots(memory, 2).call_recorder(quiet)
    end_ns = record_call(outline(*KIND), 0, 0, 5, kernel_ns, 8.0, 9.0, 0.5, 10.0)
    assert end_ns == (int(records(memory, 1)["end_ns"][0]) if is_told else 0)


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
    writer.record_outlined(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert resident_kib(writer.path) == at_first + step
    for _ in range(READY_SLOTS - 1):
        writer.record_outlined(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert resident_kib(writer.path) == at_first + step
    writer.record_outlined(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
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
    record_outlined = slots.outlined_recorder()
    for number in range(9):
        record_outlined(number, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert memory.asked == 1
    assert records(memory, 4)["sequence"].tolist() == [9, 6, 7, 8]
