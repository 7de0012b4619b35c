"""The queries of the pages about traffic."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import ANSWERS_TO_NOBODY, BYTES_SENT, COLLECT_DURATION, REQUEST_DURATION
from servescope.figures.lines import LinePlot
from servescope.queries import latency, load, traffic
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from tests.queries.conftest import CPU

COLLECTED = SeriesKey(COLLECT_DURATION)
START = 1_700_000_000 // 7 * 7 + 1  # the first of six seconds with requests, see conftest.frame


def test_the_classes_of_status_have_the_gaps_of_what_was_recorded(harness):
    context = harness.context()
    harness.fill(context, START, START + 5)
    harness.fill(context, START + 8, START + 12)
    values = traffic.by_status_class(context, Span(START, START + 12, 1)).values
    gaps = np.isnan(values)
    assert gaps[:, 5:8].all()
    assert not gaps[:, :5].any()
    assert not gaps[:, 8:].any()
    assert (values[0][:5] == 0).all(), "1xx never occurred"
    assert (values[1][:5] > 0).all(), "2xx"
    assert (values[4][:5] == 0).all(), "5xx never occurred"


def test_before_the_first_request_a_rate_is_0_where_seconds_were_recorded(harness):
    context = harness.context()
    # Nobody can tell a share of CPU in the first second, nor of one that the collector missed.
    gauges = {0: {}, 1: {CPU: 0.5}, 3: {}}
    frames = [Frame(START + at, known, {COLLECTED: 0.001}) for at, known in gauges.items()]
    context.store.write(Batch(frames))
    span = Span(START, START + 4, 1)
    for rates in (traffic.by_status_class(context, span), load.rates(context, span)):
        assert (rates.values[:, [0, 1, 3]] == 0).all(), rates.names
        assert np.isnan(rates.values[:, 2]).all(), "of a gap nobody knows"
    latencies = latency.percentiles(context, span)
    assert np.isnan(latencies.values).all(), "a duration of nothing is none"
    later = Span(START + 10, START + 14, 1)
    assert np.isnan(traffic.by_status_class(context, later).values).all()


def test_handshakes_of_websockets_are_a_class_of_status(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    asked = {request("asgi", status=status): some for status in ("101", "200")}
    context.store.write(Batch([Frame(START, {}, {}, asked)]))
    lines = traffic.by_status_class(context, Span(START, START + 1, 1))
    rates = dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True))
    assert rates == {
        "1xx": 4,
        "2xx": 4,
        "3xx": 0,
        "4xx": 0,
        "5xx": 0,
        "no answer": 0,
        "client gone": 0,
    }


def test_answers_whose_client_had_gone_are_no_success(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    asked = {request("wsgi", status="200"): some, request("wsgi", status="500"): some}
    labels = (("http.response.status_code", "200"), ("listener", "wsgi"))
    gone = {SeriesKey(ANSWERS_TO_NOBODY, labels): 3.0}
    context.store.write(Batch([Frame(START, {}, gone, asked), Frame(START + 1, {}, {}, asked)]))
    for listener in ("", "wsgi"):
        lines = traffic.by_status_class(context, Span(START, START + 2, 1), listener)
        rates = dict(zip(lines.names, lines.values.tolist(), strict=True))
        assert (rates["2xx"], rates["5xx"]) == ([1, 4], [4, 4])
        assert rates["client gone"] == [3, 0]
        codes = traffic.by_status(context, Span(START, START + 2, 1), listener)
        assert dict(zip(codes.names, codes.values.tolist(), strict=True)) == {
            "200": [1, 4],
            "500": [4, 4],
            "client gone": [3, 0],
        }
        plot = LinePlot(drop_idle=True)
        one_later = traffic.by_status(context, Span(START + 1, START + 2, 1), listener)
        added = plot.delta(one_later, plot.shape(codes))
        assert (added or {}).get("y") == [[4], [4], [0]], "a gap would say that nobody knows"
        assert plot.shape(one_later)["names"] == ["200", "500"]


def test_the_codes_of_a_class_add_up_to_it_whoever_has_gone(harness):
    context = harness.context()
    random = np.random.default_rng(23)
    statuses = ("101", "200", "204", "304", "404", "500", "503", "0")
    frames = []
    for second in range(30):
        asked, gone = {}, {}
        for status in statuses:
            number = int(random.integers(0, 9))
            if not number:
                continue
            some = HistogramDelta(histogram.count(np.full(number, 0.01)), number * 0.01)
            asked[request("wsgi", status=status)] = some
            labels = (("http.response.status_code", status), ("listener", "wsgi"))
            gone[SeriesKey(ANSWERS_TO_NOBODY, labels)] = float(random.integers(0, number + 1))
        frames.append(Frame(START + second, {}, gone, asked))
    context.store.write(Batch(frames))
    for step in (1, 5):
        span = Span(START // step * step, (START + 30) // step * step, step)
        classes = traffic.by_status_class(context, span)
        codes = traffic.by_status(context, span)
        of_class = dict(zip(classes.names, classes.values, strict=True))
        summed = {name: np.zeros(codes.times.size) for name in classes.names}
        for name, row in zip(codes.names, codes.values, strict=True):
            known = name if name in summed else traffic.status_class(name)
            summed[known] = summed[known] + np.nan_to_num(row)
        for name, row in summed.items():
            assert row == pytest.approx(np.nan_to_num(of_class[name])), (name, step)
        answered = load.rates(context, span)
        server = dict(zip(answered.names, answered.values, strict=True))
        both = server["server: answered"] + server["server: client gone"]
        ended = np.nansum(classes.values, axis=0) - np.nan_to_num(of_class["no answer"])
        assert np.nan_to_num(both) == pytest.approx(ended)
        assert server["server: client gone"] == pytest.approx(of_class["client gone"], nan_ok=True)


def test_a_request_without_an_answer_is_a_class_of_its_own_and_the_classes_add_up(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    asked = {request("wsgi", status=status): some for status in ("200", "500", "0")}
    labels = (("http.response.status_code", "0"), ("listener", "wsgi"))
    broken_off = {SeriesKey(ANSWERS_TO_NOBODY, labels): 4.0}  # as older versions counted them
    context.store.write(Batch([Frame(START, {}, broken_off, asked), Frame(START + 1)]))
    span = Span(START, START + 2, 1)
    lines = traffic.by_status_class(context, span)
    rates = dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True))
    assert (rates["no answer"], rates["client gone"]) == (4, 0)
    counted = traffic.count(context, span)
    assert np.nansum(lines.values) == counted == 12
    codes = traffic.by_status(context, span)
    rates = dict(zip(codes.names, codes.values[:, 0].tolist(), strict=True))
    assert rates == {"200": 4, "500": 4, "no answer": 4, "client gone": 0}


def test_requests_without_an_answer_are_none_that_the_server_answered(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    ok, cut = request("wsgi"), request("wsgi", status="0")
    frames = [Frame(START, {}, {}, {ok: some, cut: some}), Frame(START + 1, {}, {}, {cut: some})]
    context.store.write(Batch([*frames, Frame(START + 3)]))
    lines = load.rates(context, Span(START, START + 4, 1))
    answered = lines.values[lines.names.index("server: answered")]
    assert answered.tolist()[:2] == [4, 0]
    assert np.isnan(answered[2]), "nothing was recorded of this second"
    nothing = load.rates(context, Span(START + 100, START + 104, 1))
    assert np.isnan(nothing.values).all()


def test_a_span_without_a_frame_is_not_recorded_and_one_without_a_request_is(harness):
    context = harness.context()
    context.store.write(Batch([Frame(START + at, {}, {COLLECTED: 0.001}) for at in (0, 20)]))
    assert traffic.is_recorded(context, Span(START, START + 5, 1))
    assert traffic.is_recorded(context, Span(START - 60, START + 60, 60))
    assert not traffic.is_recorded(context, Span(START + 5, START + 15, 1))
    assert not traffic.is_recorded(context, Span(START - 60, START, 60))


def test_a_store_that_has_requests_alone_has_recorded_them(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    context.store.write(Batch([Frame(START, {}, {}, {request("wsgi"): some})]))
    assert traffic.is_recorded(context, Span(START, START + 1, 1))


def request(listener, route="/", method="GET", status="200"):
    labels = (
        ("http.request.method", method),
        ("http.response.status_code", status),
        ("http.route", route),
        ("listener", listener),
    )
    return SeriesKey(REQUEST_DURATION, labels)


def test_a_line_of_requests_that_nobody_read_has_words_and_fits_a_delta(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    asked = {request("wsgi", "other", "_OTHER"): some, request("wsgi"): some}
    context.store.write(Batch([Frame(START, {}, {}, asked)]))
    span = Span(START, START + 1, 1)
    assert set(traffic.by_method(context, span).names) == {"GET", "other method, or none read"}
    whole = traffic.by_route(context, span)
    assert set(whole.names) == {"/", "other route, or none read", "all others"}
    delta = traffic.by_route(context, span, names=whole.names)
    assert (delta.names, delta.values.tolist()) == (whole.names, whole.values.tolist())


def test_errors_of_a_route_are_a_share_of_its_answers(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    asked = {request("wsgi", status=status): some for status in ("200", "404", "503", "0")}
    asked[request("wsgi", "/cut", status="0")] = some
    context.store.write(Batch([Frame(START, {}, {}, asked)]))
    first, second = traffic.routes(context, Span(START, START + 1, 1))
    assert (first.requests, first.error_ratio) == (16, pytest.approx(2 / 3))
    assert (second.requests, second.error_ratio) == (4, None), "none was answered"


def test_the_servers_of_a_comparison_stand_in_no_legend_or_table(harness):
    context = harness.context()
    some = HistogramDelta(histogram.count(np.full(4, 0.01)), 0.04)
    names = ("wsgi", "compare-sequential", "compare-thread_pool", "compare-mine")
    asked = {request(name, f"/{name}"): some for name in names} | {request("wsgi", "/both"): some}
    asked[request("compare-sequential", "/both")] = some
    sent = {SeriesKey(BYTES_SENT, (("listener", name),)): 100.0 for name in names}
    context.store.write(Batch([Frame(START, {}, sent, asked)]))
    span = Span(START, START + 1, 1)
    standing = {"wsgi", "compare-mine"}
    assert set(traffic.by_listener(context, span).names) == standing
    assert set(traffic.bytes_by_listener(context, span).names) == {
        f"{name} sent" for name in standing
    }
    assert {row.listener for row in traffic.routes(context, span)} == standing
    lines = traffic.by_route(context, span)
    rates = dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True))
    assert rates == {"/wsgi": 4, "/compare-mine": 4, "/both": 4, "all others": 0}
    assert traffic.by_listener(context, span, "wsgi").names == ("wsgi",)
    assert np.nansum(traffic.by_status_class(context, span).values) == 12
    assert np.nansum(latency.heat(context, span).counts) == 12
    assert latency.distribution(context, span).counts.sum() == 12
