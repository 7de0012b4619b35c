"""The limits of our cgroup: those that hold now, and lines of what is used of them."""

import numpy as np
import pytest

from servescope import catalog
from servescope.findings.gathering import moment
from servescope.queries import container
from servescope.queries.rows import ContainerLimit
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, SeriesKey

BEGIN = 1_700_000_000
MIB = 1024 * 1024


def limit(metric, file, path="/"):
    return SeriesKey(metric, (("cgroup.file", file), ("cgroup.path", path)))


HOST = {
    SeriesKey(catalog.MEMORY_USAGE, (("system.memory.state", "used"),)): 1000.0 * MIB,
    SeriesKey(catalog.MEMORY_USAGE, (("system.memory.state", "free"),)): 3000.0 * MIB,
    **{
        SeriesKey(catalog.CPU_UTILIZATION, (("cpu.logical_number", core),)): 0.5
        for core in ("0", "1", "all")
    },
}
LIMITED = {
    SeriesKey(catalog.CONTAINER_MEMORY): 300.0 * MIB,
    limit(catalog.CONTAINER_MEMORY_LIMIT, "memory.max", "/a"): 400.0 * MIB,
    SeriesKey(catalog.CONTAINER_CPU): 0.25,
    limit(catalog.CONTAINER_CPU_LIMIT, "cpu.max", "/a"): 0.5,
}


def write(context, *seconds):
    context.store.write(Batch([Frame(BEGIN + at, gauges, {}, {}) for at, gauges in seconds]))


def test_the_limits_with_what_is_used_and_what_the_host_has(harness):
    context = harness.context()
    write(context, *((at, HOST | LIMITED) for at in range(3)))
    assert container.limits(context) == (
        ContainerLimit(400.0 * MIB, "memory.max", "/a", 0.75, 4000.0 * MIB),
        ContainerLimit(0.5, "cpu.max", "/a", 0.5, 2.0),
    )
    host = moment(context).host
    assert (host.container_memory_ratio, host.container_cpu_ratio) == (0.75, 0.5)


def test_without_a_limit_there_is_none(harness):
    context = harness.context()
    assert container.limits(context) == (None, None)
    write(context, *((at, HOST) for at in range(3)))
    assert container.limits(context) == (None, None)
    host = moment(context).host
    assert host.container_memory_ratio is host.container_cpu_ratio is None


def test_a_limit_that_was_lifted_holds_no_longer_than_the_window(harness):
    context = harness.context()
    write(context, (0, HOST | LIMITED), *((at, HOST) for at in range(1, 1 + container.WINDOW_S)))
    assert container.limits(context) == (None, None)


def test_the_used_share_is_a_mean_of_the_seconds_that_have_both_readings(harness):
    context = harness.context()
    used = SeriesKey(catalog.CONTAINER_MEMORY)
    write(
        context,
        (0, HOST | LIMITED | {used: 100.0 * MIB}),
        (1, HOST | LIMITED | {used: 200.0 * MIB}),
        (2, HOST | LIMITED | {used: 360.0 * MIB}),
        (3, HOST),
    )
    assert moment(context).host.container_memory_ratio == pytest.approx((0.25 + 0.5 + 0.9) / 3)
    span = Span(BEGIN, BEGIN + 2, 1, fixed=True)
    assert moment(context, span).host.container_memory_ratio == pytest.approx((0.25 + 0.5) / 2)


def test_of_limits_that_follow_on_each_other_the_newest_holds(harness):
    context = harness.context()
    write(
        context,
        (0, HOST | LIMITED),
        (1, HOST | {limit(catalog.CONTAINER_MEMORY_LIMIT, "memory.high", "/b"): 100.0}),
    )
    memory, _ = container.limits(context)
    assert (memory.value, memory.file, memory.cgroup) == (100.0, "memory.high", "/b")


def test_lines_of_use_and_limit(harness):
    context = harness.context()
    write(context, (0, HOST | LIMITED), (1, HOST))
    span = Span(BEGIN, BEGIN + 2, 1)
    for lines, used, most in (
        (container.memory(context, span), 300.0 * MIB, 400.0 * MIB),
        (container.cpu(context, span), 0.25, 0.5),
    ):
        assert lines.names == ("used", "limit")
        assert lines.values[:, 0].tolist() == [used, most]
        assert np.isnan(lines.values[:, 1]).all()
