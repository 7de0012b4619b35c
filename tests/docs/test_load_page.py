"""`docs/load.md` says what is so."""

import re
from dataclasses import fields

import pytest

from servescope.records.scenarios import SCHEDULES, Flow, RequestStep, Scenario, WebSocketStep
from servescope.scenarios import bounds
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.placeholders import MAX_FILLED_FIELD
from servescope.scenarios.scenario_file import from_toml
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "load.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=["shortest", "shop", "web_socket"])
def test_an_example_is_read_and_may_run(text):
    check_scenario(from_toml(text).scenario, max_rate=20_000, max_seconds=600)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_each_schedule_stands_with_its_keys(kind):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |"))
    keys = row.split("|")[2]
    assert re.findall(r"`(\w+)`", keys) == [one.name for one in fields(SCHEDULES[kind])]


@pytest.mark.parametrize("of", [Scenario, Flow, RequestStep, WebSocketStep])
def test_each_key_stands_in_a_table(of):
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {one.name for one in fields(of)} <= set(rows)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("requests of a run", (bounds.MAX_REQUESTS,)),
        ("connections, users", (bounds.MAX_CONNECTIONS,)),
        ("timeout, time between messages", (bounds.MAX_TIMEOUT_SECONDS,)),
        ("think time", (bounds.MAX_THINK_SECONDS,)),
        (
            "flows; steps of a flow; rates of `steps`",
            (bounds.MAX_FLOWS, bounds.MAX_STEPS, bounds.MAX_RATES),
        ),
        (
            "header fields, carried values, messages of a step",
            (bounds.MAX_HEADERS, bounds.MAX_CARRIED, bounds.MAX_MESSAGES),
        ),
        (
            "time to send a request, time to read an answer",
            (bounds.MAX_TIMEOUT_SECONDS,),
        ),
        ("a target, the value of a header field", (MAX_FILLED_FIELD,)),
        ("a body or message as written", (bounds.MAX_BODY_BYTES,)),
        ("rows of data", (bounds.MAX_DATA_ROWS,)),
        (
            "targets, header fields, bodies, messages and data together",
            (bounds.MAX_TEXT_BYTES,),
        ),
        ("bodies and messages that a run sends", (bounds.MAX_SENT_BYTES / 1e9,)),
    ],
)
def test_the_bounds_are_the_codes(row, values):
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {row} |"))
    assert re.findall(r"[\d,]+", line.split("|")[2]) == [f"{value:,.0f}" for value in values]


def test_the_factors_of_a_recording_are_the_codes():
    assert f"`factor` ({bounds.MIN_FACTOR:g} to {bounds.MAX_FACTOR:g})" in PAGE
