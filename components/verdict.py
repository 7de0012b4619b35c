"""One line that says whether anything is wrong, and if so, what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dash import html

from components.cards import BAD, WARN, by_limits
from servescope.figures import units
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.queries.rows import Signals
    from servescope.records.listeners import ListenerStatus

ERROR_RATIO: Final = (0.001, 0.01)
ACCEPT_QUEUE_RATIO: Final = (0.5, 0.9)
BUSY_RATIO: Final = (0.9, 0.999)
CPU: Final = (0.9, 0.98)
MEMORY: Final = (0.9, 0.97)
WAITING: Final = "Waiting for the first second of data: nothing to judge by yet."
KERNEL_WAIT_S: Final = (0.1, 1.0)
"""From the first a figure is worth a look, from the second it is bad."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that is not well: `state` is WARN or BAD."""

    state: str
    text: str


def concerns(signals: Signals, listeners: Sequence[ListenerStatus]) -> list[Concern]:
    """What is not well, bad things first; empty when nothing is wrong."""
    found = [
        Concern(BAD, f"Listener {one.name} does not run: {one.message or 'no reason was given'}")
        for one in listeners
        if one.state is ListenerState.FAILED
    ]
    checks = (
        (signals.error_ratio, ERROR_RATIO, "{} of the answers are server errors (5xx)", "1"),
        (signals.accept_queue_ratio, ACCEPT_QUEUE_RATIO, "an accept queue is {} full", "1"),
        (signals.kernel_wait_s, KERNEL_WAIT_S, "requests wait {} to be read", "s"),
        (signals.busy_threads_ratio, BUSY_RATIO, "{} of the request threads are busy", "1"),
        (signals.cpu_utilization, CPU, "the host's CPU is {} busy", "1"),
        (signals.memory_utilization, MEMORY, "the host's memory is {} used", "1"),
        (signals.container_cpu_ratio, CPU, "{} of the CPU limit of our cgroup is used", "1"),
        (signals.container_memory_ratio, MEMORY, "{} of our cgroup's memory limit is used", "1"),
    )
    for value, limits, form, unit in checks:
        state = by_limits(value, *limits)
        if state:
            sentence = form.format(units.text(value, unit))
            found.append(Concern(state, sentence[0].upper() + sentence[1:]))
    return sorted(found, key=lambda concern: concern.state != BAD)


def verdict(found: Sequence[Concern], *, measured: bool) -> html.Div:
    """The line itself."""
    if found:
        state = BAD if any(concern.state == BAD for concern in found) else WARN
        told = html.Ul([html.Li(concern.text) for concern in found])
        return html.Div(told, className=f"verdict {state}", role="alert")
    if not measured:
        return html.Div(WAITING, className="verdict unknown", role="status")
    return html.Div("Nothing is wrong.", className="verdict", role="status")
