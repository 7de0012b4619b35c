"""The pages of a ring are ready before they are written."""

import errno
import mmap
import re
from pathlib import Path

import numpy as np

from servescope.recording import RECORD_DTYPE, RingKind, RingWriter
from servescope.recording.mapping import SLOTS_OFFSET
from servescope.recording.slots import READY_SLOTS, SLOT, Slots


def memory_of(slots: int, kind: type[mmap.mmap] = mmap.mmap) -> mmap.mmap:
    return kind(-1, SLOTS_OFFSET + slots * SLOT.size)


def records(memory: mmap.mmap, number: int) -> np.ndarray:
    return np.frombuffer(bytes(memory), RECORD_DTYPE, number, SLOTS_OFFSET)


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
