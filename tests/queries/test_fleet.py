"""Two hosts on a real engine, and the contexts that look at them."""

import time

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, MEMORY_UTILIZATION, REQUEST_DURATION
from servescope.control import Control
from servescope.findings.gathering import moment
from servescope.histogram import ERROR_BOUND
from servescope.queries import fleet
from servescope.records.metrics import ALL_HOSTS
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.opening import open_backend
from servescope.store.query import Aggregation, Query
from tests.contexts import leading_process
from tests.engines import ENGINES, RunningEngine
from tests.processes import eventually

CPU = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "all"),))
MEMORY = SeriesKey(MEMORY_UTILIZATION)
SENT = SeriesKey(BYTES_SENT, (("listener", "wsgi"),))
REQUESTS = {
    status: SeriesKey(
        REQUEST_DURATION,
        (("http.response.status_code", status), ("listener", "wsgi")),
    )
    for status in ("200", "500", "0")
}


TURNED_AWAY = SeriesKey(
    REQUEST_DURATION,
    (
        ("http.request.method", "_OTHER"),
        ("http.response.status_code", "400"),
        ("http.route", "other"),
        ("listener", "wsgi"),
    ),
)


def frame(ts, requests, cpu, took=0.01, unread=0, unanswered=0):
    """A second of so many answers, a tenth of them errors, of answers to none, and of none."""

    def some(count):
        return HistogramDelta(histogram.count([took] * count), took * count)

    good, bad = requests - requests // 10, requests // 10
    return Frame(
        ts,
        {CPU: cpu, MEMORY: 2 * cpu},
        {SENT: 100.0 * requests},
        {REQUESTS["200"]: some(good), REQUESTS["500"]: some(bad)}
        | ({TURNED_AWAY: HistogramDelta(histogram.count([1e-5] * unread), 1e-5)} if unread else {})
        | ({REQUESTS["0"]: some(unanswered)} if unanswered else {}),
    )


class Hosts:
    """Stores and contexts of hosts on one engine."""

    def __init__(self, engine, folder):
        self.engine, self.folder, self.opened = engine, folder, []

    def store(self, name):
        self.opened.append(open_backend(self.engine.setting, self.folder / name, 64, name))
        return self.opened[-1]

    def context(self, store):
        self.opened.insert(0, Control(self.folder / store.instance))
        control, settings = self.opened[0], Settings(data_dir=self.folder)
        return leading_process(store, control, settings, fleet=store).home

    def settle(self):
        """Have all that was written be read."""
        stores = [one for one in self.opened if hasattr(one, "wait_sent")]
        for store in stores:
            assert store.wait_sent(30), store.notices()
        self.engine.show()
        for store in stores:
            store.look_anew()


@pytest.fixture(params=ENGINES)
def hosts(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = RunningEngine(request.param, tmp_path / "engine").start()
    some = Hosts(engine, tmp_path)
    yield some
    for one in some.opened:
        one.close()
    engine.end()


def test_a_row_for_each_host_with_its_own_figures(hosts):
    now = int(time.time()) - 20
    alpha, beta, gone = (hosts.store(name) for name in ("alpha", "beta", "gone"))
    alpha.write(Batch([frame(ts, 10, 0.2, unanswered=30) for ts in range(now - 30, now)]))
    beta.write(Batch([frame(ts, 40, 0.4, took=0.1, unread=400) for ts in range(now - 30, now - 1)]))
    gone.write(Batch([frame(ts, 40, 0.4) for ts in range(now - 300, now - 200)]))
    hosts.settle()
    first, second, third = fleet.table(hosts.context(alpha))
    assert [row.host for row in (first, second, third)] == ["alpha", "beta", "gone"]
    assert [row.is_home for row in (first, second, third)] == [True, False, False]
    assert [row.newest_s for row in (first, second, third)] == [now - 1, now - 2, now - 201]
    assert first.answers_per_s == pytest.approx(10)
    assert first.error_ratio == pytest.approx(1 / 10), "of the answers"
    assert second.answers_per_s == pytest.approx(440)  # in its own nine seconds
    assert second.error_ratio == pytest.approx(4 / 440)
    assert first.p95_s == pytest.approx(0.01, rel=ERROR_BOUND)
    assert second.p95_s == pytest.approx(0.1, rel=ERROR_BOUND), "of those that were read"
    assert (second.cpu_utilization, second.memory_utilization) == pytest.approx((0.4, 0.8))
    assert third.answers_per_s is third.p95_s is third.cpu_utilization is None


def test_all_hosts_add_rates_average_shares_and_merge_histograms(hosts):
    now = int(time.time()) - 20
    alpha, beta = hosts.store("alpha"), hosts.store("beta")
    alpha.write(Batch([frame(ts, 30, 0.2, took=0.001) for ts in range(now - 20, now)]))
    beta.write(Batch([frame(ts, 10, 0.4, took=0.1) for ts in range(now - 20, now)]))
    hosts.settle()
    context = hosts.context(alpha)
    process = context.process
    assert process.of_host("alpha") is process.of_host("") is context
    everyone = process.of_host(ALL_HOSTS)
    assert process.of_host(ALL_HOSTS) is everyone
    assert process.of_host("beta") is process.of_host("beta")
    evidence = moment(everyone)
    assert evidence.totals.requests == pytest.approx(40 * evidence.window_s)
    assert evidence.host.cpu_utilization == pytest.approx(0.3)
    # A quarter of the merged requests is slow; the mean of both hosts' p95 would be half of it.
    assert evidence.totals.p95_s == pytest.approx(0.1, rel=ERROR_BOUND)
    assert evidence.totals.p50_s == pytest.approx(0.001, rel=ERROR_BOUND)
    # A host's rate is one over the seconds it was there, and adds to the others'.
    beta.write(Batch([frame(ts, 10, 0.4) for ts in range(now, now + 5)]))
    hosts.settle()
    rate = everyone.store.aggregate(Query(BYTES_SENT, now - 20, now + 10, 30), Aggregation.RATE)
    assert np.nanmax(rate.values) == pytest.approx(4000)


def test_an_unknown_host_leaves_no_context_behind(hosts):
    alpha = hosts.store("alpha")
    alpha.write(Batch([frame(int(time.time()) - 20, 10, 0.2)]))
    hosts.settle()
    context = hosts.context(alpha)
    stranger = context.process.of_host("stranger")
    assert stranger.newest() is None
    notices = stranger.dashboard_status().notices
    assert any("no figures of host stranger" in text for text in notices)
    assert context.process.of_host("stranger") is not stranger
    assert context.process.hosts()[0].name == "alpha"
    assert fleet.table(context) == []


def test_scrapes_and_own_figures_do_without_the_engine(hosts):
    alpha, beta = hosts.store("alpha"), hosts.store("beta")
    now = int(time.time()) - 20
    for store in (alpha, beta):
        store.write(Batch([frame(ts, 10, 0.2) for ts in range(now - 30, now)]))
    hosts.settle()
    context = hosts.context(alpha)
    assert len(fleet.table(context)) == 2
    hosts.engine.end()
    assert context.process.local.newest() == now - 1
    assert moment(context).totals.requests == pytest.approx(50)
    assert [row.answers_per_s for row in fleet.table(context)] in ([None, None], [10, 10])
    beta_context = context.process.of_host("beta")
    eventually(lambda: beta_context.newest() is None)  # it is looked at twice a second
