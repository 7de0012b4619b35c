"""The scenarios that may run, and the sentence that refuses any other."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError
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
from servescope.scenarios.arrivals import arrivals_ns
from servescope.scenarios.checks import check_scenario, requests_of

PLAIN = Scenario(Constant(100, 10))
THREE_STEPS = Flow((RequestStep(),) * 3)
NUMBERS = st.floats() | st.integers(-5, 50).map(float)


def checked(scenario: Scenario) -> Scenario:
    return check_scenario(scenario, max_rate=20_000, max_seconds=600)


def refusal_of(scenario: Scenario) -> str:
    with pytest.raises(LoadRefusedError) as caught:
        checked(scenario)
    return str(caught.value)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(20_000, 150),
        Poisson(0.1, 600),
        Ramp(0, 400, 20),
        Ramp(400, 0, 20),
        Steps((100, 0, 300), 10),
        Spike(0, 500, peak_at=0, peak_seconds=50, seconds=30),
        Recorded(((3,), (1,)), factor=0.5),
        Users(512, think_seconds=0, seconds=20),
    ],
    ids=lambda one: one.kind,
)
def test_a_sound_schedule_passes(schedule):
    scenario = Scenario(schedule)
    assert checked(scenario) is scenario


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Constant(0, 1), "the rate is above 0 and at most 20,000 requests per second, not 0"),
        (Constant(-1, 1), "not -1"),
        (Constant(20_001, 1), "not 20,001"),
        (Constant(math.nan, 1), "not nan"),
        (Constant(math.inf, 1), "not inf"),
        (Constant(1, 0), "the duration is above 0 and at most 600 seconds, not 0"),
        (Constant(1, 601), "not 601"),
        (Constant(1, math.nan), "not nan"),
        (
            Constant(20_000, 600),
            "are 12,000,000 requests; one run has at most 3,000,000",
        ),
        (Poisson(0, 1), "the rate is above 0"),
        (Ramp(-1, 5, 1), "the first rate is between 0 and 20,000 requests per second, not -1"),
        (Ramp(1, 50_000, 1), "the last rate is between 0 and 20,000"),
        (Ramp(0, 0, 1), "the schedule never sends anything: each of its rates is 0"),
        (Steps((), 1), "the number of steps is between 1 and 100, not 0"),
        (Steps((1,) * 101, 1), "not 101"),
        (Steps((1, 30_000), 1), "the rate of step 2 is between 0 and 20,000"),
        (Steps((1, 2), 0), "the length of a step is above 0 and at most 600 seconds, not 0"),
        (Steps((1,) * 3, 300), "the duration is above 0 and at most 600 seconds, not 900"),
        (Steps((0, 0), 1), "never sends anything"),
        (Spike(-1, 5, 0, 1, 5), "the rate is between 0 and 20,000"),
        (Spike(1, 0, 0, 1, 5), "the rate of the spike is above 0"),
        (Spike(1, 5, 0, 0, 5), "the length of the spike is above 0"),
        (Spike(1, 5, 5, 1, 5), "begins within the 5 seconds of the schedule, not at 5 seconds"),
        (Spike(1, 5, -1, 1, 5), "not at -1 seconds"),
        (Recorded(()), "there is no request in the recording"),
        (Recorded(((0,),)), "there is no request in the recording"),
        (Recorded(((1, 2),)), "has a count for each of the 1 flows"),
        (Recorded(((-1,),)), "a count of the recording is below 0"),
        (Recorded(((1,),), factor=5), "the factor of a recording is between 0.5 and 4, not 5"),
        (Recorded(((1,),), factor=math.nan), "not nan"),
        (
            Recorded(((30_000,),)),
            "the scenario has up to 30,000 requests per second; at most 20,000 are allowed",
        ),
        (Recorded(((1,),) * 601), "the duration is above 0 and at most 600 seconds, not 601"),
        (Users(0, 1, 1), "the number of users is between 1 and 4,096, not 0"),
        (Users(5_000, 1, 1), "not 5,000"),
        (Users(600, 1, 1), "600 users need as many connections; the scenario allows 512"),
        (Users(1, -1, 1), "the think time is between 0 and 600 seconds, not -1"),
        (Users(1, math.nan, 1), "not nan"),
        (Users(1, 1, 700), "the duration is above 0 and at most 600 seconds, not 700"),
    ],
)
def test_an_unsound_schedule_is_refused(schedule, sentence):
    assert sentence in refusal_of(Scenario(schedule))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"timeout_seconds": 0}, "the timeout is above 0 and at most 60 seconds, not 0"),
        ({"timeout_seconds": 61}, "not 61"),
        ({"max_connections": 0}, "the number of connections is between 1 and 4,096, not 0"),
        ({"max_connections": 5_000}, "not 5,000"),
        ({"seed": -1}, "the seed is between 0 and 9,223,372,036,854,775,807, not -1"),
        ({"name": "x" * 101}, "the name has at most 100 characters"),
        ({"name": "a\nb"}, "all of them printable"),
        ({"rules": ("p99 < 1 s",) * 21}, "a scenario has at most 20 rules, not 21"),
        ({"rules": ("fast",)}, "the rule 'fast' is not understood"),
        ({"rules": ("sign in: p99 < 1 s",)}, "is about 'sign in'; the steps of the mix are: GET /"),
        (
            {"flows": (Flow((RequestStep(method="POST", body="x" * 200_000),)),) * 6},
            "have 1,200,006 bytes; together they may have at most 1,048,576",
        ),
        (
            {"data": DataRows(("a",), (("x" * 1_048_576,),))},
            "have 1,048,578 bytes; together",
        ),
        (
            {
                "schedule": Constant(1_000, 100),
                "flows": (Flow((RequestStep(method="POST", body="x" * 200_000),)),),
            },
            "the run would send 20 GB in bodies and messages; it may send at most 10 GB",
        ),
    ],
)
def test_the_rest_has_bounds_too(changes, sentence):
    assert sentence in refusal_of(replace(PLAIN, **changes))


def test_the_steps_of_a_flow_count_towards_the_rate():
    mix = (THREE_STEPS, Flow((RequestStep(),)))  # two requests each, on average
    assert checked(Scenario(Constant(10_000, 1), mix))
    assert (
        refusal_of(Scenario(Constant(10_001, 1), mix))
        == "the scenario has up to 20,002 requests per second; at most 20,000 are allowed"
    )


def test_a_recording_counts_the_requests_of_its_own_flows():
    mix = (THREE_STEPS, Flow((RequestStep(),), weight=1e6))
    assert "up to 30,000 requests" in refusal_of(Scenario(Recorded(((10_000, 0),)), mix))


def test_messages_count_as_requests():
    assert requests_of(Flow((RequestStep(), WebSocketStep(messages=("a", "b"))))) == 4


SCHEDULES = (
    st.builds(Constant, NUMBERS, NUMBERS)
    | st.builds(Poisson, NUMBERS, NUMBERS)
    | st.builds(Ramp, NUMBERS, NUMBERS, NUMBERS)
    | st.builds(Steps, st.lists(NUMBERS, max_size=4).map(tuple), NUMBERS)
    | st.builds(Spike, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
    | st.builds(
        Recorded,
        st.lists(st.tuples(st.integers(-1, 30)), max_size=5).map(tuple),
        NUMBERS,
    )
)


@given(SCHEDULES)
def test_a_schedule_that_passes_has_arrivals(schedule):
    with suppress(LoadRefusedError):
        due = arrivals_ns(check_scenario(Scenario(schedule), max_rate=50, max_seconds=20))
        assert 0 <= due[0] <= due[-1] < schedule.seconds * 1e9
        assert len(due) <= 50 * 20 * 1.5
