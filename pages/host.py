"""The hardware below the server, and what the dashboard itself costs."""

from __future__ import annotations

from typing import Final

from dash import html, register_page

from components import container, panels
from components.live import LiveGraph, LivePage, connect
from servescope import catalog
from servescope.figures import theme, units
from servescope.figures.lines import LinePlot, first_word, together
from servescope.queries import host

register_page(__name__, path="/host", name="Host", title="Host · Servescope", order=40, icon="host")

SWAP: Final = LiveGraph(
    "host-swap",
    "Swap",
    "Pages moved out of memory. In use and growing means memory is short.",
    lambda context, span, _: host.swap(context, span),
    LinePlot(stacked=True, drop_idle=True, idle_as=together, first=("used",)),
    "No swap was recorded in this span. Without swap the kernel ends a process when memory runs "
    "out.",
)
HIGHEST_DOTTED: Final = theme.paired((" highest", "dot"))
GRAPHS: Final = (
    LiveGraph(
        "host-cores",
        "CPU by core, %",
        "Share of each core that is not idle. One core at 100 % is the limit of one thread.",
        lambda context, span, _: host.cpu_by_core(context, span),
        LinePlot(most=100.0),
        wide=True,
    ),
    LiveGraph(
        "host-cpu",
        "CPU of all cores, %",
        "Share of all cores together that is not idle.",
        lambda context, span, _: host.cpu(context, span),
        LinePlot(most=100.0),
    ),
    LiveGraph(
        "host-load",
        "Load average, threads",
        "Threads that run, wait for a core or wait for a disk, averaged over a minute by the "
        "kernel. Above the number of cores, some wait.",
        lambda context, span, _: host.load_average(context, span),
        LinePlot(),
    ),
    LiveGraph(
        "host-memory",
        "Memory",
        "Used: memory that no program can be given now; the overview shows its share. "
        "Reclaimable: caches that the kernel gives back when a program needs memory.",
        lambda context, span, _: host.memory(context, span),
        LinePlot(stacked=True, drop_idle=True, first=("used", "reclaimable")),
    ),
    SWAP,
    LiveGraph(
        "host-disk",
        "Disks: read and written",
        "Bytes a second, all disks together.",
        lambda context, span, _: host.disk_io(context, span),
        LinePlot(styles=theme.in_order),
    ),
    LiveGraph(
        "host-network",
        "Network by interface",
        "Bytes a second. Received dotted, transmitted solid. On loopback (lo) every byte counts on "
        "both sides.",
        lambda context, span, _: host.network_io(context, span),
        LinePlot(styles=theme.paired((" receive", "dot")), drop_idle=True, idle_as=first_word),
    ),
    LiveGraph(
        "host-own-cpu",
        "Servescope's own cost: CPU, % of one core",
        "The dashboard with its listeners, and the load generator while it runs.",
        lambda context, span, _: host.own_cpu(context, span),
        LinePlot(unit=units.CORES, styles=HIGHEST_DOTTED),
    ),
    LiveGraph(
        "host-own-memory",
        "Servescope's own cost: memory",
        "Resident memory of the dashboard's processes, and of the load generator.",
        lambda context, span, _: host.own_memory(context, span),
        LinePlot(styles=HIGHEST_DOTTED),
    ),
)


METRICS: Final = (
    catalog.CPU_UTILIZATION,
    catalog.LOAD_AVERAGE,
    catalog.MEMORY_USAGE,
    catalog.MEMORY_UTILIZATION,
    catalog.PAGING_USAGE,
    catalog.DISK_IO,
    catalog.NETWORK_IO,
    catalog.PROCESS_CPU,
    catalog.PROCESS_MEMORY,
)
PAGE: Final = LivePage(
    "host", GRAPHS + container.GRAPHS, container.props, metrics=METRICS + container.METRICS
)
connect(PAGE)


def layout(**_query: str) -> html.Div:
    """The page; the view in the query is the time bar's."""
    return panels.page_frame(
        PAGE,
        "Host",
        container.section(),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
    )
