"""The hardware below the server, and what the dashboard itself costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope import catalog
from servescope.queries.asking import (
    joined,
    lines_by,
    lines_of,
    renamed,
    with_extremes,
    with_highest,
)
from servescope.queries.rows import Lines
from servescope.store.base import Aggregation

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

_CORE = "cpu.logical_number"
ALL_CORES = "all"


def cpu(context: QueryContext, span: Span) -> Lines:
    """Utilization of the whole host, a ratio of all cores; of longer steps its extremes too."""
    where = ((_CORE, ALL_CORES),)
    return with_extremes(context, span, "all cores", catalog.CPU_UTILIZATION, where, "1")


def cpu_by_core(context: QueryContext, span: Span) -> Lines:
    """Utilization of each core, a ratio, in the order of their numbers."""
    found = lines_by(context, span, catalog.CPU_UTILIZATION, Aggregation.AVG, _CORE, "1")
    order = sorted(
        (index for index, name in enumerate(found.names) if name != ALL_CORES),
        key=lambda index: int(found.names[index]),
    )
    names = tuple(f"core {found.names[index]}" for index in order)
    return Lines(found.times, names, found.values[order], "1", found.step)


def load_average(context: QueryContext, span: Span) -> Lines:
    """Threads that run or want to, averaged over a minute by the kernel; with its extremes."""
    return with_extremes(context, span, "1 min", catalog.LOAD_AVERAGE, (), "{thread}")


def memory(context: QueryContext, span: Span) -> Lines:
    """Bytes of main memory by state."""
    return lines_by(
        context, span, catalog.MEMORY_USAGE, Aggregation.AVG, "system.memory.state", "By"
    )


def swap(context: QueryContext, span: Span) -> Lines:
    """Bytes of swap by state."""
    return lines_by(
        context, span, catalog.PAGING_USAGE, Aggregation.AVG, "system.paging.state", "By"
    )


def utilization(context: QueryContext, span: Span) -> Lines:
    """CPU and memory on one axis, both ratios, with their highest: the overview's host graph."""
    wanted = {
        "CPU": (catalog.CPU_UTILIZATION, ((_CORE, ALL_CORES),)),
        "memory": (catalog.MEMORY_UTILIZATION, ()),
    }
    return with_highest(span, lambda agg: lines_of(context, span, wanted, agg, "1"))


def disk_io(context: QueryContext, span: Span) -> Lines:
    """Bytes per second read from and written to all disks."""
    wanted = {
        direction: (catalog.DISK_IO, (("disk.io.direction", direction),))
        for direction in ("read", "write")
    }
    return lines_of(context, span, wanted, Aggregation.RATE, "By/s")


def network_io(context: QueryContext, span: Span) -> Lines:
    """Bytes per second of every network interface by direction; loopback counts on both."""
    return joined(
        [
            renamed(
                lines_by(
                    context,
                    span,
                    catalog.NETWORK_IO,
                    Aggregation.RATE,
                    "network.interface.name",
                    "By/s",
                    (("network.io.direction", direction),),
                ),
                "{} " + direction,
            )
            for direction in ("receive", "transmit")
        ]
    )


def own_cpu(context: QueryContext, span: Span) -> Lines:
    """Cores used by the dashboard with its listeners, and by the load generator."""
    return with_highest(
        span, lambda agg: lines_by(context, span, catalog.PROCESS_CPU, agg, "process", "1")
    )


def own_memory(context: QueryContext, span: Span) -> Lines:
    """Resident memory of the dashboard's processes, and of the load generator."""
    return with_highest(
        span, lambda agg: lines_by(context, span, catalog.PROCESS_MEMORY, agg, "process", "By")
    )
