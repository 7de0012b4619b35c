"""Load runs: read, checked and written, or refused with a sentence."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import load_runs
from servescope.actions.load_runs import LoadRunRequest, read
from servescope.errors import LoadRefusedError
from servescope.records.load import LoadPlan, RunState
from servescope.records.scenarios import (
    BodyKind,
    Constant,
    Flow,
    Poisson,
    Ramp,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
)
from servescope.scenarios.checks import check_scenario
from servescope.settings import Settings
from tests.actions.field_values import FIELDS

REQUEST = LoadRunRequest("wsgi", "/", 200, 30)


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        (LoadRunRequest("wsgi", " /x ", 200, 30), LoadPlan.constant("wsgi", "/x", 200.0, 30.0)),
        (LoadRunRequest("wsgi", "", "50", 1), LoadPlan.constant("wsgi", "/", 50.0, 1.0)),
    ],
)
def test_a_request_is_read(request_, plan):
    assert read(request_) == plan


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"listener": None}, "choose a listener, an app or a host"),
        ({"rate": ""}, "fill in a number of requests per second"),
        ({"rate": "nan"}, "the rate is a number of requests per second, not 'nan'"),
        ({"rate": "abc"}, "the rate is a number of requests per second, not 'abc'"),
        ({"rate": -5}, "the rate is above 0 and at most 20,000 requests per second, not -5"),
        ({"rate": 0}, "the rate is above 0 and at most 20,000 requests per second, not 0"),
        ({"seconds": None}, "fill in a number of seconds"),
        ({"seconds": "-5"}, "the duration is above 0 and at most 600 seconds, not -5"),
        ({"seconds": 0}, "the duration is above 0 and at most 600 seconds, not 0"),
        ({"listener": "nobody"}, "there is no listener or app 'nobody' here; known are: wsgi"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(
    listening, settings, changes, refusal
):
    with pytest.raises(LoadRefusedError) as caught:
        load_runs.start(listening, settings, replace(REQUEST, **changes))
    assert str(caught.value) == refusal
    assert listening.load_runs.newest(1) == []


def test_a_run_is_started_and_stopped(listening, settings):
    run = load_runs.start(listening, settings, REQUEST)
    assert listening.load_runs.active() == run
    with pytest.raises(LoadRefusedError, match=f"load run {run.id} is requested"):
        load_runs.start(listening, settings, REQUEST)
    assert load_runs.stop(listening.load_runs, run.id).state is RunState.STOPPING
    with pytest.raises(LoadRefusedError, match="no load run 7"):
        load_runs.stop(listening.load_runs, 7)


def scenario_of(schedule=None, *requests, **changes):
    request = replace(REQUEST, schedule=schedule or {}, requests=requests, **changes)
    return read(request).scenario


@pytest.mark.parametrize(
    ("told", "schedule"),
    [
        ({}, Constant(200, 30)),
        ({"kind": "constant"}, Constant(200, 30)),
        ({"kind": "poisson"}, Poisson(200, 30)),
        ({"kind": "ramp", "from_rate": "0"}, Ramp(0, 200, 30)),
        ({"kind": "steps", "rates": "100, 200; 300 ,"}, Steps((100, 200, 300), 10)),
        (
            {"kind": "spike", "peak_rate": 500, "peak_at": 10, "peak_seconds": 5},
            Spike(200, 500, 10, 5, 30),
        ),
        ({"kind": "users", "users": 10, "think_seconds": "0.5"}, Users(10, 0.5, 30)),
    ],
)
def test_each_schedule_of_the_form_is_read(told, schedule):
    assert scenario_of(told).schedule == schedule


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        ({"kind": "ramp"}, "fill in a number of requests per second"),
        ({"kind": "ramp", "from_rate": "x"}, "the first rate is a number of requests per second"),
        ({"kind": "steps"}, "fill in a number of requests per second"),
        ({"kind": "steps", "rates": "1, a"}, "the rate of step 2 is a number of requests per sec"),
        ({"kind": "spike", "peak_rate": 5}, "fill in a number of seconds"),
        ({"kind": "users", "users": "1.5"}, "fill in a whole number of users"),
        ({"kind": "users", "users": 1, "think_seconds": "x"}, "the think time is a number of sec"),
        ({"kind": "recorded"}, "'recorded' is no schedule that a form describes"),
    ],
)
def test_a_schedule_that_says_nothing_is_refused(told, refusal):
    with pytest.raises(LoadRefusedError) as caught:
        scenario_of(told)
    assert refusal in str(caught.value)


def test_a_mix_is_read():
    first = {"weight": "3", "headers": "Accept: text/html\n\n X-Try : {n}: a "}
    second = {
        "method": "POST",
        "target": "/notes",
        "body": '{"a": 1}',
        "body_kind": "json",
        "weight": "",
        "send_seconds": "1.5",
        "read_seconds": "2",
    }
    scenario = scenario_of(None, first, second, target="/x", keep_alive=False)
    assert scenario.flows == (
        Flow(
            (RequestStep(target="/x", headers=(("Accept", "text/html"), ("X-Try", "{n}: a"))),), 3.0
        ),
        Flow((RequestStep("", "POST", "/notes", (), '{"a": 1}', BodyKind.JSON, (), 1.5, 2.0),)),
    )
    assert not scenario.keep_alive


@pytest.mark.parametrize(
    ("row", "refusal"),
    [
        ({"headers": "Accept"}, "a header field of request 1 is a line as Accept: text/html"),
        ({"weight": "heavy"}, "the weight of request 1 is a number of parts, not 'heavy'"),
        ({"read_seconds": "long"}, "the time to read answer 1 is a number of seconds, not 'long'"),
        ({"body_kind": "xml"}, "the kind of a body is text, json, form"),
    ],
)
def test_a_request_of_a_mix_that_says_nothing_is_refused(row, refusal):
    with pytest.raises(LoadRefusedError, match=refusal):
        scenario_of(None, row)


def test_rules_are_lines():
    lines = " p99 < 50 ms \n\n GET /x: error rate < 1 %\n"
    scenario = read(LoadRunRequest("wsgi", "/x", 1, 1, rules=lines, auto_stop=True)).scenario
    assert scenario.rules == ("p99 < 50 ms", "GET /x: error rate < 1 %")
    assert scenario.auto_stop
    check_scenario(scenario, 1, 1)


@pytest.mark.parametrize(
    ("rules", "refusal"),
    [
        ("p99 < 50 ms\nfast", "the rule 'fast' is not understood; write, say, p99 < 50 ms, "),
        ("p99 < 50 %", "the bound of the rule 'p99 < 50 %' is in µs, ms or s"),
        ("GET /y: max < 1 s", "is about 'GET /y'; the steps of the mix are: GET /"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(listening, settings, rules, refusal):
    with pytest.raises(LoadRefusedError, match=refusal):
        load_runs.start(listening, settings, replace(REQUEST, rules=rules))
    assert listening.load_runs.newest(1) == []


def test_a_file_says_all_but_where_the_run_aims():
    file = 'listener = "other"\n[schedule]\nkind = "poisson"\nrate = 5\nseconds = 2'
    plan = read(LoadRunRequest("wsgi", "", None, None, file=file))
    assert plan == LoadPlan("wsgi", Scenario(Poisson(5, 2)))


def test_a_named_host_is_looked_up_once(listening):
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings = Settings(load_hosts=origin)
        run = load_runs.start(listening, settings, replace(REQUEST, listener=origin))
    assert (run.plan.listener, run.plan.origin, run.plan.address) == ("", origin, "127.0.0.1")
    assert run.plan.destination == origin
    assert listening.load_runs.newest(1) == [run]


def test_a_host_that_is_not_named_is_refused_and_not_looked_up(listening, settings, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(LoadRefusedError, match="is no target that the operator named"):
        load_runs.start(listening, settings, replace(REQUEST, listener="http://example.org"))


ROWS = st.dictionaries(
    st.sampled_from(
        [
            "method",
            "target",
            "weight",
            "headers",
            "body",
            "body_kind",
            "send_seconds",
            "read_seconds",
        ]
    ),
    FIELDS,
)
SCHEDULES = st.dictionaries(
    st.sampled_from(["kind", "from_rate", "rates", "peak_rate", "peak_at", "users"]),
    FIELDS | st.sampled_from(["ramp", "steps", "spike", "users"]),
)


@given(st.tuples(*[FIELDS] * 4), SCHEDULES, st.lists(ROWS, max_size=3), st.tuples(*[FIELDS] * 4))
def test_whatever_a_browser_sends_is_read_or_refused(values, schedule, rows, others):
    with suppress(LoadRefusedError):
        request = LoadRunRequest(*values, schedule, rows, *others)
        check_scenario(read(request).scenario, 20_000, 600)
