"""What the pages ask about traffic."""

import numpy as np

from servescope.queries import traffic
from servescope.queries.span import Span

START = 1_700_000_000 // 7 * 7 + 1  # the first of six seconds with requests, see conftest.frame


def test_the_classes_of_status_have_the_gaps_of_what_was_recorded(harness):
    context = harness.context()
    harness.fill(context, START, START + 5)
    harness.fill(context, START + 8, START + 12)
    values = traffic.by_status_class(context, Span(START, START + 12, 1)).values
    gaps = np.isnan(values)
    assert gaps[:, 5:8].all()
    assert not gaps[:, :5].any()
    assert not gaps[:, 8:].any()
    assert (values[0][:5] > 0).all(), "2xx"
    assert (values[3][:5] == 0).all(), "5xx never occurred"
