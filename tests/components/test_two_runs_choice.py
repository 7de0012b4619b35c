"""Two runs that are over lead to the page that judges them."""

import pytest

from components import two_runs_choice
from servescope.records.load import LoadPlan, LoadRun, RunState

PLAN = LoadPlan.constant("wsgi", "/cart", 100, 30)


def run(number, state=RunState.DONE, result=None, name=""):
    told = {"sent": 1} if result is None else result
    return LoadRun(number, PLAN, state, 1.0, 1.0, 2.0, {}, told, name=name)


def test_runs_that_measured_something_are_offered():
    runs = [
        run(4, RunState.RUNNING),
        run(3, name="with a cache"),
        run(2, RunState.FAILED, result={}),
        run(1, RunState.STOPPED),
    ]
    assert two_runs_choice.options(runs) == [
        {"value": "3", "label": "3: with a cache, wsgi /cart, 100 req/s for 30 s"},
        {"value": "1", "label": "1: wsgi /cart, 100 req/s for 30 s"},
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, None), ("3", None), ("3", "3"), ("x", "3"), ("9" * 5_000, "3"), ({"id": 3}, 4)],
)
def test_without_two_runs_it_says_what_to_choose(before, after):
    assert two_runs_choice.way(before, after, 5).startswith("Choose a run for before")


def test_two_runs_are_judged_by_the_tolerance_of_the_form(app):
    with app.server.test_request_context():
        link = two_runs_choice.way("3", "4", 7.5)
    assert link.href == "/runs/compare?a=3&b=4&tolerance=7.5"
    assert link.children == "Is run 4 slower than run 3?"
