"""Three tiers answer as one: the same figures whichever of them is asked, each for its time."""

import functools
import math
import shutil

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.settings import load_settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store
from servescope.store.tiers import FINE, MINUTE, TEN_MINUTES, Retention

# Rolling up a day and more, minute by minute, takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)

SPAN = 36_000  # ten hours: what closes together in tier 600
START = 1_700_000_000 // SPAN * SPAN
CPU = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(3)]
SENT, REQUESTS = SeriesKey(BYTES_SENT), SeriesKey(REQUEST_DURATION)
STEP = 20
HOURS = 32


def frame(ts):
    """Core 2 is not always there; every seventh hour is a gap."""
    number = ts // STEP
    gauges = {CPU[0]: (number * 37 % 101) / 100, CPU[1]: float(number % 13)}
    if number % 500 < 300:
        gauges[CPU[2]] = (number % 7) / 8
    took = [1e-4 * (1 + number % 9), 2e-3]
    delta = HistogramDelta(histogram.count(took), math.fsum(took))
    return Frame(ts, gauges, {SENT: float(number % 50)}, {REQUESTS: delta})


@functools.cache
def history():
    """All frames, for whoever compares: nobody changes them.

    Three in each third minute: closing a minute is what takes time.
    """
    return [
        frame(ts)
        for ts in range(START, START + HOURS * 3600, STEP)
        if (ts - START) // 3600 % 7 != 5 and ts // 60 % 3 == 0
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the whole history, written once."""
    folder = tmp_path_factory.mktemp("history")
    store, frames = open_store(folder), history()
    for low in range(0, len(frames), 180):
        store.write(Batch(frames[low : low + 180]))
    store.close()
    return folder


@pytest.fixture
def filled(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    store = open_store(tmp_path)
    yield store
    store.close()


def ask(store, sql, *values):
    return store._db.read(lambda connection: connection.execute(sql, values).fetchall())


def drop(store, tier, before):
    """The effect of age on a tier."""
    store._db.write(
        lambda connection: connection.execute(
            "DELETE FROM chunk WHERE tier = ? AND t0 + tier * 60 <= ?", (tier, before)
        )
    )


@functools.cache
def gauges_by_step(key, step):
    of_step = {}
    for one in history():
        if key in one.gauges:
            of_step.setdefault(one.ts // step * step, []).append(one.gauges[key])
    return of_step


def expected(key, agg, times, step):
    of_step = gauges_by_step(key, step)
    return [agg(of_step[ts]) if ts in of_step else math.nan for ts in times.tolist()]


def mean(values):
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("gone", [(), (FINE,), (FINE, MINUTE)], ids=["none", "1 s", "60 s"])
@pytest.mark.parametrize("step", [600, 1200, 3600])
def test_long_steps_are_exact_whichever_finer_tier_is_gone(filled, gone, step):
    edge = START + 20 * 3600
    for tier in gone:
        drop(filled, tier, edge)
    end = START + HOURS * 3600
    for agg, of in ((Aggregation.MIN, min), (Aggregation.MAX, max), (Aggregation.AVG, mean)):
        found = filled.aggregate(
            Query(CPU_UTILIZATION, START, end, step, by=("cpu.logical_number",)), agg
        )
        assert found.actual_step == step
        for row, key in zip(found.values, CPU, strict=True):
            np.testing.assert_allclose(row, expected(key, of, found.times, step), rtol=1e-9)
    sent = filled.aggregate(Query(BYTES_SENT, START, end, step), Aggregation.RATE)
    seconds = {}
    for one in history():
        seconds.setdefault(one.ts // step * step, []).append(one.counts[SENT])
    wanted = [mean(seconds[ts]) if ts in seconds else math.nan for ts in sent.times.tolist()]
    np.testing.assert_allclose(sent.values[0], wanted, rtol=1e-9)
    merged = filled.quantiles(Query(REQUEST_DURATION, START, end, step), [0.5, 1.0])
    assert merged.actual_step == step
    assert np.isnan(merged.values[0, 0]).tolist() == np.isnan(sent.values[0]).tolist()
    heat = filled.heatmap(Query(REQUEST_DURATION, START, end, step))
    assert np.nansum(heat.counts) == 2 * len(history())
    total = filled.total(Query(REQUEST_DURATION, START, end))
    assert total.buckets.sum() == total.count[0] == 2 * len(history())


def test_a_query_takes_the_finest_tier_that_reaches_back(filled):
    drop(filled, FINE, START + 30 * 3600)
    drop(filled, MINUTE, START + 20 * 3600)
    end = START + HOURS * 3600

    def actual_step(start, step):
        query = Query(BYTES_SENT, start, end, step)
        return filled.aggregate(query, Aggregation.SUM).actual_step

    steps = {back: actual_step(end - back * 3600, 1) for back in (1, 9, 30)}
    assert steps == {1: 1, 9: 60, 30: 600}
    assert actual_step(START, 660) == 1200


def test_each_tier_keeps_histograms(filled):
    for tier in (FINE, MINUTE, TEN_MINUTES):
        ((planes,),) = ask(filled, "SELECT count(DISTINCT plane) FROM chunk WHERE tier = ?", tier)
        assert planes >= 5, tier


def test_ten_hours_close_together_and_the_rest_stays_open(filled):
    assert [t0 for (t0,) in ask(filled, "SELECT DISTINCT t0 FROM chunk WHERE tier = 600")] == [
        START,
        START + SPAN,
        START + 2 * SPAN,
    ]
    ((low, high),) = ask(filled, "SELECT min(ts), max(ts) FROM frame WHERE tier = 600")
    assert START + 3 * SPAN <= low <= high < START + HOURS * 3600


def test_retention_comes_from_the_settings():
    settings = load_settings(
        keep_1s_hours=2, keep_60s_days=3, keep_600s_days=40, keep_requests=1_234
    )
    retention = Retention.from_settings(settings)
    assert retention.requests == 1_234
    assert [retention.kept_s(tier) for tier in (FINE, MINUTE, TEN_MINUTES)] == [
        2 * 3600,
        3 * 86_400,
        40 * 86_400,
    ]
    assert Retention.from_settings(load_settings()) == Retention()


def test_a_coarser_tier_is_kept_as_long_as_the_finer_ones():
    retention = Retention(5 * 86_400, 86_400, 3_600)
    assert {retention.kept_s(tier) for tier in (FINE, MINUTE, TEN_MINUTES)} == {5 * 86_400}
