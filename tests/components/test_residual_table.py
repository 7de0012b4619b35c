"""Both clocks side by side: figures that requests which timed out are in are lower bounds."""

from dataclasses import replace

import pytest

from components.residual_table import residual_table
from servescope.queries.residual import Clock, Residual
from servescope.records.load import LoadPlan, LoadRun, RunState
from tests.components.test_parts import texts

pytestmark = pytest.mark.usefixtures("app")  # links are below its path prefix


@pytest.mark.parametrize(
    ("bounds", "shown"),
    [
        ((), ["2.0 s", "80 ms", "9.9 s"]),
        (("mean",), ["≥ 2.0 s", "80 ms", "9.9 s"]),
        (("mean", "p95"), ["≥ 2.0 s", "80 ms", "≥ 9.9 s"]),
        (("mean", "p50", "p95"), ["≥ 2.0 s", "≥ 80 ms", "≥ 9.9 s"]),
    ],
    ids=["none", "one in a hundred", "one in ten", "more than half"],
)
def test_a_figure_with_requests_that_timed_out_is_a_lower_bound(bounds, shown):
    plan = LoadPlan.constant("wsgi", "/", 200, 100)
    run = LoadRun(1, plan, RunState.DONE, 1.7e9, 1.7e9, None, {}, {})
    clock = Clock(10_000, 2.0, 0.08, 9.9, bounds=frozenset(bounds))
    cells = texts(residual_table(Residual(run, clock, Clock(5_000, 9.8, 0.0001, 60.0))))
    start = cells.index("Client, from send")
    assert cells[start + 2 : start + 5] == shown
    assert not [cell for cell in cells[cells.index("Sum of server stages") :] if "≥" in cell]


def test_what_a_lower_bound_leaves_unexplained_is_one_too():
    plan = LoadPlan.constant("wsgi", "/", 200, 100)
    run = LoadRun(1, plan, RunState.DONE, 1.7e9, 1.7e9, None, {}, {})
    client = Clock(1_000, 2.0, 0.08, 9.9, bounds=frozenset(("mean", "p95")))
    cells = texts(residual_table(Residual(run, client, Clock(1_000, 1.5, 0.06, 7.5))))
    start = cells.index("Unexplained")
    assert cells[start + 1 :][-3:] == ["≥ 500 ms", "20 ms", "≥ 2.4 s"]
    assert any("Of the at least 2 s that a mean request" in cell for cell in cells)


def test_where_the_servers_figure_is_longer_no_time_below_zero_is_told():
    """A time cut at 0 would be a measurement that nobody made, and there is none below 0."""
    plan = LoadPlan.constant("wsgi", "/", 200, 100)
    run = LoadRun(1, plan, RunState.DONE, 1.7e9, 1.7e9, None, {}, {})
    client = Clock(1_000, 0.00101, 0.00087, 0.002421)
    told = residual_table(Residual(run, client, Clock(1_000, 0.00103, 0.0008, 0.00264)))
    cells = texts(told)
    assert cells[cells.index("Unexplained") + 1 :][-3:] == [
        "none: server 20 µs longer",
        "70 µs",
        "none: server 219 µs longer",
    ]
    assert any("took 1.03 ms, 20 µs longer: no time outside them" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("-", "0 µs"))]


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (Clock(1_000, 0.5, 0.3, 0.9), Clock(1_000, 7.2, 0.2, 8.0)),  # the means disagree
        (Clock(1_000, 0.5, 0.3, 0.9), Clock(1_500, 0.4, 0.2, 0.8)),  # other requests
        # Requests that timed out: the client's are the least that they may be.
        (Clock(99, 2.0, 2.0, 2.0, bounds=frozenset(("mean", "p50", "p95"))), Clock(99, 9, 9, 9)),
    ],
)
def test_where_the_difference_says_nothing_no_column_has_one(client, server):
    plan = LoadPlan.constant("wsgi", "/", 200, 100)
    run = LoadRun(1, plan, RunState.DONE, 1.7e9, 1.7e9, None, {}, {})
    cells = texts(residual_table(Residual(run, client, server)))
    assert cells[cells.index("Unexplained") + 1 :][-3:] == ["—"] * 3


def test_of_an_app_under_another_server_the_sum_is_of_what_is_measured():
    plan = replace(LoadPlan.constant("shop", "/", 200, 100), is_recorded_app=True)
    run = LoadRun(1, plan, RunState.DONE, 1.7e9, 1.7e9, None, {}, {})
    cells = texts(residual_table(Residual(run, Clock(9, 2.0, 2.0, 2.0), Clock(9, 1.0, 1.0, 1.0))))
    assert "Sum of measured stages" in cells
    assert any("that the app's recorder measures" in cell for cell in cells)


def test_without_a_run_it_says_what_shows_the_clocks_to_those_too_who_may_not_start_one():
    live, past = (texts(residual_table(None, can_come=can_come)) for can_come in (True, False))
    advice = "A run to a listener, started on the page Load, shows both clocks here."
    assert "".join(live) == f"No load run was timed by both clocks in this span. {advice}"
    assert past == ["No load run was timed by both clocks in this span."]
    of_one = texts(residual_table(None, "shop"))
    assert "".join(of_one) == f"No load run on shop was timed by both clocks in this span. {advice}"
