"""The request log of a span: which requests match, in which order, and what is counted of them."""

import math

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import ANSWERS_TO_NOBODY, REQUEST_DURATION
from servescope.queries import request_search
from servescope.queries.request_search import DEFAULT_PAGE_ROWS, Search, duration_s, find, read
from servescope.queries.span import Span
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, Protocol, RequestFlag
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
SPAN = Span(START, START + 60, 1, fixed=True)
MS = 1e6


def request(
    target,
    at=1.0,
    stages_ms=(0, 0, 0, 1, 0, 0),
    *,
    status=200,
    method=Method.GET,
    listener="wsgi",
    client="192.0.2.1",
    agent="curl",
    sent=100,
    flags=0,
):
    """A request that ended `at` seconds after the start of the span."""
    record = RequestRecord(
        end_ns=round((START + at) * 1e9),
        listener_id=1,
        route_id=1,
        method=method,
        protocol=Protocol.HTTP_1_1,
        status=status,
        flags=RequestFlag(flags),
        bytes_received=10,
        bytes_sent=sent,
        stages_ns=tuple(MS * one for one in stages_ms),
    )
    return RequestDetail(record, listener, target.partition("?")[0], target, client, agent)


REQUESTS = [
    request("/a?q=1", 1, (0, 0, 0, 5, 0, 0)),
    request("/a?q=2", 2, (0, 0, 20, 10, 0, 0), status=503, client="192.0.2.2"),
    request("/B/Upper", 3, (0, 0, 0, 0, 0, 400), status=404, agent="", sent=9_000),
    request("/post", 4, (300, 0, 0, 50, 0, 0), method=Method.POST, status=201, listener="asgi"),
    request("/model", 5, listener="compare-asyncio"),
    request("/before", -1),
    request("/at the end", 60),
]


@pytest.fixture
def context(harness):
    return harness.context()


@pytest.fixture
def filled(context):
    context.store.write(Batch([Frame(START + 70)], request_details=REQUESTS))
    return context


def targets(context, search, span=SPAN):
    return [row.target for row in find(context, span, search).rows]


ALL = ["/post", "/B/Upper", "/a?q=2", "/a?q=1"]
MATCHING = {
    "everything of the span but a comparison's": (Search(), ALL),
    "a comparison's listener by its name": (Search(listener="compare-asyncio"), ["/model"]),
    "status": (Search(status="404"), ["/B/Upper"]),
    "class of status": (Search(status="2xx"), ["/post", "/a?q=1"]),
    "method": (Search(method="POST"), ["/post"]),
    "route": (Search(route="/a"), ["/a?q=2", "/a?q=1"]),
    "listener": (Search(listener="asgi"), ["/post"]),
    "client": (Search(client="192.0.2.2"), ["/a?q=2"]),
    "user agent": (Search(user_agent="curl"), ["/post", "/a?q=2", "/a?q=1"]),
    "text in the target, in any case": (Search(text="b/up"), ["/B/Upper"]),
    "text with a percent sign": (Search(text="%"), []),
    "a method": (Search(text="POST"), ["/post"]),
    "a method and text in the target": (Search(text="GET b/up"), ["/B/Upper"]),
    "a method of which there is none with this text": (Search(text="DELETE b/up"), []),
    "slower than": (Search(slower_s=0.03), ["/post", "/B/Upper"]),
    "at most": (Search(faster_s=0.03), ["/a?q=2", "/a?q=1"]),
    "a cell of a heatmap": (Search(slower_s=0.005, faster_s=0.03), ["/a?q=2"]),
    "longest stage": (Search(stage="app"), ["/a?q=1"]),
    "another longest stage": (Search(stage="queue"), ["/a?q=2"]),
    "a stage longer than": (
        Search(stage="app", stage_over_s=0.009),
        ["/post", "/a?q=2"],
    ),
    "any stage longer than": (Search(stage_over_s=0.1), ["/post", "/B/Upper"]),
    "no answer, as a class": (Search(status="no answer"), []),
    "all of it together": (Search(route="/a", status="5xx", slower_s=0.01), ["/a?q=2"]),
    "oldest first": (Search(order="time"), ALL[::-1]),
    "slowest first": (Search(order="-took"), ["/B/Upper", "/post", "/a?q=2", "/a?q=1"]),
    "fastest first": (Search(order="took"), ["/a?q=1", "/a?q=2", "/post", "/B/Upper"]),
    "by status": (Search(order="status"), ["/a?q=1", "/post", "/B/Upper", "/a?q=2"]),
    "by target": (Search(order="target"), ["/B/Upper", "/a?q=1", "/a?q=2", "/post"]),
    "by listener": (Search(order="listener"), ["/post", "/B/Upper", "/a?q=2", "/a?q=1"]),
    "most bytes first": (Search(order="-sent"), ["/B/Upper", "/post", "/a?q=2", "/a?q=1"]),
}


@pytest.mark.parametrize(("search", "expected"), MATCHING.values(), ids=MATCHING)
def test_a_search_finds_exactly_what_matches_in_order(filled, search, expected):
    assert targets(filled, search) == expected
    assert find(filled, SPAN, search).matching == len(expected)


@pytest.mark.parametrize("order", request_search.ORDERS)
def test_every_order_goes_both_ways(filled, order):
    assert sorted(targets(filled, Search(order=order))) == sorted(ALL)
    assert sorted(targets(filled, Search(order=f"-{order}"))) == sorted(ALL)


def test_facets_count_what_matches_with_their_shares(filled):
    found = find(filled, SPAN, Search())
    counted = [
        (one.field, [(value.value, value.count) for value in one.values]) for one in found.facets
    ]
    assert counted == [
        ("status", [("2xx", 2), ("4xx", 1), ("5xx", 1)]),
        ("status", [("200", 1), ("201", 1), ("404", 1), ("503", 1)]),
        ("stage", [("app", 1), ("kernel", 1), ("queue", 1), ("write", 1)]),
        ("method", [("GET", 3), ("POST", 1)]),
        ("route", [("/a", 2), ("/B/Upper", 1), ("/post", 1)]),
        ("listener", [("wsgi", 3), ("asgi", 1)]),
        ("client", [("192.0.2.1", 3), ("192.0.2.2", 1)]),
        ("user_agent", [("curl", 3), ("", 1)]),
    ]
    assert found.facets[3].values[0].share == 0.75
    narrowed = find(filled, SPAN, Search(route="/a"))
    assert [value.count for value in narrowed.facets[4].values] == [2]


def test_a_request_without_an_answer_is_a_class_and_has_its_own_word(context):
    details = [request("/cut", 1, status=0, sent=0), request("/ok", 2)]
    context.store.write(Batch([Frame(START + 5)], request_details=details))
    by_class, by_code = find(context, SPAN, Search()).facets[:2]
    assert (by_class.is_of_classes, by_code.is_of_classes) == (True, False)
    assert [one.value for one in by_class.values] == ["2xx", "no answer"]
    assert [one.value for one in by_code.values] == ["0", "200"]
    for status in ("0", "no answer"):
        search, faults = read({"status": status})
        assert (targets(context, search), faults) == (["/cut"], [])


def test_answers_to_nobody_are_the_class_that_the_graph_has_and_keep_their_status(context):
    gone, aborted = RequestFlag.CLIENT_GONE, RequestFlag.ABORTED
    details = [
        request("/late", 1, flags=gone),
        request("/unsent", 2, status=500, flags=aborted, sent=0),
        request("/stream", 3, flags=aborted),  # the client had a part of it
        request("/cut", 4, status=0, flags=aborted, sent=0),
    ]
    context.store.write(Batch([Frame(START + 5)], request_details=details))
    found = find(context, SPAN, Search())
    assert [(one.value, one.count) for one in found.facets[0].values] == [
        ("client gone", 2),
        ("2xx", 1),
        ("no answer", 1),
    ]
    assert [row.target for row in found.rows if row.is_to_nobody] == ["/unsent", "/late"]
    assert targets(context, Search(status="client gone")) == ["/unsent", "/late"]
    assert targets(context, Search(status="2xx")) == ["/stream"], "as the graph has it"
    assert targets(context, Search(status="200")) == ["/stream"], "as the graph of the codes"
    by_code = found.facets[1].values
    assert [(one.value, one.count, one.share) for one in by_code] == [
        ("client gone", 2, 0.5),
        ("0", 1, 0.25),
        ("200", 1, 0.25),
    ], "of all that match, as the other shares"
    for one in by_code:
        search, faults = read({"status": one.value})
        assert (find(context, SPAN, search).matching, faults) == (one.count, [])
    assert {row.target: row.status for row in found.rows}["/unsent"] == 500


def test_what_was_not_read_has_no_longest_stage(context):
    turned_away = request("", 1, (0, 0, 0, 0, 0, 0.015), method=Method._OTHER, status=503)
    half_a_head = request("", 2, (0, 900, 0, 0, 0, 1), method=Method._OTHER, status=408)
    slow_client = request("/a", 3, (0, 0, 0, 1, 0, 4))
    details = [turned_away, half_a_head, slow_client, request("/b", 4)]
    context.store.write(Batch([Frame(START + 5)], request_details=details))
    stages = find(context, SPAN, Search()).facets[2]
    assert [(one.value, one.count, one.share) for one in stages.values] == [
        ("app", 1, 0.5),
        ("write", 1, 0.5),
    ]
    assert targets(context, Search(stage="write")) == ["/a"]
    assert targets(context, Search(stage="read")) == []
    assert find(context, SPAN, Search(stage="read", stage_over_s=0.5)).matching == 1, (
        "it did take it"
    )


def test_a_page_has_as_many_rows_as_are_asked_for(context):
    details = [request(f"/{number}", number / 10) for number in range(27)]
    context.store.write(Batch([Frame(START + 70)], request_details=details))
    search, faults = read({"rows": "10", "page": "3"})
    found = find(context, SPAN, search)
    assert (len(found.rows), found.pages, faults) == (7, 3, [])
    assert read({"page": "9" * 5_000})[1][0].endswith("is no page.")
    assert read({"rows": "7"}) == (Search(), ["A page has 10, 25, 50, 100 rows, not “7”."])


def test_of_many_values_the_most_frequent_are_listed(context):
    details = [request(f"/{number % 40}", number / 10) for number in range(100)]
    context.store.write(Batch([Frame(START + 70)], request_details=details))
    routes = find(context, SPAN, Search()).facets[4]
    assert [one.count for one in routes.values] == [3] * 20 + [2] * 10
    assert routes.further == 10


def test_pages_have_fifty_rows_and_the_last_one_the_rest(context):
    count = 2 * DEFAULT_PAGE_ROWS + 7
    details = [request(f"/{number}", number / 10) for number in range(count)]
    context.store.write(Batch([Frame(START + 70)], request_details=details))
    pages = [find(context, SPAN, Search(page=page)) for page in (1, 2, 3, 4)]
    assert [len(one.rows) for one in pages] == [DEFAULT_PAGE_ROWS, DEFAULT_PAGE_ROWS, 7, 7]
    assert [(one.page, one.pages, one.matching) for one in pages] == [
        (1, 3, count),
        (2, 3, count),
        (3, 3, count),
        (3, 3, count),
    ]
    shown = [row.target for one in pages[:3] for row in one.rows]
    assert shown == [f"/{number}" for number in reversed(range(count))]


def counted_frame(ts, number, listener="wsgi"):
    labels = {
        "http.request.method": "GET",
        "http.response.status_code": "200",
        "http.route": "/",
        "listener": listener,
    }
    key = SeriesKey(REQUEST_DURATION, tuple(sorted(labels.items())))
    return Frame(ts, histograms={key: HistogramDelta(histogram.count([0.001] * number), 0.1)})


def test_what_is_kept_stands_beside_what_was_counted(context):
    frames = [counted_frame(START + second, 100) for second in (0, 1, 30, 100)]
    details = [request("/kept", 30.5), request("/later", 100)]
    context.store.write(Batch(frames, request_details=details))
    found = find(context, SPAN, Search(text="nothing"))
    assert (found.matching, found.kept, found.counted) == (0, 1, 300)
    assert found.forgotten == 200, "they ended before the oldest that is kept"
    of_other = find(context, SPAN, Search(listener="files"))
    assert (of_other.kept, of_other.counted, of_other.forgotten) == (0, 0, 0)


def test_of_too_many_the_newest_are_read(context, monkeypatch):
    monkeypatch.setattr(request_search, "MOST_READ", 3)
    details = [request(f"/{number}", number) for number in range(5)]
    context.store.write(Batch([Frame(START + 70)], request_details=details))
    found = find(context, SPAN, Search())
    assert (found.kept, found.is_cut) == (3, True)
    assert [row.target for row in found.rows] == ["/4", "/3", "/2"]


def test_a_live_search_finds_a_request_of_the_newest_second(context):
    live = Span(START, START + 60, 1)
    context.store.write(Batch([Frame(START + 58)], request_details=[request("/first", 1)]))
    assert targets(context, Search(), live) == ["/first"]
    context.store.write(Batch([Frame(START + 59)], request_details=[request("/second", 59)]))
    assert targets(context, Search(), live) == ["/second", "/first"]


READ = {
    "nothing": ({}, Search(), 0),
    "empty texts": ({"status": "", "text": "  "}, Search(), 0),
    "all of it": (
        {
            "listener": "wsgi",
            "status": "5XX",
            "method": "GET",
            "route": "/a",
            "client": "::1",
            "user_agent": "curl",
            "stage": "queue",
            "text": " q= ",
            "slower": "50ms",
            "faster": "1.5 s",
            "over": "200 µs",
            "order": "-took",
            "page": "2",
        },
        Search(
            listener="wsgi",
            status="5xx",
            method="GET",
            route="/a",
            client="::1",
            user_agent="curl",
            stage="queue",
            text="q=",
            slower_s=0.05,
            faster_s=1.5,
            stage_over_s=pytest.approx(0.0002),
            order="-took",
            page=2,
        ),
        0,
    ),
    "what is none of it": (
        {"status": "6xx", "method": "get", "stage": "lunch", "slower": "soon", "order": "size"},
        Search(),
        5,
    ),
    "pages that are none": ({"page": "0"}, Search(), 1),
    "a page with a sign": ({"page": "-1"}, Search(), 1),
    "a page of the superscripts": ({"page": "²"}, Search(), 1),
    "other parameters": ({"from": "1", "utm": "x"}, Search(), 0),
    "between that is empty": (
        {"slower": "2 s", "faster": "1 s"},
        Search(slower_s=2.0, faster_s=1.0),
        1,
    ),
}


@pytest.mark.parametrize(("given", "search", "faults"), READ.values(), ids=READ)
def test_a_search_is_read_and_what_is_none_gets_a_sentence(given, search, faults):
    found, told = read(given)
    assert found == search
    assert len(told) == faults
    assert all(sentence.endswith(".") for sentence in told)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50", 0.05),
        ("50 ms", 0.05),
        ("1.5S", 1.5),
        ("200us", 2e-4),
        ("200 µs", 2e-4),
        ("2min", 120),
    ],
)
def test_a_duration_has_a_unit_or_is_in_milliseconds(text, seconds):
    assert math.isclose(duration_s(text), seconds)


@pytest.mark.parametrize(
    "text", ["", "-5 ms", "fast", "1e9", "5 h", "1.2.3", "\N{ARABIC-INDIC DIGIT FIVE}"]
)
def test_what_is_no_duration_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="is no duration: write 50 ms"):
        duration_s(text)


def series(metric, listener, status, **more):
    labels = {"listener": listener, "http.response.status_code": status, **more}
    return SeriesKey(metric, tuple(sorted(labels.items())))


def answered(listener, status, number, method="GET", route="/"):
    more = {"http.request.method": method, "http.route": route}
    times = histogram.count(np.full(number, 0.01))
    return {
        series(REQUEST_DURATION, listener, status, **more): HistogramDelta(times, 0.01 * number)
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),  # all are counted anyway
        ({"status": "5xx"}, 28),  # two of the 30 are of those whose clients had gone
        ({"status": "500"}, 30),
        ({"status": "client gone"}, 2),
        ({"status": "no answer"}, 3),
        ({"status": "4xx"}, 0),
        ({"method": "POST"}, 30),
        ({"method": "OTHER"}, 4),
        ({"status": "200", "route": "/"}, 100),
        ({"status": "5xx", "route": "/"}, None),  # of those whose client had gone nobody knows
        ({"status": "500", "client": "192.0.2.1"}, None),
        ({"status": "500", "slower": "5 ms"}, None),
        ({"status": "500", "order": "took", "rows": "10", "page": "2"}, 30),
    ],
)
def test_what_metrics_know_is_counted_whether_or_not_it_is_kept(context, asked, expected):
    durations = (
        answered("wsgi", "200", 100)
        | answered("wsgi", "500", 30, method="POST", route="/error")
        | answered("wsgi", "0", 3)
        | answered("wsgi", "200", 4, method="_OTHER", route="other")
        | answered("asgi", "500", 7)
    )
    gone = {series(ANSWERS_TO_NOBODY, "wsgi", "500"): 2.0}
    context.store.write(Batch([Frame(START + 1, {}, gone, durations)]))
    search, faults = read({"listener": "wsgi", **asked})
    assert faults == []
    found = find(context, SPAN, search)
    assert (found.counted, found.counted_matching) == (137, expected)
