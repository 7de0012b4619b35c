"""All judgements, in one list. To add one: a function of the evidence, and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.findings import connections, moment
from servescope.findings.capacity import capacity
from servescope.findings.clocks import clocks
from servescope.findings.comparison import comparison
from servescope.findings.finding import Finding, Severity
from servescope.findings.load_run import load_run
from servescope.findings.path import held_requests
from servescope.findings.span import span

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.findings.evidence import Evidence
    from servescope.findings.finding import Judgement


@dataclass(frozen=True, slots=True)
class Topic:
    """Judgements that one place shows together.

    `nothing_wrong` gives the sentence for when none of them is BAD, WARN or UNKNOWN: it may claim
    no more than these judgements looked at.
    """

    judgements: tuple[Judgement, ...]
    nothing_wrong: Callable[[Evidence], Finding | None]


EVERYTHING: Final = Topic(
    (
        moment.data,
        moment.lost_requests,
        moment.listener_states,
        moment.none_runs,
        moment.request_threads,
        connections.accept_queues,
        connections.turned_away,
        connections.answers_to_nobody,
        connections.unanswered,
        moment.server_errors,
        moment.latencies,
        moment.kernel_waits,
        connections.refusals,
        moment.hardware,
        moment.silent_hosts,
        span,
        load_run,
        clocks,
        comparison,
        capacity,
        held_requests,
    ),
    moment.nothing_wrong,
)

PORTS: Final = Topic(
    (
        moment.data,
        moment.listener_states,
        moment.none_runs,
        moment.stopped_ports,
        moment.stopped_beside_others,
        moment.remarks,
        connections.accept_queues,
        connections.turned_away,
        connections.left_connections,
        moment.request_threads,
        moment.kernel_waits,
    ),
    moment.ports_well,
)

PATH: Final = Topic((held_requests,), lambda _: None)
"""The path of requests alone, whose evidence has nothing else in it."""

NONE_RUNS: Final = Topic((moment.none_runs,), lambda _: None)
"""Whether any listener runs."""

STATES: Final = Topic(
    (moment.listener_states, moment.stopped_ports, moment.stopped_without_port), lambda _: None
)
"""The listeners that do not run, each by itself."""

CHOSEN: Final = Topic((moment.absent_listener,), lambda _: None)
"""Whether there is a listener or an app of the name that a page is narrowed to."""


def findings(evidence: Evidence, topic: Topic = EVERYTHING) -> list[Finding]:
    """All findings of the topic, the most urgent first; among equals in the order of judgements.

    Pure: the same evidence gives the same findings.
    """
    found = [one for judgement in topic.judgements for one in judgement(evidence)]
    if all(one.severity in {Severity.NOTE, Severity.GOOD} for one in found):
        well = topic.nothing_wrong(evidence)
        found += [well] if well is not None else []
    return sorted(found, key=lambda one: one.severity.rank)
