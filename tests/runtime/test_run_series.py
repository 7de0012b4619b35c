"""A load run over time: steps with the requests of a percentile, bounds, gaps."""

from contextlib import closing

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import LOAD_DURATION, LOAD_ERRORS
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.runtime.run_series import run_series
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store

START = 1_700_000_040
WSGI = ("listener", "wsgi")
DURATION = SeriesKey(LOAD_DURATION, (WSGI,))
TIMED_OUT = SeriesKey(LOAD_ERRORS, (("error.type", "timed_out"), WSGI))


def second(ts, durations, timed_out=0):
    delta = HistogramDelta(histogram.count(durations), float(np.sum(durations)))
    histograms = {DURATION: delta} if len(durations) else {}
    return Frame(ts, counts={TIMED_OUT: float(timed_out)}, histograms=histograms)


def series_of(folder, frames, rate):
    with closing(open_store(folder)) as store:
        store.write(Batch([*frames, second(START + len(frames), [])]))
        plan = LoadPlan.constant("wsgi", "/", rate, len(frames))
        ended_s = START + len(frames) - 0.1
        run = LoadRun(1, plan, RunState.DONE, START, START + 0.1, ended_s, {}, {})
        return run_series(store, run)


def test_a_p99_takes_the_requests_that_one_takes_on_the_pages(tmp_path):
    told = series_of(tmp_path, [second(START + at, [0.02] * 10) for at in range(60)], 10)
    assert told["step_s"] == [5.0], "a twelfth of the run, of 50 requests"
    assert told["second"] == [5.0 * at for at in range(12)]
    assert told["p50_ms"] == pytest.approx([20.0] * 12, rel=0.05)
    assert told["p95_ms"] == pytest.approx([20.0] * 12, rel=0.05)
    assert told["p99_ms"] == [None] * 12
    assert told["requests"] == [50.0] * 12


def test_a_step_is_as_short_as_its_requests_allow(tmp_path):
    told = series_of(tmp_path, [second(START + at, [0.02] * 40) for at in range(60)], 40)
    assert told["step_s"] == [5.0]
    assert told["p99_ms"] == pytest.approx([20.0] * 12, rel=0.05), "of 200 requests each"
    assert told["p99_is_bound"] == [0.0] * 12


def test_requests_that_timed_out_make_a_lower_bound_at_the_timeout(tmp_path):
    frames = [second(START + at, [0.02] * 200) for at in range(10)]
    frames[6] = second(START + 6, [0.02] * 190 + [10.02] * 10, timed_out=10)
    told = series_of(tmp_path, frames, 200)
    assert told["step_s"] == [1.0]
    assert (told["p99_ms"][6], told["p99_is_bound"][6]) == (10_000.0, 1.0)
    assert sum(told["p99_is_bound"]) == 1
    assert sum(told["p50_is_bound"]) == 0


def test_it_begins_with_the_first_answer_and_keeps_gaps(tmp_path):
    frames = [second(START + at, [0.02] * 200 if at in {2, 4} else []) for at in range(10)]
    told = series_of(tmp_path, frames, 200)
    assert told["second"] == [0.0, 1.0, 2.0]
    assert told["p50_ms"][1] is None
    nothing = [second(START + at, []) for at in range(3)]
    assert series_of(tmp_path / "nothing", nothing, 200) == {}
