"""The series that a query selects, and the operations that suit each kind of metric."""

import pytest

from servescope.catalog import Kind
from servescope.store.query import (
    Aggregation,
    Query,
    require_aggregation,
    require_histogram,
    require_total,
)

LABELS = (("http.route", "/slow"), ("listener", "wsgi"))


@pytest.mark.parametrize(
    ("by", "where", "group"),
    [
        ((), (), ()),
        (("listener",), (), ("wsgi",)),
        (("listener", "http.route"), (), ("wsgi", "/slow")),
        (("stage",), (), ("",)),
        (("listener",), (("http.route", "/slow"),), ("wsgi",)),
        (("listener",), (("http.route", "/"),), None),
        ((), (("stage", ""),), ()),
        ((), (("stage", "app"),), None),
    ],
    ids=[
        "everything",
        "by one label",
        "by two labels in their order",
        "by a label it lacks",
        "selected by its label",
        "another value",
        "a label it lacks selected as empty",
        "a label it lacks",
    ],
)
def test_the_group_of_a_series(by, where, group):
    assert Query("metric", 0, 1, by=by, where=where).group_of(LABELS) == group


@pytest.mark.parametrize(
    ("without", "group"),
    [
        ((), ("wsgi",)),
        ((("listener", "asgi"), ("listener", "files")), ("wsgi",)),
        ((("listener", "asgi"), ("listener", "wsgi")), None),
        ((("stage", ""),), None),
    ],
    ids=["nothing", "other values", "its value among others", "a label it lacks"],
)
def test_a_series_that_a_query_is_without_has_no_group(without, group):
    assert Query("metric", 0, 1, by=("listener",), without=without).group_of(LABELS) == group


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_gauges_are_averaged_and_what_counts_is_added(kind, aggregation):
    query = Query("some.metric", 0, 1)
    adds = aggregation in {Aggregation.SUM, Aggregation.RATE}
    if adds is (kind is not Kind.GAUGE):
        require_aggregation(query, kind, aggregation)
    else:
        with pytest.raises(ValueError, match=rf"is a {kind}: it takes .*{aggregation}$"):
            require_aggregation(query, kind, aggregation)


def test_only_histograms_have_quantiles_and_only_gauges_no_total():
    query = Query("some.metric", 0, 1)
    require_histogram(query, Kind.HISTOGRAM)
    require_total(query, Kind.COUNTER)
    require_total(query, Kind.HISTOGRAM)
    with pytest.raises(ValueError, match="is a counter, not a histogram"):
        require_histogram(query, Kind.COUNTER)
    with pytest.raises(ValueError, match="is a gauge: it has no total"):
        require_total(query, Kind.GAUGE)
