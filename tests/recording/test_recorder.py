"""The recorder: two rings for each start of a process, and which requests are told in detail."""

import time

import pytest

from servescope.errors import DataFolderError
from servescope.recording import Recorder, RingKind, RingReader
from servescope.recording.recorder import DETAILS_PER_SECOND, ERRORS_PER_SECOND, FIRST_ERROR_STATUS

SECOND = 1_000_000_000


@pytest.fixture
def recorder(tmp_path):
    recorder = Recorder(tmp_path / "rings", capacity=64)
    yield recorder
    recorder.close()


def wanted(recorder, requests, second=100):
    return [
        recorder.wants_detail(status, total_ns, second * SECOND) for status, total_ns in requests
    ]


def test_each_start_has_rings_of_its_own(tmp_path):
    first = Recorder(tmp_path, capacity=64)
    second = Recorder(tmp_path, RingKind.LOAD, capacity=64)
    names = sorted(path.suffix for path in tmp_path.iterdir())
    assert names == [".detail", ".detail", ".ring", ".ring"]
    reader = RingReader(second.ring.path)
    assert reader.header.kind == RingKind.LOAD
    reader.close()
    first.close()
    second.close()


def test_closing_gives_both_rings_up(recorder):
    reader = RingReader(recorder.ring.path)
    recorder.close()
    assert reader.writer_is_gone()
    reader.close()


def test_only_so_many_ordinary_requests_a_second_are_kept(recorder):
    kept = wanted(recorder, [(200, 1_000_000.0)] * 500)
    assert sum(kept) == 1 + DETAILS_PER_SECOND  # the first is the slowest so far
    assert wanted(recorder, [(200, 1_000_000.0)], second=101) == [True]


def test_errors_are_kept_up_to_their_own_bound(recorder):
    wanted(recorder, [(200, 5e9)] * 100)
    kept = wanted(recorder, [(404, 1.0)] * 500)
    assert sum(kept) == ERRORS_PER_SECOND


def test_the_slowest_is_kept_however_many_were(recorder):
    wanted(recorder, [(200, 1e6)] * 100)
    assert wanted(recorder, [(200, 1e6), (200, 2e6), (200, 1.5e6), (200, 3e6)]) == [
        False,
        True,
        False,
        True,
    ]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="cannot make the folder"):
        Recorder(tmp_path / "file" / "rings")


@pytest.mark.parametrize("set_back_s", [0, 1, 3_600])
def test_while_it_is_quiet_asking_is_in_vain(recorder, set_back_s: int):
    """Who asks only as the bounds say is told the same, if the clock is not set meanwhile."""
    seconds = [100_000 - set_back_s] * 40 + [100_001] * 40
    totals = [1e6 + 1e5 * (number % 7) for number in range(80)]
    statuses = [500 if number % 11 == 0 else 200 for number in range(80)]
    in_vain = 0
    for number, (second, total_ns, status) in enumerate(
        zip(seconds, totals, statuses, strict=True)
    ):
        if number == 40:
            recorder.quiet.until_ns = 0  # the second is over
        may_ask = (
            time.perf_counter_ns() > recorder.quiet.until_ns
            or total_ns > recorder.quiet.above_ns
            or status >= FIRST_ERROR_STATUS
        )
        is_wanted = recorder.wants_detail(status, total_ns, second * SECOND)
        assert may_ask or not is_wanted
        in_vain += not may_ask
    assert in_vain > 10


def test_it_stays_quiet_until_the_second_is_over_and_no_longer(recorder):
    assert recorder.quiet.until_s == 0
    end_ns = 100 * SECOND + SECOND // 4
    before_s = time.perf_counter()
    while recorder.wants_detail(200, 5.0, end_ns):
        assert recorder.quiet.until_s == 0
    after_s = time.perf_counter()
    assert before_s + 0.75 <= recorder.quiet.until_s <= after_s + 0.75
    assert recorder.quiet.until_ns == pytest.approx(recorder.quiet.until_s * SECOND)
    assert recorder.quiet.above_ns == 5.0
