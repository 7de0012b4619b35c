"""Load runs in words: schedules, plans, and where they ran."""

from dataclasses import replace

import pytest

from servescope.figures import units
from servescope.figures.run_texts import (
    environment_texts,
    has_errors,
    latency,
    offered_text,
    plan_facts,
    plan_text,
    schedule_text,
    timed_text,
)
from servescope.load.report import FROM_DUE, FROM_SEND
from servescope.records.load import LoadPlan
from servescope.records.run_environment import RunEnvironment
from servescope.records.scenarios import (
    Constant,
    DataRows,
    Flow,
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
    WebSocketStep,
)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (Constant(200, 30), "200 req/s for 30 s"),
        (Poisson(50, 300), "Poisson arrivals, 50 req/s on average for 5 min"),
        (Constant(200, 400), "200 req/s for 6 min 40 s"),
        (Ramp(10, 100, 60), "from 10 req/s to 100 req/s in 60 s"),
        (Steps((10, 20.5, 40), 15), "steps of 10, 20.5, 40 req/s, 15 s each"),
        (
            Spike(50, 500, 10, 5, 60),
            "50 req/s for 60 s, with a peak of 500 req/s for 5 s after 10 s",
        ),
        (
            Recorded(((1,), (3,)), 2.0, "wsgi at 14:03"),
            "recorded arrivals of wsgi at 14:03 \N{MULTIPLICATION SIGN} 2, for 2 s",
        ),
        (
            Users(10, 0.5, 60),
            "closed model, 10 users with 500 ms between an answer and the next request, for 60 s",
        ),
        (
            Users(1, 0, 60),
            "closed model, 1 user without a pause between an answer and the next request, for 60 s",
        ),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_schedule_in_words(schedule, text):
    assert schedule_text(Scenario(schedule)) == text


def test_a_schedule_of_flows_counts_flows():
    flows = (Flow((RequestStep(), RequestStep())),)
    told = {
        "20 flows/s for 30 s": Constant(20, 30),
        "steps of 10, 20 flows/s, 15 s each": Steps((10, 20), 15),
        "10 flows/s for 60 s, with a peak of 500 flows/s for 5 s after 10 s": Spike(
            10, 500, 10, 5, 60
        ),
    }
    assert {
        schedule_text(Scenario(schedule, flows)): schedule for schedule in told.values()
    } == told


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        pytest.param(Scenario(Constant(1_500, 1)), "1,500 req/s", id="one-request-a-flow"),
        pytest.param(Scenario(Ramp(0, 100, 1)), "50 req/s", id="the-mean-of-a-ramp"),
        pytest.param(
            Scenario(Constant(20, 1), (Flow((RequestStep(), RequestStep())),)),
            "20 flows/s",
            id="two-steps",
        ),
        pytest.param(
            Scenario(Constant(2, 1), (Flow((WebSocketStep(messages=("a", "b")),)),)),
            "2 flows/s",
            id="websocket",
        ),
        pytest.param(Scenario(Users(10, 0, 1)), "10 users", id="closed-model"),
        pytest.param(Scenario(Users(1, 0, 1)), "1 user", id="one-user"),
    ],
)
def test_the_load_that_a_scenario_offers(scenario, told):
    assert offered_text(scenario) == told


def test_a_plan_says_everything_that_is_needed_to_repeat_it():
    flows = (
        Flow(
            (RequestStep(name="home", target="/"), RequestStep("", "POST", "/cart", body="{n}")),
            weight=3,
        ),
        Flow((WebSocketStep(target="/chat", messages=("a", "b")),)),
    )
    scenario = Scenario(
        Constant(5, 10),
        flows,
        keep_alive=False,
        seed=7,
        rules=("p99 < 50 ms",),
        data=DataRows(("n",), (("1",), ("2",))),
    )
    plan = LoadPlan("wsgi", scenario)
    assert plan_facts(plan, plan.kind) == {
        "Listener": "wsgi",
        "Schedule": "5 flows/s for 10 s",
        "Requests": "home: GET /, then POST /cart with 3 characters of text (75 %); "
        "WebSocket /chat with 2 messages (25 %)",
        "Connections": "one for each request, at most 512 at a time",
        "Timeout": "10 s",
        "Rows of data": "2 of n",
        "Rules": "p99 < 50 ms",
        "Seed": "7",
    }
    assert plan_text(LoadPlan("wsgi", scenario)) == "wsgi / and 2 more, 5 flows/s for 10 s"
    named = LoadPlan("wsgi", replace(scenario, name="Shop"))
    assert plan_text(named) == "wsgi Shop, 5 flows/s for 10 s"


def test_a_slow_client_and_the_lookup_of_a_name_are_facts_of_the_plan():
    slow = RequestStep(method="POST", target="/form", send_seconds=2, read_seconds=3)
    flows = (Flow((slow,)),)
    plan = LoadPlan("", Scenario(Constant(5, 10), flows), 0, "http://a.test", "192.0.2.1", 0.0125)
    facts = plan_facts(plan, plan.kind)
    assert facts["Host"] == "http://a.test"
    assert facts["Requests"] == "POST /form, sent over 2 s, its answer read over 3 s"
    assert facts["DNS"] == "looked up once, before the run, in 12.5 ms: 192.0.2.1"
    assert "DNS" not in plan_facts(replace(plan, lookup_seconds=None), plan.kind)


def test_an_app_under_another_server_is_no_listener():
    plan = replace(LoadPlan.constant("shop", "/", 5, 10), is_recorded_app=True)
    facts = plan_facts(plan, plan.kind)
    assert facts["App under another server"] == "shop"
    assert "Listener" not in facts
    assert LoadPlan.from_json(plan.to_json()) == plan


def test_an_environment_without_a_listener_is_the_machine_alone():
    machine = RunEnvironment("", "CPython 3.11.7", "Linux 6.1", "x86_64", 2)
    assert environment_texts(machine) == {
        "Cores": "2 that Servescope may use",
        "System": "Linux 6.1, x86_64",
        "Python": "CPython 3.11.7",
        "Servescope": "not known",
    }
    hosted = environment_texts(replace(machine, app="a:app", app_kind="wsgi", model="thread_pool"))
    assert hosted["Listener pinned to"] == "no core"
    assert environment_texts(None) == {}


@pytest.mark.parametrize(
    ("name", "clock", "shown"),
    [
        ("p50", FROM_DUE, "43 ms"),
        ("p99", FROM_DUE, "≥ 5 s"),
        ("p99", FROM_SEND, "≥ 5 s"),
        ("p50", FROM_SEND, "41 ms"),
        ("mean", FROM_SEND, "≥ 1.6 s"),
        ("mean", FROM_DUE, "≥ 1.7 s"),
        ("max", FROM_DUE, units.NOTHING),
    ],
)
def test_a_latency_that_timeouts_are_among_is_a_lower_bound(name, clock, shown):
    result = {
        "latency_ms": {"p50": 43.0, "p99": 5_160.0, "mean": 1_700.0, "max": None},
        "naive_ms": {"p50": 41.0, "p99": 5_001.0, "mean": 1_600.0},
        "naive_bounds": ["p99", "mean"],
        "timed_out_from_ms": 5_002.0,
    }
    assert latency(result, name, clock).text == shown
    none_timed_out = latency(result | {"timed_out_from_ms": None}, name, clock)
    assert "≥" not in none_timed_out.text
    if (name, clock) == ("p99", FROM_DUE):
        assert none_timed_out.text == "5.16 s", "noticed late, that is no bound"


@pytest.mark.parametrize(
    ("statuses", "timed_out", "expected"),
    [
        ({"200": 990, "500": 9}, 0, "999 answers"),
        ({"200": 990, "500": 10}, 0, "1,000 answers, 1 % of them 500"),
        (
            {"200": 70, "503": 930},
            1,
            "1,000 answers, 93 % of them 503, and 1 request that timed out",
        ),
        ({"200": 50, "404": 30, "500": 10, "503": 10}, 0, "100 answers, 50 % of them 4xx or 5xx"),
        ({"500": 10, "503": 10}, 0, "20 answers, all 5xx"),
        ({"503": 1}, 1, "1 answer, 503, and 1 request that timed out"),
        ({}, 7, "0 answers, and 7 requests that timed out"),
    ],
)
def test_latencies_say_how_many_of_their_answers_are_errors(statuses, timed_out, expected):
    told = {
        "answered": sum(statuses.values()),
        "statuses": statuses,
        "failed": {"timed_out": timed_out, "refused": 5},
    }
    assert timed_text(told) == expected


@pytest.mark.parametrize(
    ("statuses", "timed_out", "expected"),
    [
        ({"200": 990, "500": 9}, 0, False),
        ({"200": 990, "500": 10}, 0, True),
        ({"200": 990}, 10, True),
        ({}, 0, False),
        ({"404": 10}, 0, False),  # all of them are errors
    ],
)
def test_percentiles_stand_apart_as_soon_as_a_p99_may_be_one_of_an_error(
    statuses, timed_out, expected
):
    told = {
        "answered": sum(statuses.values()),
        "statuses": statuses,
        "failed": {"timed_out": timed_out},
        "success_ms": {"p50": 1.0},
    }
    assert has_errors(told) is expected
    assert not has_errors(told | {"success_ms": None}), "a version that did not part them"
