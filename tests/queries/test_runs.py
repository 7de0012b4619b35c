"""Load runs by number and by the page, and the figures of exactly their seconds."""

from dataclasses import replace

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.figures.lines import LinePlot
from servescope.queries import runs
from servescope.queries.span import Range, Span, View
from servescope.records.load import LoadPlan, RunState
from servescope.records.run_environment import RunEnvironment
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
PLAN = LoadPlan.constant("wsgi", "/", 10, 3)
ENVIRONMENT = RunEnvironment(
    *("0.1.0", "CPython 3.11.7", "Linux 6.1", "x86_64", 2, "shop:app", "wsgi", "thread_pool"),
    *(8, 1, False, None, 90.0),
    port=5555,
)


def delta(*durations):
    return HistogramDelta(histogram.count(np.array(durations)), sum(durations))


def answered(listener, count, seconds, *, is_read=True, status="200"):
    labels = {
        "http.request.method": "GET" if is_read else "_OTHER",
        "http.response.status_code": status if is_read else "503",
        "http.route": "/" if is_read else "other",
        "listener": listener,
    }
    key = SeriesKey(catalog.REQUEST_DURATION, tuple(sorted(labels.items())))
    return {key: delta(*[seconds] * count)}


@pytest.fixture
def context(harness):
    return harness.context()


@pytest.fixture
def add(context):
    """Add a run: `add(started, ended)`; without an end it goes on."""

    def add(started, ended=None, plan=PLAN):
        control = context.process.control.load_runs
        number = control.request(plan, started).id
        control.update(number, state=RunState.RUNNING, started_s=started, environment=ENVIRONMENT)
        if ended is not None:
            control.update(number, state=RunState.DONE, ended_s=ended, result={"sent": 1})
        return control.by_id(number)

    return add


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("", 0), ("x", 0), ("-1", 0), ("1" * 19, 0), ("٣", 0), (None, 0), ("1.0", 0)],
)
def test_the_number_in_an_address(text, number):
    assert runs.run_id(text) == number


def test_a_run_by_its_number_and_the_highest_there_was(context, add):
    assert runs.newest_id(context) == 0
    run = add(START, START + 3)
    assert runs.one(context, run.id) == run
    assert runs.one(context, run.id + 1) is None
    context.process.control.load_runs.delete(run.id)
    assert runs.one(context, run.id) is None
    assert runs.newest_id(context) == run.id


def test_a_page_of_many_runs(context, add):
    last = [add(START + n, START + n + 0.5).id for n in range(runs.PAGE_ROWS + 2)][-1]
    found = runs.find(context, None, "", runs.NEWEST_FIRST, "")
    assert [run.id for run in found.rows] == list(range(last, 2, -1))
    assert (found.matching, found.kept, found.page, found.pages) == (last, last, 1, 2)
    assert [run.id for run in runs.find(context, None, "", "", "2").rows] == [2, 1]
    beyond = runs.find(context, None, "", "", "9")
    assert (beyond.page, [run.id for run in beyond.rows]) == (2, [2, 1])
    assert runs.find(context, None, "", "id", "0").rows[0].id == 1
    assert runs.find(context, None, "", "nonsense", "x").rows[0].id == last
    one = runs.find(context, None, "#7", "", "")
    assert ([run.id for run in one.rows], one.matching, one.kept) == ([7], 1, last)


def test_of_a_fixed_span_the_runs_that_ended_in_it(context, add):
    first, second = add(START, START + 3), add(START + 20, START + 23)
    found = runs.find(context, Span(START, START + 10, 1, fixed=True), "", "", "")
    assert ([run.id for run in found.rows], found.kept) == ([first.id], 1)
    live = runs.find(context, Span(START, START + 10, 1), "", "", "")
    assert [run.id for run in live.rows] == [second.id, first.id]


def test_a_run_shows_its_own_whole_seconds_and_a_part_of_them(add):
    run = add(START + 0.7, START + 4.2)
    whole = View(fixed=(START, START + 5))
    assert runs.view_of(run, View()) == whole
    assert runs.view_of(run, View(Range("1h", "1 h", 3600))) == whole
    assert runs.view_of(run, View(fixed=(START + 1, START + 3))).fixed == (START + 1, START + 3)
    assert runs.view_of(run, View(fixed=(START - 9, START + 3))) == whole, "it is another span's"
    assert runs.span_of(run) == Span(START, START + 5, 1, fixed=True)


def test_a_run_under_way_is_shown_from_its_begin_on(add):
    run = add(START + 0.7)
    view = runs.view_of(run, View())
    assert view.live
    assert view.span(START + 29, START - 500) == Span(START, START + 30, 1)
    assert run.whole_seconds == (START, START + 14), "its schedule, and the time to time out"


def test_a_run_that_has_not_begun_has_no_seconds(context):
    run = context.process.control.load_runs.request(PLAN, START)
    assert run.whole_seconds is None
    assert runs.span_of(run) is None
    assert runs.view_of(run, View()) == View(fixed=(START, START + 1))
    assert runs.server_figures(context, run) is None


@pytest.mark.parametrize(
    ("rate", "seconds", "step"),
    [(200, 30, 1), (50, 60, 2), (10, 600, 10), (1, 60, 5), (1, 3, 1)],
)
def test_a_point_of_a_percentile_has_requests_enough_where_the_plan_allows(rate, seconds, step):
    assert runs.percentile_step(LoadPlan.constant("wsgi", "/", rate, seconds)) == step


def test_the_server_is_asked_for_the_run_s_listener_and_seconds(context, add):
    run = add(START + 0.2, START + 2.5)
    context.store.write(
        Batch(
            [
                Frame(START - 1, histograms=answered("wsgi", 50, 9.0)),
                Frame(START, histograms=answered("wsgi", 60, 0.01)),
                Frame(START + 1, histograms=answered("asgi", 60, 5.0)),
                Frame(START + 2, histograms=answered("wsgi", 60, 0.03)),
                Frame(START + 3, histograms=answered("wsgi", 50, 9.0)),
            ]
        )
    )
    found = runs.server_figures(context, run)
    assert found.requests == 120
    assert found.mean_s == pytest.approx(0.02)
    assert found.quantiles_s["p50"] == pytest.approx(0.01, rel=histogram.ERROR_BOUND)
    assert found.quantiles_s["p95"] == pytest.approx(0.03, rel=histogram.ERROR_BOUND)
    assert np.isnan(found.quantiles_s["p99.9"]), "120 requests are too few"
    turned_away = answered("wsgi", 900, 1.5e-5, is_read=False)
    no_room = {SeriesKey(catalog.TURNED_AWAY, (("listener", "wsgi"),)): 1_000.0}
    context.store.write(Batch([Frame(START + 4, counts=no_room, histograms=turned_away)]))
    longer = runs.server_figures(context, replace(run, ended_s=START + 4.5))
    assert (longer.requests, longer.unread) == (170, 900), "50 more were read"
    assert (found.turned_away, longer.turned_away) == (0, 1_000), "100 had no answer"
    assert longer.mean_s == pytest.approx((120 * 0.02 + 50 * 9.0) / 170)
    span = runs.span_of(run)
    lines = runs.rates(context, span, run)
    server = lines.values[lines.names.index("server: answered")]
    assert np.nan_to_num(server).tolist() == [60, 0, 60]
    cut = answered("wsgi", 300, 5.0, status="0")
    context.store.write(Batch([Frame(START + 5, histograms=answered("wsgi", 60, 0.01) | cut)]))
    after = runs.rates(context, runs.span_of(replace(run, ended_s=START + 5.5)), run)
    assert after.values[after.names.index("server: answered")][-1] == 60, "300 were broken off"


def test_the_queues_are_those_of_the_run_s_port_and_listener(context, add):
    run = add(START + 0.2, START + 1.5)

    def gauge(metric, value, **labels):
        return {SeriesKey(metric, tuple(sorted(labels.items()))): value}

    gauges = (
        gauge(catalog.ACCEPT_QUEUE_DEPTH, 7.0, port="5555")
        | gauge(catalog.ACCEPT_QUEUE_DEPTH, 90.0, port="6666")
        | gauge(catalog.QUEUED_REQUESTS, 3.0, listener="wsgi")
        | gauge(catalog.QUEUED_REQUESTS, 80.0, listener="asgi")
        | gauge(catalog.BUSY_THREADS, 2.0, listener="wsgi")
    )
    context.store.write(Batch([Frame(START, gauges), Frame(START + 1, gauges)]))
    lines = runs.queues(context, runs.span_of(run), run)
    assert dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True)) == {
        "requests queued": 3.0,
        "threads busy": 2.0,
        "accept queue": 7.0,
    }


@pytest.mark.parametrize("port", [5555, 0], ids=["its port", "a port that was not kept"])
def test_an_event_loop_has_no_threads_but_requests_on_it(context, add, port):
    run = add(START + 0.2, START + 1.5, LoadPlan.constant("asgi", "/", 10, 3))
    run = replace(run, environment=replace(ENVIRONMENT, threads=None, port=port))
    gauges = {
        SeriesKey(catalog.ACCEPT_QUEUE_DEPTH, (("port", "5555"),)): 7.0,
        SeriesKey(catalog.ACTIVE_REQUESTS, (("listener", "asgi"),)): 4.0,
        SeriesKey(catalog.ACTIVE_REQUESTS, (("listener", "wsgi"),)): 9.0,
        SeriesKey(catalog.BUSY_THREADS, (("listener", "wsgi"),)): 9.0,
    }
    context.store.write(Batch([Frame(START, gauges), Frame(START + 1, gauges)]))
    lines = runs.queues(context, runs.span_of(run), run)
    drawn = LinePlot(unit="", step_line=True).shape(lines)["names"]
    waiting = "accept queue" if port else "5555 accept queue"
    assert drawn == ["requests on the loop", waiting]
    values = dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True))
    assert [values[name] for name in drawn] == [4.0, 7.0]


def test_of_a_run_at_a_host_elsewhere_there_is_the_client_alone(context, add):
    plan = LoadPlan("", PLAN.scenario, origin="https://example.org", address="192.0.2.7")
    run = add(START + 0.2, START + 1.5, plan)
    sent = SeriesKey(catalog.LOAD_SENT, (("listener", "https://example.org"),))
    counts = {sent: 9.0}
    context.store.write(Batch([Frame(START, {}, counts, answered("wsgi", 60, 0.01))]))
    assert runs.server_figures(context, run) is None
    assert runs.stages(context, run) == []
    lines = runs.rates(context, runs.span_of(run), run)
    assert lines.names == ("generator: finished", "generator: failed")
    assert lines.values[0, 0] == 9
    assert [one.id for one in runs.find(context, None, "example.org", "", "").rows] == [run.id]


def test_the_percentiles_of_a_whole_run_are_those_of_its_result(context, add):
    run = add(START + 0.5, START + 2.5)
    load = context.process.control.load_runs
    latency_ms = {"p50": 10.25, "p95": 5_100.0, "p99": 5_200.0, "p99_9": 5_300.0, "max": 5_400.0}
    result = {"latency_ms": latency_ms, "timed_out_from_ms": 5_150.0}
    run = load.update(run.id, result=result)
    durations = [0.01] * 1_000 + [5.1] * 90
    client = {SeriesKey(catalog.LOAD_DURATION, (("listener", "wsgi"),)): delta(*durations)}
    context.store.write(Batch([Frame(START, histograms=client)]))
    whole = runs.client_distribution(context, Span(START, START + 3, 1, fixed=True), run)
    p90 = whole.marks.pop("p90")
    assert p90 == pytest.approx(0.01, rel=histogram.ERROR_BOUND), "the result has none"
    assert whole.marks == {"p50": 0.01025, "p95": 5.1, "p99": 5.15, "p99.9": 5.15}
    assert whole.bounds == {"p99", "p99.9"}
    assert whole.longest_s == 5.4
    part = runs.client_distribution(context, Span(START, START + 2, 1, fixed=True), run)
    assert part.marks["p50"] == pytest.approx(0.01, rel=histogram.ERROR_BOUND)
    assert part.marks["p50"] != 0.01025
    assert part.longest_s == np.inf
