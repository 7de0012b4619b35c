"""The memory of the page Host is that of the overview: used is what is not available."""

import numpy as np
import pytest

from servescope.catalog import MEMORY_USAGE, MEMORY_UTILIZATION
from servescope.queries import host
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, SeriesKey

START = 1_700_000_000
UTILIZATION = SeriesKey(MEMORY_UTILIZATION)


def states(**size):
    return {
        SeriesKey(MEMORY_USAGE, (("system.memory.state", state),)): float(value)
        for state, value in size.items()
    }


@pytest.mark.parametrize(
    ("sizes", "utilization", "expected"),
    [
        pytest.param(
            {"used": 30, "buffers": 10, "cached": 40, "free": 20},
            0.3,
            {"used": 30, "reclaimable": 50, "free": 20},
            id="all caches can be given back",
        ),
        pytest.param(
            {"used": 30, "buffers": 10, "cached": 40, "free": 20},
            0.55,
            {"used": 55, "reclaimable": 25, "free": 20},
            id="cached holds shared memory, which nobody gives back",
        ),
        pytest.param(
            {"used": 8, "buffers": 0, "cached": 2, "free": 90},
            0.15,
            {"used": 15, "reclaimable": 0, "free": 85},
            id="the kernel keeps some of the free memory to itself",
        ),
    ],
)
def test_memory_by_what_programs_can_have(harness, sizes, utilization, expected):
    context = harness.context()
    gauges = states(**sizes) | {UTILIZATION: utilization}
    context.store.write(Batch([Frame(START, gauges), Frame(START + 1)]))
    span = Span(START, START + 2, 1)
    lines = host.memory(context, span)
    assert dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True)) == pytest.approx(
        expected
    )
    assert np.isnan(lines.values[:, 1]).all()
    shown = host.utilization(context, span)
    assert shown.values[shown.names.index("memory"), 0] == pytest.approx(expected["used"] / 100)


def test_where_no_memory_was_recorded_each_line_is_a_gap(harness):
    context = harness.context()
    context.store.write(Batch([Frame(START)]))
    lines = host.memory(context, Span(START, START + 1, 1))
    assert lines.names == ("used", "reclaimable", "free")
    assert np.isnan(lines.values).all()
