"""The hardware below the server, and the cost of the dashboard itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servescope import catalog
from servescope.queries.lines import (
    joined,
    lines_by_label,
    named_lines,
    renamed,
    taken,
    with_extremes,
    with_highest,
)
from servescope.queries.rows import Lines
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

_CORE = "cpu.logical_number"
ALL_CORES = "all"


def cpu(context: QueryContext, span: Span) -> Lines:
    """Utilization of the whole host, a ratio of all cores; of longer steps its extremes too."""
    query = span.query(catalog.CPU_UTILIZATION, where=((_CORE, ALL_CORES),))
    return with_extremes(context, "all cores", query, "1")


def cpu_by_core(context: QueryContext, span: Span) -> Lines:
    """Utilization of each core, a ratio, in the order of their numbers."""
    query = span.query(catalog.CPU_UTILIZATION, by=(_CORE,))
    found = lines_by_label(context, query, Aggregation.AVG, "1")
    order = sorted(
        (index for index, name in enumerate(found.names) if name != ALL_CORES),
        key=lambda index: int(found.names[index]),
    )
    return renamed(taken(found, order), "core {}")


def load_average(context: QueryContext, span: Span) -> Lines:
    """Threads that run or want to, averaged over a minute by the kernel; with its extremes."""
    return with_extremes(context, "1 min", span.query(catalog.LOAD_AVERAGE), "{thread}")


def memory(context: QueryContext, span: Span) -> Lines:
    """Bytes of main memory: used, reclaimable and free, which add up to all of it.

    Used is what is not available to programs, by the same reading as `utilization`: shared memory
    and files in memory count, though the kernel counts them as cached.
    """
    states = context.store.aggregate(
        span.query(catalog.MEMORY_USAGE, by=("system.memory.state",)), Aggregation.AVG
    )
    shares = context.store.aggregate(span.query(catalog.MEMORY_UTILIZATION), Aggregation.AVG)
    names = ("used", "reclaimable", "free")
    if not len(states.values) or not len(shares.values):
        rows = np.full((len(names), states.times.size), np.nan)
        return Lines(states.times, names, rows, "By", states.actual_step)
    total = states.values.sum(axis=0)
    used = shares.values[0] * total
    unused = states.values[[group == ("free",) for group in states.groups]].sum(axis=0)
    free = np.minimum(unused, total - used)  # the kernel keeps some of it to itself
    rows = np.array([used, total - used - free, free])
    return Lines(states.times, names, rows, "By", states.actual_step)


def swap(context: QueryContext, span: Span) -> Lines:
    """Bytes of swap by state."""
    query = span.query(catalog.PAGING_USAGE, by=("system.paging.state",))
    return lines_by_label(context, query, Aggregation.AVG, "By")


def utilization(context: QueryContext, span: Span) -> Lines:
    """CPU and memory on one axis, both ratios, with their highest: the overview's host graph."""
    queries = {
        "CPU": span.query(catalog.CPU_UTILIZATION, where=((_CORE, ALL_CORES),)),
        "memory": span.query(catalog.MEMORY_UTILIZATION),
    }
    return with_highest(span, lambda aggregation: named_lines(context, queries, aggregation, "1"))


def disk_io(context: QueryContext, span: Span) -> Lines:
    """Bytes per second read from and written to all disks."""
    queries = {
        direction: span.query(catalog.DISK_IO, where=(("disk.io.direction", direction),))
        for direction in ("read", "write")
    }
    return named_lines(context, queries, Aggregation.RATE, "By/s")


def network_io(context: QueryContext, span: Span) -> Lines:
    """Bytes per second of every network interface by direction; loopback counts on both."""
    queries = {
        direction: span.query(
            catalog.NETWORK_IO,
            by=("network.interface.name",),
            where=(("network.io.direction", direction),),
        )
        for direction in ("receive", "transmit")
    }
    return joined(
        [
            renamed(lines_by_label(context, query, Aggregation.RATE, "By/s"), "{} " + direction)
            for direction, query in queries.items()
        ]
    )


def own_cpu(context: QueryContext, span: Span) -> Lines:
    """Cores used by the dashboard with its listeners, and by the load generator."""
    query = span.query(catalog.PROCESS_CPU, by=("process",))
    return with_highest(span, lambda aggregation: lines_by_label(context, query, aggregation, "1"))


def own_memory(context: QueryContext, span: Span) -> Lines:
    """Resident memory of the dashboard's processes, and of the load generator."""
    query = span.query(catalog.PROCESS_MEMORY, by=("process",))
    return with_highest(span, lambda aggregation: lines_by_label(context, query, aggregation, "By"))
