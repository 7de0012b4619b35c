"""Whether those run that a page shows the live figures of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from servescope.findings import gathering
from servescope.findings.evidence import Evidence
from servescope.findings.judge import CHOSEN, NONE_RUNS, STATES, findings
from servescope.findings.moment import NO_SUCH_LISTENER
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.findings.finding import Finding
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span


def standing(context: QueryContext, span: Span | None, listener: str = "") -> list[Finding]:
    """The findings that a page has to begin with where no request can come now.

    No listener runs; or the one that the page is narrowed to does not, or is not there. Of a fixed
    span there is only that nothing is and was of this name: listeners were in other states then.
    """
    is_past = span is not None and span.fixed
    absent = []
    if listener:
        chosen_name = gathering.chosen(context, listener)
        absent = findings(Evidence(chosen=chosen_name, is_past=is_past), CHOSEN)
    if is_past:
        return absent
    return _states(context, listener) + absent


def is_of_nothing(found: Iterable[Finding]) -> bool:
    """Whether the page is narrowed to a name that no listener and no app has or had."""
    return any(one.code == NO_SUCH_LISTENER for one in found)


def _states(context: QueryContext, listener: str) -> list[Finding]:
    statuses = context.process.listeners() if context.is_home else []
    listed = [one for one in statuses if not one.is_temporary]
    if all(one.state is ListenerState.RUNNING for one in listed):
        return []  # as nearly always: the rest of the moment need not be measured
    evidence = gathering.at_ports(context)
    found = findings(evidence, NONE_RUNS)
    if found or not listener:
        return found
    chosen = tuple(one for one in evidence.listeners if one.name == listener)
    return findings(replace(evidence, listeners=chosen), STATES)
