"""Rows of coarser tiers on real engines: complete, asked for where they are, exact all the same.

The histories of the hosts, and what their files answer, are the same for each engine: they are
written and computed once.
"""

import random
import shutil
import time
from contextlib import closing
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, MEMORY_USAGE, REQUEST_DURATION
from servescope.store.base import Batch, Frame
from servescope.store.engine import sender
from servescope.store.opening import open_backend
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store
from servescope.store.steps import Steps
from servescope.store.tiers import MINUTE, TEN_MINUTES
from tests.contracts.series import CPU, MEMORY, REQUESTS, SENT, START, delta, same
from tests.engines import ENGINES, VICTORIA_METRICS, RunningEngine
from tests.processes import eventually

HOURS = 3
FIRST = START // 3600 * 3600 + 1234
LAST = FIRST + HOURS * 3600
LIVE = 30
"""So many frames of a history are written while the engine runs, the earlier ones before that."""

SPANS = ((FIRST - 100, LAST + 50), (FIRST + 777, LAST - 2345))


@pytest.fixture(
    scope="module",
    params=[(name,) for name in ENGINES] + [(VICTORIA_METRICS, "-dedup.minScrapeInterval=1ms")],
)
def engine(request, tmp_path_factory):
    name, *options = request.param
    folder = tmp_path_factory.mktemp(name)
    running = RunningEngine(name, folder, options=tuple(options)).start()
    yield running
    running.end()


def history(seed, first=FIRST, last=LAST):
    """A frame every few seconds, gaps of minutes, series that come and go."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    ts = first
    while ts < last:
        yield Frame(
            ts,
            {key: rng.uniform(0, 1) for key in (*CPU, MEMORY) if rng.random() < 0.8},
            {key: float(rng.randrange(2**20)) for key in SENT if rng.random() < 0.8},
            {key: delta(*(rng.lognormvariate(-6, 1) for _ in range(3))) for key in REQUESTS[:2]},
        )
        ts += rng.choice([1, 2, 3, 3, 3, 40]) if rng.random() < 0.995 else 1300


def write(store, frames):
    for low in range(0, len(frames), 300):
        store.write(Batch(frames[low : low + 300]))


def fill(store, frames):
    """Send it all, rows too; with the last frame the engine is told of them."""
    *frames, last = frames
    write(store, frames)
    assert store.wait_sent(60), store.notices()
    due = frames[-1].ts - 10
    eventually(
        lambda: (
            all(sent.until > due - 2 * tier for tier, sent in store._outbox.progress().rows.items())
            and len(store._outbox.progress().rows) == 2
        )
    )
    store.write(Batch([last]))
    assert store.wait_sent(60), store.notices()


def learn_rows(engine, store):
    """Have the rows that the store sent asked for.

    A forced flush of VictoriaMetrics does not wait for one that goes on beside it (its pull request
    11260): what a store announced with its last frame may be shown a moment later.
    """
    engine.show()

    def known():
        store.look_anew()
        store.hosts()
        return all(
            any(
                since == sent.since and until > sent.until - 2 * tier
                for since, until in store._fleet._rows.get((store.instance, tier), ())
            )
            for tier, sent in store._outbox.progress().rows.items()
        )

    eventually(known)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts: their folders before any engine was there, the rest, and what all of it answers.

    The answers are those of a local file; each is asked for once.
    """
    made = {}
    for seed, name in enumerate(("a", "b")):
        folder, whole = (tmp_path_factory.mktemp(name) / kind for kind in ("earlier", "whole"))
        frames = list(history(seed))
        with closing(open_store(folder, 64)) as store:
            write(store, frames[:-LIVE])
        shutil.copytree(folder, whole)
        store = open_store(whole, 64)
        write(store, frames[-LIVE:])
        asked = ("aggregate", "mean", "quantiles", "heatmap", "total")
        answers = SimpleNamespace(**{one: cache(getattr(store, one)) for one in asked})
        made[name] = SimpleNamespace(
            folder=folder, live=frames[-LIVE:], answers=answers, close=store.close
        )
    yield made
    for host in made.values():
        host.close()


@pytest.fixture(scope="module")
def stores(engine, hosts, tmp_path_factory):
    """Two hosts with their rows, and one of an older Servescope that sends seconds only."""
    opened = {}
    for name, host in hosts.items():
        folder = tmp_path_factory.mktemp(name) / "data"
        shutil.copytree(host.folder, folder)
        opened[name] = open_backend(engine.setting, folder, 64, name)
        fill(opened[name], host.live)
    opened["old"] = old = open_backend(engine.setting, tmp_path_factory.mktemp("old"), 64, "old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "COARSE", ())
        old.write(Batch(list(history(2, LAST - 1000))))
        assert old.wait_sent(60)
    for store in opened.values():
        learn_rows(engine, store)
    yield opened
    for store in opened.values():
        store.close()


def agree(found, expected):
    assert found.actual_step == expected.actual_step
    assert found.times.tolist() == expected.times.tolist()
    assert found.groups == expected.groups
    same(found.values, expected.values)


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("step", [60, 90, 120, 300, 600, 1200, 3600])
def test_coarse_steps_are_what_the_seconds_add_up_to(stores, hosts, name, step):
    view, local = stores[name].view(name), hosts[name].answers
    by_cpu, by_route = ("cpu.logical_number",), ("http.route",)
    for start, end in SPANS:
        span = (start, end, step)
        for agg in (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX):
            agree(
                view.aggregate(Query(CPU_UTILIZATION, *span), agg),
                local.aggregate(Query(CPU_UTILIZATION, *span), agg),
            )
            agree(
                view.aggregate(Query(CPU_UTILIZATION, *span, by=by_cpu), agg),
                local.aggregate(Query(CPU_UTILIZATION, *span, by=by_cpu), agg),
            )
        for agg in (Aggregation.SUM, Aggregation.RATE):
            for metric in (BYTES_SENT, REQUEST_DURATION):
                query = Query(metric, *span)
                agree(view.aggregate(query, agg), local.aggregate(query, agg))
        agree(
            view.mean(Query(REQUEST_DURATION, *span, by=by_route)),
            local.mean(Query(REQUEST_DURATION, *span, by=by_route)),
        )
        qs = (0.5, 0.95)
        agree(
            view.quantiles(Query(REQUEST_DURATION, *span, by=by_route), qs),
            local.quantiles(Query(REQUEST_DURATION, *span, by=by_route), qs),
        )
        same(
            view.heatmap(Query(REQUEST_DURATION, *span)).counts,
            local.heatmap(Query(REQUEST_DURATION, *span)).counts,
        )


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_total_of_a_span_is_what_the_seconds_add_up_to(stores, hosts, name):
    view, local = stores[name].view(name), hosts[name].answers
    for start, end in SPANS:
        found, expected = (
            view.total(Query(REQUEST_DURATION, start, end)),
            local.total(Query(REQUEST_DURATION, start, end)),
        )
        assert found.buckets.tolist() == expected.buckets.tolist()
        same(found.sum_s, expected.sum_s)


def test_the_coarsest_tier_that_fits_is_asked(stores):
    fleet = stores["a"]._fleet
    last = stores["a"].local.bounds()[1]
    asked = dict.fromkeys((1, MINUTE, TEN_MINUTES), 0)
    for tier, begin, end in fleet.segments("a", Steps(FIRST, last, 1200)):
        asked[tier] += end - begin
    assert asked[TEN_MINUTES] > 0.8 * (last - FIRST)
    assert asked[1] < 300
    assert {part.tier for part in fleet.segments("a", Steps(FIRST, LAST, 30))} == {1}
    # Of all hosts the old one holds seconds only, which are asked for where it has any.
    of_all = fleet.segments(None, Steps(FIRST, LAST, 1200))
    assert sum(end - begin for tier, begin, end in of_all if tier == 1) < 2000
    assert sum(end - begin for tier, begin, end in of_all if tier > 1) > 0.75 * (LAST - FIRST)


def test_all_hosts_together_are_the_sum_of_each(stores):
    everyone = stores["a"].view(None)
    span = (FIRST, LAST, 600)
    each = [store.local for store in stores.values()]
    found = everyone.aggregate(Query(BYTES_SENT, *span), Aggregation.RATE)
    expected = [one.aggregate(Query(BYTES_SENT, *span), Aggregation.RATE).values for one in each]
    same(found.values, np.nansum(expected, axis=0))
    found = everyone.aggregate(Query(CPU_UTILIZATION, *span), Aggregation.AVG)
    same(
        found.values,
        np.nanmean(
            [one.aggregate(Query(CPU_UTILIZATION, *span), Aggregation.AVG).values for one in each],
            axis=0,
        ),
    )
    found = everyone.aggregate(Query(MEMORY_USAGE, *span), Aggregation.AVG)
    same(
        found.values,
        np.nansum(
            [one.aggregate(Query(MEMORY_USAGE, *span), Aggregation.AVG).values for one in each],
            axis=0,
        ),
    )
    found = everyone.total(Query(REQUEST_DURATION, FIRST, LAST))
    assert found.count[0] == sum(
        one.total(Query(REQUEST_DURATION, FIRST, LAST)).count[0] for one in each
    )


def test_a_new_disk_goes_on_with_rows_of_its_own(stores, engine, tmp_path):
    """Data sent before stays asked for in rows, but for what the old disk had not closed."""
    last = (LAST // 3600 + 1) * 3600  # each hour the engine is told for good
    stores["b"].write(Batch([Frame(last)]))
    assert stores["b"].wait_sent(60)
    with closing(open_backend(engine.setting, tmp_path, 64, "b")) as store:
        frames = list(history(9, last + 100, last + 3000))
        fill(store, frames)
        learn_rows(engine, store)
        asked = store._fleet.segments("b", Steps(FIRST, frames[-1].ts, 60))
        assert sum(end - begin for tier, begin, end in asked if tier == 1) < 3000
        assert sum(end - begin for tier, begin, end in asked if tier == 60) > 3 * 3600
        expected = sum(
            one.total(Query(BYTES_SENT, FIRST, frames[-1].ts + 1)).count[0]
            for one in (store.local, stores["b"].local)
        )
        found = store.view("b").total(Query(BYTES_SENT, FIRST, frames[-1].ts + 1))
        assert found.count.tolist() == [expected]


def test_rows_outlive_an_outage_longer_than_seconds_are_kept(tmp_path):
    """Minutes that went by while the engine was away arrive, though their seconds are gone."""
    engine = RunningEngine(VICTORIA_METRICS, tmp_path / "engine").start()
    now = int(time.time()) // 60 * 60
    begin = now - 7200
    try:
        with closing(open_backend(engine.setting, tmp_path / "data", 64, "a")) as store:
            store.local.retention = type(store.local.retention)(600, 86_400, 86_400)
            store.write(
                Batch([Frame(ts, counts={SENT[0]: 1.0}) for ts in range(begin, begin + 90)])
            )
            assert store.wait_sent(30)
            eventually(lambda: store._outbox.progress().rows[MINUTE].until > begin)
            engine.end()
            for low in range(begin + 90, now, 60):
                store.write(
                    Batch([Frame(ts, counts={SENT[0]: 1.0}) for ts in range(low, low + 60)])
                )
            engine.start()
            store.write(Batch([Frame(now + 40)]))
            assert store.wait_sent(60)
            eventually(lambda: store._outbox.progress().rows[MINUTE].until == now)
            store.write(Batch([Frame(now + 41)]))
            assert store.wait_sent(60)
            assert store._outbox.progress().skipped > 3600
            engine.show()
            eventually(lambda: store.look_anew() or store.view("a").bounds()[1] >= now)
            found = store.view("a").aggregate(
                Query(BYTES_SENT, begin + 60, now - 60, 60), Aggregation.SUM
            )
            assert found.values.tolist() == [[60.0] * ((now - begin - 120) // 60)]
    finally:
        engine.end()
