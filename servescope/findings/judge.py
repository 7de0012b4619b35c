"""All judgements, in one list. To add one: a function of the evidence, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.findings import moment
from servescope.findings.clocks import clocks
from servescope.findings.comparison import comparison
from servescope.findings.finding import Finding, Severity
from servescope.findings.load_run import load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from servescope.findings.evidence import Evidence

JUDGEMENTS: Final[tuple[Callable[[Evidence], Iterable[Finding]], ...]] = (
    moment.data,
    moment.listener_states,
    moment.request_threads,
    moment.accept_queues,
    moment.server_errors,
    moment.latencies,
    moment.kernel_waits,
    moment.hardware,
    moment.silent_hosts,
    load_run,
    clocks,
    comparison,
)


def findings(evidence: Evidence) -> list[Finding]:
    """All findings of the evidence, the most urgent first; among equals in the order of JUDGEMENTS.

    Pure: the same evidence gives the same findings. A moment without a finding that is BAD, WARN or
    UNKNOWN gets the one that says so.
    """
    found = [one for judgement in JUDGEMENTS for one in judgement(evidence)]
    if all(one.severity in {Severity.NOTE, Severity.GOOD} for one in found):
        well = moment.nothing_wrong(evidence)
        found += [well] if well is not None else []
    return sorted(found, key=lambda one: one.severity.rank)
