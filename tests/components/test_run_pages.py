"""Load runs in tables: one of them, the list, two side by side."""

import json
from dataclasses import asdict, replace

import pytest
from dash import html

from components import client_phases, load_run, one_run, run_comparison, run_links, run_table
from servescope.findings import findings, gathering
from servescope.histogram import count
from servescope.load.report import LagSummary, LatencySummary, Phase, Result
from servescope.queries.client_phases import PHASES
from servescope.queries.runs import FoundRuns, ServerFigures
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.run_environment import Repository, RunEnvironment
from servescope.records.run_origin import RunOrigin

PLAN = LoadPlan.constant("wsgi", "/slow?ms=50", 200, 30)
RESULT = Result(
    sent=100,
    answered=97,
    failed={"timed_out": 3, "refused": 0},
    cancelled=0,
    resent=0,
    statuses={"200": 90, "404": 5, "503": 2},
    status_classes={"2xx": 90, "4xx": 5, "5xx": 2},
    latency_ms=LatencySummary(50.0, 60.0, 10_000.0, 10_000.0, 10_000.0, 355.0, 70.0),
    naive_ms=LatencySummary(40.0, 50.0, 60.0, 70.0, 80.0, 45.0, 55.0),
    lag_ms=LagSummary(0.5, 2.0),
    seconds=30.0,
    rate_asked=200.0,
    schedule_seconds=30.0,
    answered_in_schedule=97,
    rate_achieved=3.2,
    timed_out_from_ms=10_000.0,
    naive_bounds=["mean", "p99", "p99_9", "max"],
    bytes_received=2**20,
    cpu_seconds=2.0,
    stopped=False,
    histogram=count([0.05] * 97).tolist(),
)
STEP = {
    "name": "GET /",
    "sent": 60,
    "failed": {"timed_out": 2},
    "latency_ms": {"p50": 4.0, "p99": 10_000.0, "max": 10_000.0},
    "timed_out_from_ms": 10_000.0,
    "examples": {},
}
ENVIRONMENT = RunEnvironment(
    *("0.1.0", "CPython 3.11.7", "Linux 6.1", "x86_64", 2, "shop:app", "wsgi", "thread_pool"),
    *(8, 1, False, None, 90.0),
    repository=Repository("0123456789abcdef0123", "main", is_dirty=True),
    port=5555,
)
RUN = LoadRun(
    *(12, PLAN, RunState.DONE, 1.8e9, 1.8e9, 1.8e9 + 30, {}, RESULT.to_json()),
    name="before",
    tags=("sqlite", "release 2"),
    environment=ENVIRONMENT,
)


@pytest.fixture(autouse=True)
def _without_a_prefix(monkeypatch):
    """Addresses as they are where the dashboard has a host to itself: no app is needed for them."""
    for module in ("page_links", "run_links", "one_run", "run_comparison"):
        monkeypatch.setattr(f"components.{module}.below_prefix", lambda path: path)


def texts(component):
    """All texts within a component, in order."""
    if isinstance(component, (str, int)):
        return [str(component)]
    if isinstance(component, (list, tuple)):
        return [text for one in component for text in texts(one)]
    return texts(getattr(component, "children", None) or [])


def parts(component, attribute):
    return [getattr(one, attribute) for one in component._traverse() if hasattr(one, attribute)]


def test_percentiles_that_are_mostly_of_errors_say_so_and_stand_beside_those_without():
    told = RESULT.to_json() | {
        "statuses": {"200": 7, "503": 90},
        "success_ms": {"p50": 900.0, "p99": 1_200.0},
        "error_ms": {"p50": 1.5, "p99": 10_000.0},
    }
    shown = texts(one_run.percentiles_table(replace(RUN, result=told), None))
    at = shown.index("p50")
    assert shown[0].startswith("The client timed 97 answers, 92.8 % of them 503, and gave up on 3 ")
    assert shown[at - 5 : at + 6] == [
        *("Client, from due", "Status < 400", "Errors", "Client, from send", "Server"),
        *("p50", "50 ms", "900 ms", "1.5 ms", "40 ms", "—"),
    ]
    at = shown.index("p99")
    assert shown[at + 1 : at + 4] == ["≥ 10 s", "1.2 s", "≥ 10 s"]


def test_percentiles_of_both_sides_and_how_many_requests_each_had():
    names = ("p50", "p90", "p95", "p99", "p99.9")
    server = ServerFigures(105, 0.04, dict.fromkeys(names, 0.041) | {"p99.9": float("nan")})
    shown = texts(one_run.percentiles_table(RUN, server))
    at = shown.index("p50")
    assert shown[at - 3 : at + 4] == [
        *("Client, from due", "Client, from send", "Server"),
        *("p50", "50 ms", "40 ms", "41 ms"),
    ]
    at = shown.index("p99")
    assert shown[at : at + 4] == ["p99", "≥ 10 s", "≥ 60 ms", "41 ms"], "three timed out"
    at = shown.index("p99.9")
    assert shown[at + 3] == "—"
    assert shown[shown.index("max") + 3] == "not kept"
    slow = replace(server, quantiles_s=dict.fromkeys(names, 36.4) | {"p99": 64.0})
    beyond = texts(one_run.percentiles_table(RUN, slow))
    assert beyond[beyond.index("max") + 3] == "≥ 64.0 s"
    assert shown[0] == (
        "The client timed 97 answers, 7.2 % of them 4xx or 5xx, and gave up on 3 requests after "
        "10 s, which count as that long from the moment they were due; the server timed 105 in the "
        "same seconds, whoever sent them."
    )
    few = replace(RUN, result=RUN.result | {"statuses": {"200": 97}})
    assert texts(one_run.percentiles_table(few, server))[0].startswith(
        "The client timed 97 answers and gave up on 3 requests after 10 s"
    )
    some_unread = texts(one_run.percentiles_table(RUN, replace(server, unread=40)))[0]
    assert (
        "timed 105 in the same seconds, whoever sent them, and turned 40 away unread, whose times "
        "do not count here." in some_unread
    )
    no_room = texts(one_run.percentiles_table(RUN, replace(server, turned_away=12_265)))[0]
    assert no_room.endswith(
        "timed 105 in the same seconds, whoever sent them. It had no room for 12,265 connections: "
        "it answered them with 503, or closed them without an answer where too many others "
        "still had to be told."
    )
    nothing = texts(one_run.percentiles_table(replace(RUN, result={}), None))
    assert "of the server none are kept of these seconds" in nothing[0]
    begun = replace(RUN, result={}, state=RunState.RUNNING)
    assert texts(one_run.percentiles_table(begun, None))[0].endswith(
        "when the run has ended; of the server none are recorded yet."
    )
    at = nothing.index("p50")
    assert set(nothing[at + 1 : at + 4]) == {"—"}


def test_a_run_without_one_of_both_clocks_says_which_it_lacks_and_proposes_no_run():
    assert "Of the client or of the server" in texts(one_run.without_both_clocks(RUN))[0]
    elsewhere = LoadPlan("", PLAN.scenario, origin="https://example.org", address="192.0.2.7")
    told = texts(one_run.without_both_clocks(replace(RUN, plan=elsewhere)))
    assert told == ["The requests went to a host whose stages nobody records here."]


def test_errors_by_kind_and_examples_where_there_are_some():
    shown = texts(one_run.errors_table(RUN))
    assert shown[3:] == [
        *("timed out", "3", "3 %"),
        *("status 404", "5", "5 %"),
        *("status 503", "2", "2 %"),
    ]
    overload = {"sent": 20_000, "failed": {"reset": 1_837, "timed_out": 7_121}}
    overload |= {"statuses": {"200": 473, "503": 10_569}}
    shares = texts(one_run.errors_table(replace(RUN, result=overload)))[5::3]
    assert shares == ["9.2 %", "35.6 %", "52.8 %"], "and 2.4 % were answered with 200"
    examples = {"timed_out": "connected, no byte within 10 s", "status_503": "busy"}
    told = replace(RUN, result=RUN.result | {"steps": [STEP | {"examples": examples}]})
    assert texts(one_run.errors_table(told))[-4:] == [
        *("Timed out, GET /: ", "connected, no byte within 10 s"),
        *("Status 503, GET /: ", "busy"),
    ]
    going = replace(RUN, state=RunState.RUNNING, result={})
    assert texts(one_run.errors_table(going)) == [
        "Errors are listed as soon as requests have come due."
    ]
    so_far = {"sent": 50, "failed": {"timed_out": 1}, "statuses": {"200": 19, "503": 20}}
    so_far["in_flight"] = 10
    assert texts(one_run.errors_table(replace(going, progress=so_far))) == [
        *("Kind", "Requests", "Of those that have ended"),
        *("timed out", "1", "2.5 %"),
        *("status 503", "20", "50.0 %"),
    ]
    none = {"sent": 50, "failed": {"timed_out": 0}, "statuses": {"200": 9}}
    assert texts(one_run.errors_table(replace(going, progress=none))) == [
        "No request failed so far, and none was answered with a 4xx or 5xx."
    ]
    assert texts(one_run.errors_table(replace(RUN, result={}))) == [
        "The run has no result, so no errors are known."
    ]
    good = replace(RUN, result={"failed": {}, "statuses": {"200": 9}})
    assert texts(one_run.errors_table(good)) == [
        "No request failed, and none was answered with a 4xx or 5xx."
    ]


@pytest.mark.parametrize(
    ("timed_out", "share", "in_words"),
    [
        (583, "58.3 %", "58.3 %"),
        (1_000, "100 %", "100 %"),
        (999, "99.9 %", "99.9 %"),
        (96, "9.6 %", "9.6 %"),
    ],
)
def test_a_share_of_failed_requests_is_one_figure_on_the_page(timed_out, share, in_words):
    progress = {"sent": 1_000, "in_flight": 0, "answered": 1_000 - timed_out}
    progress |= {"failed": {"timed_out": timed_out}, "statuses": {"200": 1_000 - timed_out}}
    run = replace(RUN, state=RunState.RUNNING, result={}, progress=progress, ended_s=None)
    assert texts(one_run.errors_table(run))[-1] == share
    told = {one.code: one.sentence for one in findings(gathering.run_of(run))}
    assert f"({in_words}) failed so far" in told["requests-failed"]


def test_a_run_that_never_began_says_so_everywhere():
    never = replace(RUN, state=RunState.FAILED, started_s=None, result={}, environment=None)
    said = " ".join(texts(html.Div(one_run.outcome(never))))
    assert said.startswith("Asked for  ; it never began failed")
    assert texts(one_run.percentiles_table(never, None))[0] == (
        "The run never began: neither side has figures."
    )
    assert texts(one_run.environment_facts(never)) == ["The run never began: it has none."]
    assert texts(one_run.environment_facts(replace(never, state=RunState.REQUESTED))) == [
        "It is read when the run begins."
    ]
    assert texts(client_phases.phases_table(never)) == [
        "The run never began: its client sent no request."
    ]
    assert texts(one_run.without_clocks(never)) == ["No request came due."]
    asked_for = replace(never, state=RunState.REQUESTED)
    assert texts(one_run.without_clocks(asked_for)) == ["No request has come due so far."]
    assert one_run.is_without_seconds(never)
    assert not one_run.is_without_seconds(RUN)
    asked = replace(never, state=RunState.REQUESTED, ended_s=None)
    assert texts(html.Div(one_run.outcome(asked)))[-1] == "It begins within a second."


def test_a_run_of_another_machine_leads_to_no_seconds_of_this_one():
    origin = RunOrigin("host-b", 3, exported_s=1.0, imported_s=2.0, folder="f" * 32)
    assert one_run.more(replace(RUN, origin=origin)) == []
    assert one_run.is_without_seconds(replace(RUN, origin=origin))
    assert len(one_run.more(RUN)) > 1


def test_the_phases_of_a_run_stand_with_their_meaning_and_their_share():
    phases = {
        "blocked": Phase(0.001, count([0.0001] * 10).tolist()),
        "tls": Phase(0.0, count([0.0] * 10).tolist()),
        "wait": Phase(0.099, count([0.0099] * 10).tolist()),
    }
    told = RESULT.to_json() | {
        "phases": {name: asdict(phase) for name, phase in phases.items()},
        "steps": [
            STEP | {"phases": {"wait": asdict(phases["wait"])}},
            STEP | {"name": "POST /cart", "phases": {"blocked": asdict(phases["blocked"])}},
        ],
    }
    shown = texts(client_phases.phases_table(replace(RUN, result=told)))
    assert shown[0] == "Of 97 answers, 7.2 % of them 4xx or 5xx."
    at = shown.index("wait")
    assert shown[at + 1] == PHASES["wait"]
    assert shown[at + 2 : at + 5] == ["10", "99 %", "9.9 ms"]
    assert "tls" not in shown, "it took no time: the run was not behind TLS"
    at = shown.index("Mean by request")
    assert shown[at:] == [
        *("Mean by request", "wait", "blocked"),
        *("GET /", "9.9 ms", "—"),
        *("POST /cart", "—", "100 µs"),
    ]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RunState.RUNNING, "The phases come when the run has ended."),
        (RunState.FAILED, "No phases: the run got no answer, or what sent it kept none."),
    ],
)
def test_a_run_without_phases_says_why(state, told):
    run = replace(RUN, state=state, result={})
    assert texts(client_phases.phases_table(run)) == [told]


def test_a_run_that_locust_sent_says_so_everywhere():
    by_locust = replace(RUN, id=13, result=RUN.result | {"generator": "Locust 2.47.0, 2 workers"})
    shown = texts(load_run.details(by_locust))
    assert shown[:2] == ["Sent by", "Locust 2.47.0, 2 workers"]
    assert "CPU time of the busiest worker" in shown
    (row,) = load_run.history_rows([by_locust])
    assert row["plan"].endswith(" (by Locust 2.47.0, 2 workers)")
    listed = texts(run_table.run_table(FoundRuns((by_locust,), 1, 1, 1), "-id", (), ""))
    assert any(text.endswith(", by Locust 2.47.0, 2 workers") for text in listed)
    elsewhere = replace(RUN, origin=RunOrigin("east", 3, 1.0, 2.0, "f" * 32))
    listed = texts(run_table.run_table(FoundRuns((elsewhere,), 1, 1, 1), "-id", (), ""))
    assert any(text.endswith(", at east") for text in listed)
    assert texts(one_run.without_clocks(by_locust)) == [
        "No Servescope recorded the requests at their server."
    ]
    assert any(
        text.startswith("Run 12 was sent by Servescope, run 13 by Locust 2.47.0, 2 workers:")
        for text in run_comparison._told((RUN, by_locust))
    )
    assert not any("sent by" in text for text in run_comparison._told((RUN, RUN)))


def test_answers_that_a_verdict_counts_as_failed_stand_beside_those_without_an_answer():
    shown = texts(run_comparison._percentiles((RUN, replace(RUN, result={}))))
    at = shown.index("with 4xx or 5xx")
    assert shown[at : at + 3] == ["with 4xx or 5xx", "7", "—"]
    at = shown.index("failed")
    assert shown[at : at + 3] == ["failed", "3", "—"]
    assert shown[0] == (
        "Run 12: 97 answers, 7.2 % of them 4xx or 5xx, and 3 requests that timed out."
    )


def test_a_mix_has_figures_of_each_of_its_requests():
    post = STEP | {"name": "POST /cart", "sent": 40, "failed": {}, "timed_out_from_ms": None}
    told = replace(RUN, result=RUN.result | {"steps": [STEP, post]})
    shown = texts(one_run.percentiles_table(told, None))
    at = shown.index("GET /")
    assert shown[at : at + 6] == ["GET /", "60", "2", "4 ms", "≥ 10 s", "≥ 10 s"]
    at = shown.index("POST /cart")
    assert shown[at : at + 6] == ["POST /cart", "40", "0", "4 ms", "10 s", "10 s"]
    alone = replace(RUN, result=RUN.result | {"steps": [STEP]})
    assert "GET /" not in texts(one_run.percentiles_table(alone, None))


def test_the_environment_names_the_commit():
    shown = texts(one_run.environment_facts(replace(RUN, environment=ENVIRONMENT)))
    at = shown.index("Its repository")
    assert shown[at + 1] == "commit 0123456789ab on main, with changes that are not committed"
    clean = replace(ENVIRONMENT, repository=Repository("f" * 40), threads=None)
    on_loop = texts(one_run.environment_facts(replace(RUN, environment=clean)))
    assert f"commit {'f' * 12}, nothing changed" in on_loop
    assert "none: an event loop calls the app" in on_loop
    assert texts(one_run.environment_facts(replace(RUN, environment=None))) == [
        "Nothing is known of it: the run is from a version that did not keep it."
    ]
    of_comparison = replace(RUN, environment=None, plan=replace(RUN.plan, comparison=3))
    assert texts(one_run.environment_facts(of_comparison)) == [
        "None is kept of a run of a comparison: comparison 3 says more."
    ]
    elsewhere = RunEnvironment("0.1.0", "CPython 3.11.7", "Linux 6.1", "x86_64", 2)
    assert texts(one_run.environment_facts(replace(RUN, environment=elsewhere)))[::2] == [
        *("Cores", "System", "Python", "Servescope")
    ]


@pytest.mark.parametrize(
    ("number", "newest", "heading", "why"),
    [
        (0, 5, "There is no such run", "“abc” is no number of a load run."),
        (9, 5, "There is no run 9 yet", "The newest run is number 5."),
        (9, 0, "There is no run 9 yet", "No load run was started yet: start one on the page Load."),
        (3, 5, "Run 3 is not here any more", "It was deleted. No other run gets its number."),
    ],
)
def test_a_run_that_is_not_here_says_why(number, newest, heading, why):
    first, *told, way = texts(one_run.not_here("abc", number, newest))
    assert (first, "".join(told), way) == (heading, why, "All runs")


def test_a_run_leads_to_other_pages_over_its_seconds():
    ended = [link.href for link in run_links.ways_on(100, 130, "a b")]
    assert ended == [
        "/requests?from=100&to=130&listener=a%20b",
        "/latency?from=100&to=130&listener=a%20b",
        "/ports?from=100&to=130",
        "/host?from=100&to=130",
    ]
    assert run_links.ways_on(100, None, "a")[2].href == "/ports?from=100&to=now"
    assert run_links.ways_on(100, 130, "")[0].href == "/requests?from=100&to=130"


def test_the_list_marks_two_runs_at_most():
    assert run_table.read_chosen("12,13") == (12, 13)
    assert run_table.read_chosen("") == ()
    assert run_table.read_chosen("12,12,x,0,14,15") == (14, 15)
    found = FoundRuns((RUN, replace(RUN, id=13, name="", tags=())), 2, 2, 3)
    table = run_table.run_table(found, "-id", (7, 12), "")
    first, second = (json.loads(one) for one in parts(table, "data-narrow") if "chosen" in one)
    assert first == {"chosen": "7", "page": "3"}, "a mark is taken back"
    assert second == {"chosen": "12,13", "page": "3"}, "a third one takes the place of the first"
    assert parts(table, "aria-checked") == ["true", "false"]
    assert parts(table, "href") == ["/runs/12", "/runs/13"]
    shown = texts(table)
    for text in (
        "12: before",
        "Run 13",
        "sqlite",
        "wsgi /slow?ms=50",
        "200 req/s for 30 s",
        "done",
    ):
        assert text in shown
    assert "≥ 10 s" in shown
    under_way = replace(RUN, state=RunState.RUNNING, result={}, progress={"sent": 41, "failed": {}})
    counted = replace(under_way, progress=under_way.progress | {"status_classes": {"5xx": 30}})
    for run, errors in ((under_way, "—"), (counted, "30")):
        found = FoundRuns((run, RUN), 2, 2, 1)
        told = texts(run_table.run_table(found, "-id", (), ""))
        at = told.index("running")
        assert told[at : at + 4] == ["running", "41", "0", errors]
    names = [getattr(cell, "data-name", "") for cell in run_table._row(RUN, (), 1).children]
    assert names[5:8] == ["due", "failed", "5xx"], "as the headings have it"
    at = told.index("done")
    assert told[at : at + 4] == ["done", "100", "3", "2"], "2 of the answers were server errors"


def test_the_list_says_what_can_be_done_with_the_marked_runs():
    assert run_table.choice((), 1) == []
    assert texts(run_table.choice((), 2)) == ["Mark two runs to compare them."]
    assert texts(run_table.choice((7,), 2)) == ["Run 7 is marked: mark another one."]
    (link,) = run_table.choice((7, 12), 2)
    assert (link.children, link.href) == ("Compare runs 7 and 12", "/runs/compare?a=7&b=12")


def test_the_list_counts_what_it_shows():
    found = FoundRuns((), 1, 30, 1)
    assert run_table.counts_text(found, has_words=True) == "1 of 30 runs matches."
    assert run_table.counts_text(found, has_words=False) == "30 runs."
    assert texts(run_table.run_table(found, "-id", (), "why")) == ["why"]


def test_two_runs_side_by_side_differ_where_they_do():
    other = replace(
        RUN,
        id=13,
        plan=LoadPlan.constant("wsgi", "/slow?ms=50", 300, 30),
        environment=replace(ENVIRONMENT, python="CPython 3.14.0"),
    )
    told = run_comparison._told((RUN, other))
    assert told == ["They differ in: Schedule, Python.", run_comparison.CAVEAT]
    assert run_comparison._told((RUN, replace(RUN, id=13)))[0] == (
        "They were asked for the same, with the same seed, and ran in the same environment."
    )
    unsure = (
        "The app had changes that are not committed: whether its code was the same in both is not "
        "known."
    )
    assert run_comparison._told((RUN, replace(RUN, id=13)))[1] == unsure
    committed = replace(RUN, environment=replace(ENVIRONMENT, repository=Repository("f" * 40)))
    assert unsure not in run_comparison._told((committed, replace(committed, id=13)))
    going = replace(RUN, id=13, state=RunState.RUNNING, result={})
    assert run_comparison._told((RUN, going))[0].startswith("Not yet over: run 13.")
    assert run_comparison._told((RUN, replace(RUN, id=13, environment=None)))[:2] == [
        "They were asked for the same, with the same seed.",
        "Nothing is known of the environment of run 13.",
    ]
    table = run_comparison._plans((RUN, other))
    assert [one.className for one in table._traverse() if hasattr(one, "className")].count(
        "differs"
    ) == 2


@pytest.mark.parametrize(
    ("are_bounds", "values", "shown"),
    [
        ((False, False), (50.0, 60.0), "\N{MULTIPLICATION SIGN} 1.2"),
        ((False, True), (50.0, 60.0), "≥ \N{MULTIPLICATION SIGN} 1.2"),
        ((True, False), (50.0, 60.0), "—"),
        ((False, False), (None, 60.0), "—"),
        ((False, False), (0.0, 60.0), "—"),
        ((False, False), (50.0, None), "—"),
    ],
    ids=["both known", "second is a bound", "first is a bound", "no first", "zero", "no second"],
)
def test_a_ratio_is_said_where_it_is_known(are_bounds, values, shown):
    assert run_comparison._ratio_text(values, are_bounds) == shown


def test_a_run_without_a_result_is_compared_as_far_as_it_goes():
    empty = replace(RUN, id=13, result={}, environment=None)
    shown = texts(run_comparison._percentiles((RUN, empty)))
    assert "—" in shown
    assert "Run 13 has no distribution: it measured nothing." in texts(
        run_comparison._distributions((RUN, empty))
    )
    assert texts(run_comparison._distributions((empty, empty))) == [
        "Neither run has a distribution."
    ]


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ([998], "There is no run 998: it was deleted, or never was."),
        ([998, 1_999], "There is no run 998 and no run 1,999: they were deleted, or never were."),
    ],
    ids=["one", "both"],
)
def test_runs_that_are_missing_are_named(missing, told):
    assert told in texts(run_comparison.not_both(missing))
