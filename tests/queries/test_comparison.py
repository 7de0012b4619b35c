"""Which comparison an address names."""

import pytest

from servescope.queries import comparison
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel

PLAN = ComparisonPlan.constant(
    (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL), "a:app", "/", 40, 5
)


@pytest.mark.parametrize(("wanted", "expected"), [("", 1), ("1", 1), ("2", None), ("one", None)])
def test_the_newest_is_shown_where_none_is_named_and_no_other_where_one_is(
    harness, wanted, expected
):
    context = harness.context()
    assert comparison.chosen(context, wanted) is None
    assert context.process.control.comparisons.request(PLAN, 1.0).id == 1
    found = comparison.chosen(context, wanted)
    assert (found and found.id) == expected
