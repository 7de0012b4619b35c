import json
from dataclasses import replace

import pytest

from components.cards import BAD, GOOD, WARN, stat
from components.client import Visitor
from components.findings import card_state, moment_query, verdict
from components.listeners import listener_table, short_app
from components.load_run import details, history_rows, progress, result, state_mark
from components.request_table import (
    chosen_values,
    counts_text,
    facets,
    opened,
    pages,
    request_table,
    ways_on,
)
from components.server_form import how
from components.status import process_facts, run_props, run_text, share
from components.waterfall import waterfall
from servescope.findings import Evidence, Finding, Severity, thresholds
from servescope.load.report import LagSummary, LatencySummary, Progress, Result
from servescope.queries.request_search import Facet, FacetValue, Found, Search, read
from servescope.queries.rows import DashboardStatus, LogRow
from servescope.queries.span import Span
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerOptions,
    ListenerState,
)
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Flow, RequestStep
from servescope.records.server_kinds import ServerKind

pytestmark = pytest.mark.usefixtures("app")  # links are below its path prefix

HERE = Visitor(is_local=True)
PLAN = LoadPlan.constant("wsgi", "/", 200, 30)
FAILED = {"refused": 0, "reset": 2, "timed_out": 1, "protocol": 0}
RESULT = Result(
    sent=6000,
    answered=5997,
    failed=FAILED,
    cancelled=0,
    resent=0,
    statuses={"200": 5990, "500": 7},
    status_classes={"2xx": 5990, "5xx": 7},
    latency_ms=LatencySummary(1.0, 2.0, 900.0, 950.0, 1000.0, 3.0),
    naive_ms=LatencySummary(1.0, 2.0, 5.0, 950.0, 1000.0, 3.0),
    naive_bounds=["mean", "p99_9", "max"],
    lag_ms=LagSummary(0.5, 2.0),
    seconds=30.0,
    rate_asked=200.0,
    schedule_seconds=30.0,
    answered_in_schedule=5997,
    rate_achieved=199.9,
    timed_out_from_ms=950.0,
    bytes_received=2**20,
    cpu_seconds=0.3,
    stopped=False,
)
ROW = LogRow(
    id=7,
    end_s=1.8e9,
    listener="wsgi",
    method="GET",
    target="/search?q=<b>",
    route="/search",
    status=404,
    protocol="HTTP/1.1",
    client="127.0.0.1",
    user_agent="",
    bytes_received=80,
    bytes_sent=2048,
    total_s=0.01,
    stages_s={"kernel": 0.001, "app": 0.009},
    flags=("new connection",),
)


@pytest.fixture(autouse=True)
def _without_a_prefix(monkeypatch):
    """Addresses as they are where the dashboard has a host to itself: no app is needed for them."""
    for module in ("run_links", "one_request"):
        monkeypatch.setattr(f"components.{module}.below_prefix", lambda path: path)


def texts(component):
    """All texts within a component, in order."""
    if component is None or isinstance(component, (str, int, float)):
        return [] if component is None else [str(component)]
    if isinstance(component, (list, tuple)):
        return [text for part in component for text in texts(part)]
    return texts(getattr(component, "children", None))


def progress_of(**changes):
    """A run of which 15 s are over."""
    told = Progress(
        3000, 2990, FAILED, 7, 12, 15.0, 199.5, p99_ms=4.2, naive_p99_ms=4.0, lag_max_ms=0.3,
        p99_over_s=1.0,
    )  # fmt: skip
    return replace(told, **changes)


def a_run(state=RunState.RUNNING, **fields):
    return replace(LoadRun(3, PLAN, state, 1.8e9, 1.8e9, None, {}, {}), **fields)


@pytest.mark.parametrize(
    ("value", "state"),
    [(None, GOOD), (0.0, GOOD), (0.1, GOOD), (0.5, WARN), (0.89, WARN), (0.9, BAD), (1.2, BAD)],
)
def test_the_state_of_a_card_follows_the_threshold(value, state):
    assert card_state(thresholds.ACCEPT_QUEUE, value) == state


def test_a_card_shows_number_and_unit_apart_and_colour_only_when_bad():
    filled = stat("p99", 0.00042, "s")
    assert filled["p99-value"] == {"children": "420", "className": "stat-value"}
    assert filled["p99-unit"] == {"children": "µs"}
    assert stat("cpu", 0.99, "1", state=BAD)["cpu-value"]["className"] == "stat-value bad"


def finding(severity, link="/ports"):
    return Finding(severity, "a-code", "listener wsgi", f"It is {severity}.", (), link)


def test_findings_are_sentences_coloured_by_the_most_urgent(monkeypatch):
    monkeypatch.setattr("components.findings.below_prefix", lambda path: f"/scope{path}")
    box = verdict([finding(Severity.BAD, "/latency?listener=wsgi"), finding(Severity.NOTE)], "/")
    assert (box.className, box.role) == ("verdict bad", "alert")
    assert texts(box) == ["It is bad.", " ", "See Latency", "It is note.", " ", "See Ports"]
    links = [part.href for part in box._traverse() if type(part).__name__ == "Link"]
    assert links == ["/scope/latency?listener=wsgi", "/scope/ports"]


def test_only_pages_that_count_a_span_are_led_to_with_that_of_the_finding():
    found = [finding(Severity.BAD, f"/{page}?listener=wsgi") for page in ("requests", "servers")]
    shown = verdict(found, "/", moment="from=10&to=15")
    links = [part.href for part in shown._traverse() if type(part).__name__ == "Link"]
    assert links == ["/requests?listener=wsgi&from=10&to=15", "/servers?listener=wsgi"]
    assert moment_query(Evidence(5, end_s=15)) == "from=10&to=15"
    assert moment_query(Evidence(5, end_s=15, is_past=True)) == "", "a page keeps the view"
    assert moment_query(Evidence(5)) == ""


def test_a_finding_of_the_page_at_hand_leads_nowhere_else():
    assert texts(verdict([finding(Severity.GOOD)], "/ports")) == ["It is good."]


@pytest.mark.parametrize(
    ("severity", "classes", "role"),
    [
        (Severity.GOOD, "verdict", "status"),
        (Severity.NOTE, "verdict note", "status"),
        (Severity.UNKNOWN, "verdict unknown", "status"),
        (Severity.WARN, "verdict warn", "alert"),
    ],
)
def test_the_box_of_findings_has_their_colour(severity, classes, role):
    box = verdict([finding(severity)], "/ports")
    assert (box.className, box.role) == (classes, role)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5555/"),
        ("0.0.0.0", "http://127.0.0.1:5555/"),
        ("::", "http://[::1]:5555/"),
        ("::1", "http://[::1]:5555/"),
    ],
)
def test_a_listeners_link_leads_there(running, address, url):
    assert replace(running, address=address).url == url


def test_a_listener_behind_tls_has_a_link_and_one_at_a_unix_socket_its_path(running):
    table = listener_table(
        [
            replace(running, is_tls=True, address="::1"),
            replace(running, address="unix:/run/a.sock", port=0),
        ],
        HERE,
    )
    links = [part.href for part in table._traverse() if type(part).__name__ == "A"]
    assert links == ["https://[::1]:5555/"]
    assert "unix:/run/a.sock" in texts(table)


def test_a_listener_that_failed_has_no_link_but_a_reason(running):
    failed = replace(running, state=ListenerState.FAILED, message="held by python3 (pid 12)")
    table = listener_table([running, failed], HERE)
    told = texts(table)
    assert "held by python3 (pid 12)" in told
    links = [part for part in table._traverse() if type(part).__name__ == "A"]
    assert len(links) == 1


@pytest.mark.parametrize(
    ("app", "shown"), [("a.b:app", "a.b:app"), ("/srv/site", "…/site/"), ("/srv/site/", "…/site/")]
)
def test_an_app_is_named_in_short(app, shown):
    assert short_app(app) == shown


@pytest.mark.parametrize(
    ("model", "threads", "told"),
    [
        (ConcurrencyModel.PREFORK, 1, "1 worker of 1 thread"),
        (ConcurrencyModel.PREFORK, 8, "1 worker of 8 threads"),
        (ConcurrencyModel.THREAD_POOL, 1, "1 thread"),
    ],
)
def test_one_worker_and_one_thread_are_no_plural(model, threads, told):
    assert how(model, AppKind.WSGI, ListenerOptions(workers=1, threads=threads)) == told


def test_no_finding_makes_no_box():
    assert not hasattr(verdict([], "/ports"), "className"), "an empty one is green"


def test_who_leads_is_said():
    status = DashboardStatus(5, "leader", 5, 3, 1, 0.0, ())
    assert texts(process_facts(status))[1::2] == ["pid 5, leader", "the same process", "3"]
    follower = replace(status, role="follower", leader_pid=9)
    assert texts(process_facts(follower))[1::2] == ["pid 5, follower", "pid 9", "3"]
    leaderless = replace(follower, leader_pid=None)
    assert texts(process_facts(leaderless))[1::2] == ["pid 5, follower", "no process now", "3"]


def test_the_run_strip_shows_only_while_a_run_is_on():
    assert run_props(None)["run-strip"]["style"]["display"] == "none"
    shown = run_props(a_run(progress={"elapsed_s": 15.0}))
    assert shown["run-strip"]["style"]["display"] != "none"
    link = shown["run-text"]["children"]
    assert (link.children, link.href) == ("Load run 3: 200 req/s, 15 of 30 s", "/runs/3")
    assert shown["run-bar"]["value"] == 50.0
    assert run_props(a_run(RunState.STOPPING))["run-stop"]["disabled"] is True


@pytest.mark.parametrize(
    ("scenario", "progress", "told"),
    [
        ({}, {"elapsed_s": 29.4, "in_flight": 9}, "Load run 3: 200 req/s, 29 of 30 s"),
        (
            {},
            {"elapsed_s": 33.2, "in_flight": 512},
            "Load run 3 awaits 512 answers, for 7 s more at most",
        ),
        (
            {},
            {"elapsed_s": 39.9, "in_flight": 1},
            "Load run 3 awaits 1 answer, for 1 s more at most",
        ),
        (
            {},
            {"elapsed_s": 40.2, "in_flight": 2},
            "Load run 3 awaits 2 answers; it ends any moment now",
        ),
        (
            {"flows": (Flow((RequestStep(target="/"), RequestStep(target="/a"))),)},
            {"elapsed_s": 33.2, "in_flight": 512},
            "Load run 3 awaits the end of its last flows",
        ),
    ],
    ids=["within the schedule", "after it", "at the timeout", "past it", "flows"],
)
def test_the_strip_says_what_a_run_waits_for_after_its_schedule(scenario, progress, told):
    run = a_run(progress=progress)
    plan = replace(run.plan, scenario=replace(run.plan.scenario, **scenario))
    assert run_text(replace(run, plan=plan)) == told


def test_a_run_that_waits_for_its_last_answers_says_so_in_place_of_what_remains():
    told = progress_of(sent=6000, answered=5000, in_flight=997, elapsed_s=32.0).to_json()
    shown = texts(progress(a_run(progress=told)))
    assert "Its schedule is over. It awaits 997 answers, for 8 s more at most." in shown
    assert "remaining" not in shown
    assert any("≥: the p99 is at least so long." in one for one in shown)
    early = texts(progress(a_run(progress=told | {"elapsed_s": 15.0})))
    assert early[early.index("remaining") + 1] == "15 s"


def test_progress_never_passes_its_end():
    assert share(a_run(progress={"elapsed_s": 31.0})) == 100.0


def test_a_run_under_way_shows_what_the_generator_tells():
    shown = texts(progress(a_run(progress=progress_of().to_json())))
    for expected in ("3,000", "2,990", "3", "7", "200 req/s", "4.2 ms", "15 s"):
        assert expected in shown
    assert texts(progress(a_run(RunState.REQUESTED)))


def figures_of(component):
    """The figures of a card by name, each with its class."""
    (card,) = (
        part for part in component._traverse() if getattr(part, "className", "") == "figures"
    )
    return {
        one.children[0].children: (one.children[1].children, one.className) for one in card.children
    }


REFUSED = {
    "statuses": {"200": 290, "404": 20, "503": 2_680},
    "status_classes": {"2xx": 290, "4xx": 20, "5xx": 2_680},
    "status_classes_per_s": {"2xx": 19.5, "5xx": 180.0},
    "p99_over_s": 1.0,
    "awaited_for_ms": 3_200.0,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            REFUSED,
            {
                "answered": ("2,990", ""),
                "of these 4xx": ("20", ""),
                "of these 5xx": ("2,680", "bad"),
                "failed": ("3", "bad"),
                "awaited": ("7", ""),
                "longest awaited": ("3.2 s", ""),
                "answered now": ("200 req/s", ""),
                "4xx now": ("0 req/s", ""),
                "5xx now": ("180 req/s", "bad"),
                "p99, last 1 s": ("≥ 4.2 ms", ""),
            },
            id="most answers refuse",
        ),
        pytest.param(
            REFUSED | {"status_classes_per_s": {"2xx": 200.0}},
            {"of these 5xx": ("2,680", "bad"), "5xx now": ("0 req/s", "")},
            id="no answer refuses any more",
        ),
        pytest.param(
            {"status_classes": {"2xx": 2_990}, "statuses": {"200": 2_990}, "waiting": 4},
            {"no connection yet": ("4", ""), "of these 5xx": None, "of these 4xx": None},
            id="some wait for a connection",
        ),
        pytest.param(
            {"p99_ms": 4.2, "p99_over_s": 12.2, "awaited_for_ms": 4.1},
            {"p99, last 12 s": ("4.2 ms", ""), "5xx now": None, "4xx now": None},
            id="the awaited are no older than the p99",
        ),
        pytest.param(
            {"p99_ms": 10_060.0, "p99_over_s": 1.0, "awaited_for_ms": 9_900.0},
            {"p99, last 1 s": ("≥ 10 s", "")},
            id="timeouts reach the p99",
        ),
        pytest.param(
            {"p99_ms": 10_060.0, "p99_over_s": 1.0, "awaited_for_ms": 10_070.0},
            {"p99, last 1 s": ("≥ 10 s", "")},
            id="timeouts reach the p99, and one is not noticed yet",
        ),
        pytest.param(
            {
                "p99_ms": 4.31,
                "p99_over_s": 1.0,
                "awaited_for_ms": 9_150.0,
                "awaited_p99_ms": 9_062.0,
            },
            {
                "longest awaited": ("9.15 s", ""),
                "p99, due in last 9 s": ("≥ 9.06 s", ""),
                "p99, last 1 s": None,
            },
            id="the awaited prove a longer p99",
        ),
        pytest.param(
            {
                "p99_ms": 40.0,
                "p99_over_s": 1.0,
                "awaited_for_ms": 30.0,
                "awaited_p99_ms": 10.0,
            },
            {"p99, last 1 s": ("40 ms", "")},
            id="the awaited prove less than those that ended",
        ),
        pytest.param(
            {"p99_ms": None, "awaited_for_ms": 10_200.0, "awaited_p99_ms": 10_100.0},
            {"p99, due in last 10 s": ("≥ 10 s", ""), "longest awaited": ("10 s", "")},
            id="none ended, and the timeout of one is not noticed yet",
        ),
        pytest.param(
            {"p99_ms": None, "in_flight": 0}, {"p99": ("—", ""), "longest awaited": None}, id="idle"
        ),
    ],
)
def test_a_run_under_way_says_what_its_requests_came_to(changes, expected):
    told = progress_of(**{"p99_over_s": None, **changes}).to_json()
    shown = figures_of(progress(a_run(progress=told)))
    assert {name: shown.get(name) for name in expected} == expected


def test_a_run_under_way_is_judged_and_names_each_status_and_kind_of_failure():
    shown = texts(progress(a_run(progress=progress_of(**REFUSED).to_json())))
    assert (
        "2,680 of 2,990 answers of listener wsgi to the load generator were server errors (5xx) "
        "so far." in shown
    )
    at = shown.index("Answers by status")
    assert shown[at : at + 4] == [
        *("Answers by status", "200: 290, 404: 20, 503: 2,680"),
        *("Failures by kind", "connection cut off: 2, timed out: 1"),
    ]


def test_the_progress_of_an_older_version_is_shown_without_what_it_does_not_tell():
    told = progress_of().to_json()
    for name in ("statuses", "status_classes", "status_classes_per_s", "p99_over_s"):
        del told[name]
    del told["awaited_for_ms"], told["waiting"], told["never_sent"], told["awaited_p99_ms"]
    shown = progress(a_run(progress=told))
    assert figures_of(shown) == {
        "due": ("3,000", ""),
        "answered": ("2,990", ""),
        "failed": ("3", "bad"),
        "awaited": ("7", ""),
        "longest awaited": ("—", ""),
        "answered now": ("200 req/s", ""),
        "p99": ("—", ""),
        "remaining": ("15 s", ""),
    }
    assert "Answers by status" not in texts(shown)


def test_a_result_shows_both_p99_and_its_findings():
    run = a_run(RunState.DONE, result=RESULT.to_json())
    shown = " ".join(texts(result(run)))
    assert "900 ms" in shown
    assert "5 ms" in shown
    assert "≥ 950 ms" in shown, "one timed out: from its latency on a figure is a lower bound"
    assert "3 of 6,000 requests to listener wsgi (0.1 %) failed" in shown
    assert "counted from the actual send it would read 5 ms" in shown
    assert "connection cut off: 2, timed out: 1" in shown
    assert "200: 5,990, 500: 7" in shown
    assert "answered 5,997 of these 5xx 7 failed 3" in shown


def test_a_run_without_a_result_says_why():
    shown = texts(result(a_run(RunState.FAILED, message="the listener went away")))
    assert "Run 3 failed: the listener went away." in shown


def test_a_result_without_a_single_answer_is_shown():
    empty = replace(
        RESULT, answered=0, latency_ms=LatencySummary(), naive_ms=LatencySummary(), statuses={}
    )
    assert "—" in texts(result(a_run(RunState.DONE, result=empty.to_json())))


@pytest.mark.parametrize(
    ("state", "changes", "text", "coloured"),
    [
        (RunState.DONE, {"result": {"failed": {}, "status_classes": {"2xx": 9}}}, "done", "well"),
        (RunState.DONE, {"result": {"failed": {"reset": 1}, "status_classes": {}}}, "done", ""),
        (RunState.DONE, {"result": {"failed": {}, "status_classes": {"5xx": 1}}}, "done", ""),
        (RunState.RUNNING, {"progress": {"elapsed_s": 9.0}}, "running", "running"),
        (RunState.RUNNING, {"progress": {"elapsed_s": 9, "failed": {"reset": 1}}}, "running", ""),
        (RunState.RUNNING, {"progress": {"elapsed_s": 30.5}}, "ending", ""),
        (RunState.FAILED, {"result": {"failed": {"reset": 1}}}, "failed", "failed"),
        (RunState.STOPPED, {}, "stopped", "stopped"),
    ],
)
def test_the_state_of_a_run_is_green_only_where_nothing_failed(state, changes, text, coloured):
    mark = state_mark(a_run(state, **changes))
    assert (mark.children, mark.className) == (text, f"state {coloured}".strip())


def test_the_history_has_a_row_for_each_run():
    rows = history_rows([a_run(), a_run(RunState.DONE, id=2, result=RESULT.to_json())])
    assert [row["key"] for row in rows] == ["3", "2"]
    assert [row["address"] for row in rows] == ["/runs/3", "/runs/2"]
    assert [row["called"] for row in rows] == ["Run 3", "Run 2"]
    assert rows[0]["sent"] is None
    assert (rows[1]["sent"], rows[1]["failed"], rows[1]["p99_text"]) == (6000, 3, "900 ms")
    assert rows[1]["errors"] == 7, "a server error is an answer, and no success"
    so_far = {"sent": 90, "failed": {"reset": 2}}
    (under_way,) = history_rows([a_run(progress=so_far)])
    assert [under_way[name] for name in ("sent", "failed", "errors")] == [90, 2, None]
    (under_way,) = history_rows([a_run(progress=so_far | {"status_classes": {"5xx": 70}})])
    assert [under_way[name] for name in ("sent", "failed", "errors")] == [90, 2, 70]


def test_each_p99_of_the_history_is_a_lower_bound_by_its_own_clock():
    told = RESULT.to_json()
    cut = told | {"timed_out_from_ms": told["latency_ms"]["p99"]}
    both = cut | {"naive_bounds": ["p99"]}
    rows = history_rows([a_run(RunState.DONE, result=result) for result in (cut, both)])
    assert [row["p99_text"] for row in rows] == ["≥ 900 ms"] * 2
    assert [row["naive_text"] for row in rows] == ["5 ms", "≥ 5 ms"]


def values(component, attribute):
    """The values of an attribute within a component, in order."""
    return [getattr(part, attribute) for part in component._traverse() if hasattr(part, attribute)]


SPAN = Span(1_000, 1_300, 1)
FOUND = Found(
    rows=(ROW, replace(ROW, id=6, status=200)),
    matching=120,
    kept=400,
    counted=9_000,
    facets=(
        Facet(
            "status",
            (FacetValue("4xx", 90, 0.75), FacetValue("2xx", 30, 0.25)),
            is_of_classes=True,
        ),
        Facet("user_agent", (FacetValue("", 120, 1.0),), further=3),
        Facet("route", ()),
    ),
    page=1,
    pages=3,
    is_cut=False,
)


def test_the_log_has_target_and_duration_first_and_links_to_each_request(monkeypatch):
    monkeypatch.setattr("components.one_request.below_prefix", lambda path: f"/scope{path}")
    table = request_table(FOUND, Search(order="-took"), SPAN)
    assert values(table, "href") == ["/scope/requests/7", "/scope/requests/6"]
    assert values(table, "data-request") == ["7", "6"]
    shown = texts(table)
    assert shown[:2] == ["Target", "Took \N{DOWNWARDS ARROW}"]
    first = shown.index("GET /search?q=<b>")
    assert shown[first + 1] == "10 ms"
    assert "app 9 ms" in shown, "its longest stage"
    assert values(table, "aria-sort").count("descending") == 1


def test_a_heading_sorts_and_the_second_click_turns_it():
    def orders(search):
        given = values(request_table(FOUND, search, SPAN), "data-narrow")
        return [json.loads(one)["order"] for one in given if "order" in one and "slower" not in one]

    assert orders(Search())[:2] == ["target", "-took"]
    assert orders(Search(order="-took"))[:2] == ["target", "took"]
    assert orders(Search(order="target"))[:2] == ["-target", "-took"]


def test_from_a_row_similar_and_slower_requests_are_found():
    similar, slower = (
        json.loads(one) for one in values(request_table(FOUND, Search(), SPAN), "data-narrow")[-2:]
    )
    assert similar == {"listener": "wsgi", "route": "/search", "status": "200"}
    assert slower == {"slower": "10 ms", "order": "-took"}
    assert read(slower) == (Search(slower_s=0.01, order="-took"), [])


def test_the_counts_say_what_matches_what_is_kept_and_what_was_counted():
    said = "120 requests match, of 400 that are kept in detail; 9,000 were counted in this span."
    assert counts_text(FOUND) == said
    some = counts_text(replace(FOUND, counted_matching=1_200))
    assert some.endswith("9,000 were counted in this span, of which 1,200 match.")
    assert counts_text(replace(FOUND, counted_matching=1)).endswith("of which 1 matches.")
    unknown = replace(FOUND, matching=0, kept=0, counted=None)
    assert counts_text(unknown) == "Nothing was recorded in this span.", "then 0 would be a claim"
    forgotten = replace(FOUND, matching=1, forgotten=70, is_cut=True)
    assert counts_text(forgotten).startswith("1 request matches, of 400")
    assert "Of the first 70 of these no detail is kept any more." in counts_text(forgotten)
    assert "choose a shorter span" in counts_text(forgotten)


def test_a_facet_has_counts_and_shares_and_narrows_to_its_value():
    said, by_class, by_agent = facets(FOUND, Search(status="4xx"))
    (sample,) = texts(said)
    assert sample == (
        "Shares of the 120 requests that match, not of the traffic: in a second with few requests "
        "all are kept, in one with many only some. The graphs above count all."
    )
    all_kept, *_ = facets(replace(FOUND, counted=FOUND.kept), Search())
    assert texts(all_kept) == ["Shares of the 120 requests that match."]
    assert facets(replace(FOUND, facets=()), Search()) == []
    assert texts(by_class) == ["Status class", "4xx", "90", "75 %", "2xx", "30", "25 %"]
    assert values(by_class, "aria-pressed") == ["true", "false"]
    assert json.loads(values(by_class, "data-narrow")[1]) == {"status": "2xx"}
    assert texts(by_agent)[-1] == "and 3 more"
    assert values(by_agent, "aria-pressed") == ["false"], "nothing is chosen"


def test_what_was_not_read_shows_no_longest_stage_and_the_facet_says_of_which_its_shares_are():
    unread = replace(ROW, target="", method="OTHER", route="other", status=503)
    assert "none: not read" in texts(request_table(replace(FOUND, rows=(unread,)), Search(), SPAN))
    stages = Facet("stage", (FacetValue("app", 119, 119 / 120), FacetValue("queue", 1, 1 / 120)))
    _, of_all = facets(replace(FOUND, facets=(stages,)), Search())
    assert texts(of_all) == ["Longest stage", "app", "119", "99.2 %", "queue", "1", "0.8 %"]
    _, of_read = facets(replace(FOUND, facets=(stages,), matching=900), Search())
    assert texts(of_read)[0] == "Longest stage, of those read"


def test_codes_of_status_have_answers_to_nobody_beside_them_and_are_no_classes():
    codes = Facet("status", (FacetValue("client gone", 90, 0.75), FacetValue("200", 30, 0.25)))
    _, shown = facets(replace(FOUND, facets=(codes,)), Search())
    assert texts(shown)[0] == "Status"
    assert json.loads(values(shown, "data-narrow")[0]) == {"status": "client gone"}


def test_a_facet_says_in_words_that_a_request_got_no_answer():
    status = Facet("status", (FacetValue("200", 9, 0.9), FacetValue("0", 1, 0.1)))
    _, shown = facets(replace(FOUND, facets=(status,)), Search())
    assert texts(shown)[-3] == "no answer"
    assert json.loads(values(shown, "data-narrow")[1]) == {"status": "0"}
    cut = replace(ROW, status=0)
    assert "no answer" in texts(request_table(replace(FOUND, rows=(cut,)), Search(), SPAN))
    assert "no answer" in texts(opened(cut, ServerKind.LISTENER))
    assert "0" not in texts(opened(cut, ServerKind.LISTENER))


def test_an_answer_to_nobody_is_marked_in_the_log_and_where_it_is_opened():
    late = replace(ROW, status=200, is_to_nobody=True)
    rows = (late, replace(ROW, status=201))
    shown = texts(request_table(replace(FOUND, rows=rows), Search(), SPAN))
    at = shown.index("200")
    assert shown[at + 1] == "client gone"
    assert shown.count("client gone") == 1
    assert "200, client gone" in texts(opened(late, ServerKind.LISTENER))
    similar, other = (getattr(ways_on(row)[0], "data-narrow") for row in rows)
    assert json.loads(similar)["status"] == "client gone", "or the log would not find it again"
    assert json.loads(other)["status"] == "201"


def test_a_facet_says_in_words_what_nobody_read():
    unread = Facet("route", (FacetValue("other", 3, 1.0),))
    _, shown = facets(replace(FOUND, facets=(unread,)), Search())
    assert texts(shown)[1] == "other route, or none read"
    assert json.loads(values(shown, "data-narrow")[0]) == {"route": "other"}
    (chosen,) = chosen_values(Search(method="OTHER"))
    assert texts(chosen)[0].startswith("Method: other method, or none read")


def test_what_narrows_the_log_can_be_taken_back():
    (route,) = chosen_values(Search(route="/search", slower_s=1.0))
    assert json.loads(getattr(route, "data-narrow")) == {"route": ""}


def test_pages_lead_back_and_forth():
    assert pages(replace(FOUND, pages=1, matching=10), Search()) == []
    back, where, forth, _ = pages(replace(FOUND, page=3), Search())
    assert texts(where) == ["101\N{EN DASH}120 of 120"]
    assert (back.disabled, forth.disabled) == (False, True)
    assert json.loads(getattr(back, "data-narrow")) == {"page": "2"}
    first = pages(replace(FOUND, page=2), Search())[0]
    assert json.loads(getattr(first, "data-narrow")) == {"page": ""}


def test_a_page_of_the_log_has_as_many_rows_as_a_person_chooses():
    _, where, _, rows = pages(replace(FOUND, page=3, pages=12), Search(rows=10))
    assert texts(where) == ["21\N{EN DASH}30 of 120"]
    _, *choices = rows.children
    assert [one.disabled for one in choices] == [True, False, False, False]
    assert json.loads(getattr(choices[1], "data-narrow")) == {"rows": "25"}


def test_a_log_without_rows_says_why():
    nothing = replace(FOUND, rows=(), matching=0)
    assert texts(request_table(nothing, Search(), SPAN)) == [
        "No request that is kept in this span matches."
    ]
    told = texts(request_table(replace(nothing, kept=0), Search(), SPAN))
    assert "".join(told) == (
        "No request is kept in this span. A request to a listener shows here a second or two "
        "later; the page Overview names the listeners."
    )
    past = replace(SPAN, fixed=True)
    (told,) = texts(request_table(replace(nothing, kept=0), Search(), past))
    assert told == "No request is kept in this span."


def test_a_row_opens_with_its_facts_and_its_waterfall():
    shown = texts(opened(ROW, ServerKind.LISTENER))
    for expected in (
        "GET /search?q=<b>",
        "404",
        "none sent, or none read",
        "new connection",
        "9 ms",
        "Similar",
    ):
        assert expected in shown


def test_bars_of_a_waterfall_follow_one_another_and_fill_the_whole():
    bars = [
        part.style
        for part in waterfall({"kernel": 0.002, "queue": 0.0, "app": 0.006})._traverse()
        if getattr(part, "className", "") == "bar"
    ]
    assert [bar["left"] for bar in bars] == ["0.000%", "25.000%", "25.000%"]
    assert [bar["width"] for bar in bars] == ["25.000%", "0.000%", "75.000%"]
    assert waterfall({"kernel": 0.0}) is not None


@pytest.mark.parametrize(
    ("lag_ms", "p99_ms", "naive_ms", "cpu_seconds", "told"),
    [
        (435.0, 10_000.0, 9_990.0, 2.6, "At most a tenth of p99 is this delay."),
        (435.0, 900.0, 100.0, 2.6, "More than a tenth of p99 may be this delay, not the server's."),
        (435.0, 900.0, 100.0, 29.9, "The run measured the generator, not the server."),
    ],
)
def test_the_lateness_of_the_generator_is_told_with_what_it_spoils(
    lag_ms, p99_ms, naive_ms, cpu_seconds, told
):
    figures = RESULT.to_json()
    figures |= {
        "lag_ms": figures["lag_ms"] | {"p99": lag_ms, "max": 904.0},
        "latency_ms": figures["latency_ms"] | {"p99": p99_ms},
        "naive_ms": figures["naive_ms"] | {"p99": naive_ms},
        "cpu_seconds": cpu_seconds,
        "failed": {},
    }
    shown = texts(details(a_run(RunState.DONE, result=figures)))
    late = shown[shown.index("Sent late by the generator") + 1]
    assert late == f"1 in 100 requests by 435 ms or more, the latest by 904 ms. {told}"
