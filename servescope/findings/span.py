"""Judgements of a page's span: how long requests took in it, and at which stage they waited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings import thresholds
from servescope.findings.connections import no_answer
from servescope.findings.finding import Figure, Finding, Severity, requests_link
from servescope.findings.moment import (
    FEWEST_ERRORS,
    FEWEST_FOR_P95,
    SERVER_ERRORS_CLASS,
    slowest,
)
from servescope.findings.thresholds import severity
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import Evidence, SpanEvidence, SpanListenerEvidence

WORK: Final = {
    "kernel": "waiting in the kernel until the server read them",
    "read": "being received",
    "queue": "waiting for a request thread",
    "app": "in the app until its response head was ready",
    "body": "while the app made the response body",
    "write": "while the response was handed to the kernel, as fast as the client took it",
}
"""By stage: how requests spent their time in it."""

MOST: Final = 0.5
"""From this share of a mean request on, a stage is where most of its time goes."""


def span(evidence: Evidence) -> Iterator[Finding]:
    """All that is said of the span, or that nothing in it was slow."""
    shown = evidence.span
    if shown is None:
        return
    if not shown.listeners:
        if not shown.is_recorded:
            yield Finding(
                Severity.UNKNOWN,
                "span-not-recorded",
                "span",
                "Nothing was recorded in this span: nothing is known of how long one takes.",
                (Figure("answers", None, "{request}"),),
                "/latency",
            )
            return
        target = f" to {shown.called}" if shown.listener else ""
        yield Finding(
            Severity.UNKNOWN,
            "span-empty",
            "span",
            f"No request{target} was answered {shown.during}: nothing is known of how long one "
            "takes.",
            (Figure("answers", 0, "{request}"),),
            "/latency",
        )
        return
    found = [one for listener in shown.listeners for one in _listener(listener, shown.during)]
    yield from found
    if not any(one.severity in {Severity.BAD, Severity.WARN} for one in found):
        yield _well(shown)


def _listener(one: SpanListenerEvidence, during: str) -> Iterator[Finding]:
    yield from _slow(one, during)
    yield from _waits(one, during)
    yield from _errors(one, during)
    if one.unanswered:
        # They were broken off: their times are none of an answer, and count all the same.
        yield no_answer(one, "span-no-answer", during)


def _slow(one: SpanListenerEvidence, during: str) -> Iterator[Finding]:
    state = severity(thresholds.LATENCY, one.p95_s)
    if state not in {Severity.WARN, Severity.BAD}:
        return
    told = (
        f"{slowest(one)} took {units.text(one.p95_s, 's')} or longer {during}"
        if one.read >= FEWEST_FOR_P95
        else f"{slowest(one)} {during} took {units.percentile_in_words(one.p95_s)}"
    )
    figures = [Figure("p95", one.p95_s, "s"), Figure("requests read", one.read, "{request}")]
    stage = _longest_stage(one)
    if stage:
        told += f". On average a request{' that was read' if one.unread else ''} spent "
        told += f"{units.text(one.stages_s[stage], 's')} of its "
        told += f"{units.text(one.mean_s, 's')} {WORK[stage]}"
        figures += [Figure(f"stage {stage}", one.stages_s[stage], "s")]
    yield _finding(one, state, "span-slow", f"{told}.", *figures)


def _waits(one: SpanListenerEvidence, during: str) -> Iterator[Finding]:
    """Waits that the server causes: for a thread, and in the kernel."""
    queue_s, kernel_s = one.stages_s.get("queue"), one.stages_s.get("kernel")
    state = severity(thresholds.THREAD_WAIT, queue_s)
    if state in {Severity.WARN, Severity.BAD}:
        most = round(one.queued_requests or 0)
        at_a_time = f", {most:,} at a time at most" if most else ""
        yield _finding(
            one,
            state,
            "span-thread-wait",
            f"{_read(one)} waited {units.text(queue_s, 's')} on average for a request thread "
            f"{during}{at_a_time}.",
            Figure("mean wait for a thread", queue_s, "s"),
            Figure("queued requests, most", one.queued_requests),
        )
    state = severity(thresholds.KERNEL_WAIT, kernel_s)
    if state in {Severity.WARN, Severity.BAD}:
        yield _finding(
            one,
            state,
            "span-kernel-wait",
            f"{_read(one)} waited {units.text(kernel_s, 's')} on average in the kernel "
            f"{during} before the server read them.",
            Figure("mean wait in the kernel", kernel_s, "s"),
        )


def _read(one: SpanListenerEvidence) -> str:
    """The requests that have stages: those that were turned away unread have none."""
    return f"Requests to {one.called}{' that were read' if one.unread else ''}"


def _errors(one: SpanListenerEvidence, during: str) -> Iterator[Finding]:
    """Answers whose times say little: an error is often quick."""
    if not one.answers:
        return
    state = severity(thresholds.SERVER_ERRORS, one.server_errors / one.answers)
    if state not in {Severity.WARN, Severity.BAD}:
        return
    if one.server_errors < FEWEST_ERRORS:
        state = Severity.WARN
    yield Finding(
        state,
        "span-errors",
        one.called,
        f"{one.server_errors:,} of {counted(one.answers, 'answer')} of {one.called} "
        f"to all clients {during} "
        f"{'was a server error' if one.server_errors == 1 else 'were server errors'} (5xx)"
        f"{_counting(one)}.",
        (
            Figure("server errors", one.server_errors, "{request}"),
            Figure("answers", one.answers, "{request}"),
        ),
        requests_link(one.name, SERVER_ERRORS_CLASS),
    )


def _counting(one: SpanListenerEvidence) -> str:
    """Whether the times of a listener's errors are among the percentiles that the page shows."""
    if not one.unread_errors:
        return ", and their times count here as well"
    if one.unread_errors == one.server_errors:
        return ", sent before a request was read; percentiles and stages leave them out"
    return (
        f"; percentiles and stages leave out {one.unread_errors:,} of them, sent before a request "
        "was read"
    )


def _well(shown: SpanEvidence) -> Finding:
    requests = sum(one.answers for one in shown.listeners)
    enough = [one for one in shown.listeners if one.read >= FEWEST_FOR_P95]
    most_s = max((one.p95_s for one in enough if one.p95_s is not None), default=None)
    told = f"No request was slow {shown.during}: {counted(requests, 'request')} "
    told += "was answered" if requests == 1 else "were answered"
    figures = [Figure("answers", requests, "{request}")]
    if most_s is not None:
        kinds = sorted({one.kind for one in shown.listeners}, reverse=True)
        of_each = f" of each {' and '.join(kinds)}" if len(shown.listeners) > 1 else ""
        told += f", p95{of_each} {units.text(most_s, 's')} at most"
        figures.append(Figure("p95", most_s, "s"))
    return Finding(
        Severity.GOOD,
        "span-well",
        shown.called or "listeners",
        f"{told}.",
        tuple(figures),
        "/latency",
    )


def _longest_stage(one: SpanListenerEvidence) -> str:
    """The stage in which most of a mean request's time goes; empty where there is none."""
    stage = max(one.stages_s, key=lambda name: one.stages_s[name], default="")
    return stage if stage in WORK and one.stages_s[stage] >= MOST * one.mean_s else ""


def _finding(
    one: SpanListenerEvidence, state: Severity, code: str, told: str, *figures: Figure
) -> Finding:
    link = f"/latency?listener={one.name}"
    return Finding(state, code, one.called, told, figures, link)
