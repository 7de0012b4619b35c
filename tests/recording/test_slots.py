"""What an app's call becomes in a slot, and the pages that are ready before they are written."""

import errno
import itertools
import mmap
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.recording import (
    RECORD_DTYPE,
    RingKind,
    RingWriter,
    _call_recorder,
    call_recorder,
)
from servescope.recording.mapping import SLOTS_OFFSET
from servescope.recording.record_layout import SLOT, outline
from servescope.recording.slots import READY_SLOTS, Slots

KIND = (7, 9, 1, 2, 200)
moments = st.floats(0, 1e6)


both = pytest.mark.parametrize("module", [_call_recorder, call_recorder], ids=["C", "Python"])


def memory_of(slots: int, kind: type[mmap.mmap] = mmap.mmap) -> mmap.mmap:
    return kind(-1, SLOTS_OFFSET + slots * SLOT.size)


def recorder_of(module, memory, **changed):
    """A recorder into two slots of memory, but for what is `changed`."""
    usual = {
        "memory": memory,
        "offset": SLOTS_OFFSET,
        "capacity": 2,
        "ready": 2,
        "numbers": itertools.count(),
        "make_ready": lambda _number: None,
        "quiet": module.Quiet(),
    }
    return module.call_recorder(**usual | changed)


def records(memory: mmap.mmap, number: int) -> np.ndarray:
    return np.frombuffer(bytes(memory), RECORD_DTYPE, number, SLOTS_OFFSET)


@both
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
    module, flags, received, sent, kernel_ns, began_s, app_s, rest_s, write_s
):
    memory = memory_of(2)
    head_s = began_s + app_s
    ended_s = head_s + rest_s
    before_ns = time.time_ns()
    recorder_of(module, memory)(
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


@both
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
def test_a_call_tells_whether_its_details_may_be_wanted(
    module, until_s, above_ns, kernel_ns, is_told
):
    memory = memory_of(2)
    quiet = module.Quiet()
    record_call = recorder_of(module, memory, quiet=quiet)
    quiet.until_s, quiet.above_ns = until_s, above_ns
    end_ns = record_call(outline(*KIND), 0, 0, 5, kernel_ns, 8.0, 9.0, 0.5, 10.0)
    assert end_ns == (int(records(memory, 1)["end_ns"][0]) if is_told else 0)


@both
def test_recorders_of_one_ring_take_turns_and_make_slots_ready(module):
    memory, numbers, asked = memory_of(4), itertools.count(), []
    shared = {"capacity": 4, "numbers": numbers, "make_ready": asked.append}
    made = [recorder_of(module, memory, **shared) for _ in range(2)]
    for sent in range(7):
        made[sent % 2](outline(*KIND), 0, 0, sent, 0.0, 1.0, 1.0, 0.0, 1.0)
    assert records(memory, 4)["bytes_sent"].tolist() == [4, 5, 6, 3]
    assert records(memory, 4)["sequence"].tolist() == [5, 6, 7, 4]
    assert asked == [0, 2, 4, 6]


@both
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0), TypeError),  # one too few
        ((1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0), TypeError),
        ((1, 0, 0, -5, 0.0, 1.0, 1.0, 0.0, 1.0), (OverflowError, struct.error)),
        ((1, 2**16, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0), (OverflowError, struct.error)),
        ((1, 0, 0, "5", 0.0, 1.0, 1.0, 0.0, 1.0), (TypeError, struct.error)),
        ((1, 0, 0, 5, "0", 1.0, 1.0, 0.0, 1.0), (TypeError, struct.error)),
    ],
)
def test_what_cannot_be_recorded_is_an_error_and_no_record(module, arguments, error):
    memory = memory_of(2)
    with pytest.raises(error):
        recorder_of(module, memory)(*arguments)
    assert not records(memory, 2)["sequence"].any()


@both
def test_closed_memory_is_an_error(module):
    memory = memory_of(2)
    record_call = recorder_of(module, memory)
    record_call(1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0)
    memory.close()  # as a forked child does with what it inherited
    with pytest.raises((TypeError, ValueError)):
        record_call(1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"capacity": 3}, ValueError),
        ({"capacity": 2**62}, ValueError),
        ({"ready": 0}, ValueError),
        ({"offset": -64}, ValueError),
        ({"offset": 4}, ValueError),
        ({"numbers": [1]}, TypeError),
        ({"quiet": call_recorder.Quiet()}, TypeError),
        ({"numbers": iter([])}, ValueError),
        ({"numbers": iter([-1])}, OverflowError),
        ({"numbers": iter(["0"])}, TypeError),
    ],
)
def test_the_compiled_recorder_takes_nothing_that_would_lead_it_astray(changed, error):
    memory = memory_of(2)
    recorder_of(_call_recorder, memory)
    with pytest.raises(error):
        recorder_of(_call_recorder, memory, **changed)(1, 0, 0, 5, 0.0, 1.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize("memory", [bytes(1024), bytearray(64), None])
def test_the_compiled_recorder_writes_within_its_memory_alone(memory):
    record_call = recorder_of(_call_recorder, memory)
    with pytest.raises((BufferError, TypeError, ValueError)):
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
