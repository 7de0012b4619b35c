"""The part of the host that our cgroup leaves us: a sentence, and graphs of the page Host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import html

from components import panels
from components.live import LiveGraph, Props
from components.status import HIDDEN
from servescope import catalog
from servescope.figures import theme, units
from servescope.figures.lines import LinePlot
from servescope.queries import container

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.rows import ContainerLimit
    from servescope.queries.span import Span

SECTION: Final = "host-container"
SENTENCE: Final = "host-container-limits"
SHOWN: Final = {"display": "block"}
EMPTY: Final = "No limit was set in this span."
USED_AND_LIMIT: Final = theme.paired((container.LIMIT, "dot"))

GRAPHS: Final = (
    LiveGraph(
        "host-container-memory",
        "Container: memory",
        "Memory that the limited cgroup uses, without file pages that were not used lately: the "
        "kernel takes these back first. Beyond the limit the kernel ends a process of it.",
        lambda context, span, _: container.memory(context, span),
        LinePlot(styles=USED_AND_LIMIT),
        EMPTY,
        wide=True,
    ),
    LiveGraph(
        "host-container-cpu",
        "Container: CPU",
        "CPU that the limited cgroup uses of its limit, mean of each second.",
        lambda context, span, _: container.cpu(context, span),
        LinePlot(styles=USED_AND_LIMIT),
        EMPTY,
    ),
    LiveGraph(
        "host-container-throttled",
        "Container: held back by its CPU quota, %",
        "The kernel gives the quota anew in each period, of 100 ms as a rule. Drawn is the share "
        "of periods in which it was used up before the end: all threads then wait for the next "
        "period, and CPU by core does not show it.",
        lambda context, span, _: container.throttled(context, span),
        LinePlot(most=100.0),
        EMPTY,
    ),
)
METRICS: Final = (
    catalog.CONTAINER_MEMORY,
    catalog.CONTAINER_MEMORY_LIMIT,
    catalog.CONTAINER_CPU,
    catalog.CONTAINER_CPU_LIMIT,
    catalog.CONTAINER_THROTTLED,
)


def section() -> html.Div:
    """The sentence and the graphs, out of sight until there is a limit."""
    return html.Div(
        [
            dmc.Text(id=SENTENCE, size="sm", mb="sm"),
            panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        ],
        id=SECTION,
        style=HIDDEN,
    )


def props(context: QueryContext, span: Span | None, _filters: tuple[str, ...]) -> Props:
    """Whether there is a limit, and which."""
    memory, cpu = container.limits(context, span)
    return {
        SECTION: {"style": SHOWN if memory or cpu else HIDDEN},
        SENTENCE: {"children": limits_sentence(memory, cpu)},
    }


def limits_sentence(memory: ContainerLimit | None, cpu: ContainerLimit | None) -> str:
    """The limits, of how much, and what sets each."""
    told = []
    if memory is not None:
        told.append(_told(memory, units.text(memory.value, "By"), units.text(memory.of, "By")))
    if cpu is not None:
        told.append(_told(cpu, units.number(cpu.value), units.text(cpu.of, "{cpu}")))
    return f"Limited to {', and to '.join(told)}." if told else ""


def _told(limit: ContainerLimit, value: str, of: str) -> str:
    return f"{value} of {of} by {limit.file} of the cgroup {limit.cgroup}"
