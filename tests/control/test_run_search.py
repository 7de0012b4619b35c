"""Load runs are found by words, spans and in each order; those of comparisons never."""

from dataclasses import replace

import pytest

from servescope.control.run_search import ORDERS, RunSearch
from servescope.records.load import LoadPlan, RunState


def result(p50, sent=100, failed=0, errors=0):
    return {
        "status_classes": {"2xx": sent} | ({"5xx": errors} if errors else {}),
        "sent": sent,
        "failed": {"refused": failed, "reset": 0},
        "latency_ms": {"p50": p50, "p99": 2 * p50, "max": 3 * p50},
    }


@pytest.fixture
def runs(control):
    """Five runs, the last without a result, and one of a comparison between them."""
    plans = (
        (LoadPlan.constant("wsgi", "/slow?ms=50", 5, 1), result(50.0, failed=3)),
        (LoadPlan.constant("asgi", "/items/7", 5, 1), result(4.0, sent=900, errors=8)),
        (LoadPlan.constant("wsgi", "/", 5, 1, comparison=1), result(1.0)),
        (LoadPlan.constant("files", "/100%_done", 5, 1), result(9.0)),
        (LoadPlan.constant("wsgi", "/", 5, 1, name="Nightly"), None),
    )
    for number, (plan, told) in enumerate(plans):
        run = control.load_runs.request(plan, 100.0 * number)
        control.load_runs.update(run.id, state=RunState.RUNNING, started_s=100.0 * number)
        control.load_runs.update(
            run.id,
            state=RunState.DONE if told else RunState.FAILED,
            ended_s=100.0 * number + 10,
            result=told,
        )
    control.load_runs.describe(1, "Before the index", "the slow one", ("sqlite", "release 2"))
    return control.load_runs


def ids(runs, **search):
    return [run.id for run in runs.search(RunSearch(**search), 50)[0]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), [5, 4, 2, 1]),
        (("before",), [1]),
        (("BEFORE", "slow"), [1]),
        (("before", "asgi"), []),
        (("sqlite",), [1]),
        (("items",), [2]),
        (("wsgi",), [5, 1]),
        (("failed",), [5]),
        (("nightly",), [5]),
        (("2",), [2, 1]),
        (("#4",), [4]),
        (("%",), [4]),
        (("%_",), [4]),
        (("timeout",), []),
        (("' OR 1=1",), []),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_each_word_is_in_what_a_person_sees_of_a_run(runs, words, found):
    assert ids(runs, words=words) == found


@pytest.mark.parametrize(
    ("order", "ascending"),
    [
        ("id", [1, 2, 4, 5]),
        ("p50", [2, 4, 1, 5]),
        ("p99", [2, 4, 1, 5]),
        ("max", [2, 4, 1, 5]),
        ("sent", [4, 1, 2, 5]),
        ("failed", [4, 2, 1, 5]),
        ("errors", [4, 1, 2, 5]),
        ("listener", [2, 4, 5, 1]),
        ("target", [5, 4, 2, 1]),
        ("state", [4, 2, 1, 5]),
        ("name", [5, 4, 2, 1]),
    ],
)
def test_runs_come_in_each_order_those_without_the_figure_last(runs, order, ascending):
    assert set(ORDERS) >= {order}
    assert ids(runs, order=order, is_descending=False) == ascending
    descending = ids(runs, order=order)
    if order in {"p50", "p99", "max", "sent", "failed", "errors"}:
        assert descending[-1] == 5
        assert descending[0] in {1, 2}


@pytest.mark.parametrize(
    ("order", "descending"),
    [("sent", [2, 6, 4, 1, 5]), ("failed", [6, 1, 4, 2, 5]), ("errors", [6, 2, 4, 1, 5])],
)
def test_a_run_under_way_comes_where_its_figures_so_far_put_it(runs, order, descending):
    run = runs.request(LoadPlan.constant("wsgi", "/", 5, 1), 600.0)
    told = {"sent": 200, "failed": {"reset": 9}, "status_classes": {"2xx": 100, "5xx": 80}}
    runs.update(run.id, state=RunState.RUNNING, started_s=600.0, progress=told)
    assert ids(runs, order=order) == descending


def test_a_page_of_the_runs_and_how_many_there_are(runs):
    assert [run.id for run in runs.search(RunSearch(), 2, 1)[0]] == [4, 2]
    assert runs.search(RunSearch(), 2, 1)[1] == 4
    assert runs.search(RunSearch(words=("wsgi",)), 0)[1] == 2


def test_of_a_span_those_that_ended_in_it(runs):
    assert ids(runs, span_s=(0.0, 110.0)) == [2, 1]
    assert ids(runs, span_s=(5.0, 105.0)) == [1], "the other one had not ended"
    assert ids(runs, span_s=(11.0, 100.0)) == []


def test_a_plan_from_before_scenarios_is_found(runs, control):
    control._database.write(
        lambda connection: connection.execute(
            "UPDATE load_run SET plan ="
            ' \'{"listener": "wsgi", "target": "/old", "rate": 5, "seconds": 1}\' WHERE id = 2'
        )
    )
    assert ids(runs, words=("/old",)) == [2]
    assert ids(runs, order="target", is_descending=False) == [5, 4, 2, 1]
    assert replace(runs.by_id(2).plan, listener="").target == "/old"
