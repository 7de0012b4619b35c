"""Judgements of a page's span: how long requests took in it, and at which stage they waited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings import thresholds
from servescope.findings.connections import no_answer, to_nobody
from servescope.findings.finding import Figure, Finding, Severity, page_of, requests_link
from servescope.findings.moment import (
    FEWEST_ERRORS,
    FEWEST_FOR_P95,
    SERVER_ERRORS_CLASS,
    max_of,
    slowest_took,
)
from servescope.findings.thresholds import severity
from servescope.records.load import RunState
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import (
        Evidence,
        RunEvidence,
        SpanEvidence,
        SpanListenerEvidence,
    )

WORK: Final = {
    "kernel": "waiting in the kernel for the server to read",
    "read": "being received",
    "queue": "waiting for a request thread",
    "app": "in the app until the response head was ready",
    "body": "while the app made the response body",
    "write": "while the response was handed to the kernel, as fast as the client took it",
}
"""By stage: how requests spent their time in it."""

KERNEL: Final = "kernel"
QUEUE: Final = "queue"
_WAITS: Final = {QUEUE: thresholds.THREAD_WAIT, KERNEL: thresholds.KERNEL_WAIT}
"""The stages that are waits for the server, with the threshold of each."""

_HARDLY_ANY: Final = 0.05
"""Up to this share of the errors are those of others told apart: a run that is under way counts its
own up to a second ago."""

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
    found = [
        one for listener in shown.listeners for one in _listener(listener, shown.during, evidence)
    ]
    yield from found
    # Errors are not well, whoever says so.
    judged = [*found, *(one for listener in shown.listeners for one in _errors(listener, ""))]
    if not any(one.severity in {Severity.BAD, Severity.WARN} for one in judged):
        yield _well(shown)


def _listener(one: SpanListenerEvidence, during: str, evidence: Evidence) -> Iterator[Finding]:
    waits = {stage: found for stage in _WAITS if (found := _wait(one, stage, during)) is not None}
    slow = _slow(one, during)
    if slow is not None:
        # Where most of the time of a slow request is one of the waits, one sentence says both.
        wait = waits.get(_longest_stage(one))
        yield slow if wait is None else _joined(slow, wait)
    longest = "" if slow is None else _longest_stage(one)
    yield from (found for stage, found in waits.items() if stage != longest)
    if not _are_of_run(one, evidence.run):
        yield from _errors(one, during)
    yield from to_nobody(one, "span-answers-to-nobody", during)
    if one.unanswered:
        # They were broken off: their times are none of an answer, and count all the same.
        yield no_answer(one, "span-no-answer", during)


def _slow(one: SpanListenerEvidence, during: str) -> Finding | None:
    """How long the slowest took, and the stage in which most of the time went."""
    state = severity(thresholds.LATENCY, one.p95_s)
    if state not in {Severity.WARN, Severity.BAD}:
        return None
    told = slowest_took(one, during)
    figures = [Figure("p95", one.p95_s, "s"), Figure("requests read", one.read, "{request}")]
    stage = _longest_stage(one)
    if stage:
        whole, part = (units.text(took_s, "s") for took_s in (one.mean_s, one.stages_s[stage]))
        spent = f". It spent {part} of its {whole} {WORK[stage]}"
        if one.read > 1:
            which = "were read" if one.unread else "ended"
            spent = f". On average those that {which} spent {part} of their {whole} {WORK[stage]}"
        told += spent
        figures += [Figure(f"stage {stage}", one.stages_s[stage], "s")]
        if stage == QUEUE:
            told += _at_a_time(one)
    return _finding(one, state, "span-slow", f"{told}.", *figures)


def _wait(one: SpanListenerEvidence, stage: str, during: str) -> Finding | None:
    """A wait that the server causes: for a thread, or in the kernel."""
    wait_s = one.stages_s.get(stage)
    state = severity(_WAITS[stage], wait_s)
    if state not in {Severity.WARN, Severity.BAD}:
        return None
    are_read = " were read and" if one.unread else ""
    told = f"Requests to {one.called} that{are_read} ended {during} waited "
    told += f"{units.text(wait_s, 's')} on average "
    if stage == KERNEL:
        told += "in the kernel before the server read them."
        figure = Figure("mean wait in the kernel", wait_s, "s")
        return _finding(one, state, "span-kernel-wait", told, figure)
    return _finding(
        one,
        state,
        "span-thread-wait",
        f"{told}for a request thread{_at_a_time(one)}.",
        Figure("mean wait for a thread", wait_s, "s"),
        Figure("queued requests, most", one.queued_requests),
    )


def _joined(slow: Finding, wait: Finding) -> Finding:
    """A wait, in the sentence about the slow requests that it made."""
    return replace(
        wait,
        severity=max_of(slow.severity, wait.severity),
        sentence=slow.sentence,
        evidence=(*slow.evidence, *wait.evidence),
    )


def _at_a_time(one: SpanListenerEvidence) -> str:
    most = round(one.queued_requests or 0)
    return f"; at most {most:,} waited at once" if most else ""


def _are_of_run(one: SpanListenerEvidence, run: RunEvidence | None) -> bool:
    """Whether the errors of a listener are those of the run that is judged beside it.

    Other clients had hardly any then, and a sentence about the run says how many it had.
    """
    if run is None or run.target != one.called or run.state is RunState.FAILED:
        return False
    return one.server_errors - run.server_errors <= _HARDLY_ANY * one.server_errors


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
        f"{_of_all(one)} of {one.called} {during} "
        f"{'was a server error' if one.server_errors == 1 else 'were server errors'} (5xx)"
        f"{_counting(one)}.",
        (
            Figure("server errors", one.server_errors, "{request}"),
            Figure("answers", one.answers, "{request}"),
        ),
        requests_link(one.name, SERVER_ERRORS_CLASS),
    )


def _of_all(one: SpanListenerEvidence) -> str:
    """The server errors among the answers to all clients, of which a run's are a part."""
    errors, answers = one.server_errors, counted(one.answers, "answer")
    if errors == one.answers > 1:
        return f"All {answers}"
    return f"{errors:,} of {'all ' if one.answers > 1 else ''}{answers}"


_TIMES: Final = "percentiles over time and stages"


def _counting(one: SpanListenerEvidence) -> str:
    """Whether the times of a listener's errors are among the percentiles that the page shows."""
    if not one.unread_errors:
        return ", and their times count here as well"
    if one.unread_errors == one.server_errors:
        return f", sent before a request was read; {_TIMES} leave them out"
    return f"; {_TIMES} leave out {one.unread_errors:,} of them, sent before a request was read"


def _well(shown: SpanEvidence) -> Finding:
    requests = sum(one.answers for one in shown.listeners)
    enough = [one for one in shown.listeners if one.read >= FEWEST_FOR_P95]
    most_s = max((one.p95_s for one in enough if one.p95_s is not None), default=None)
    told = f"No request was slow {shown.during}: {counted(requests, 'request')} "
    told += "was served" if requests == 1 else "were served"
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
    link = page_of("/latency", one.name)
    return Finding(state, code, one.called, told, figures, link)
