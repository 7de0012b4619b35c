"""Judgements of a load run: of its failures while it is under way, of all once it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.figures.shares import share_text
from servescope.findings import thresholds
from servescope.findings.finding import Figure, Finding, Severity
from servescope.findings.thresholds import severity
from servescope.histogram import least_count
from servescope.load.generator_limits import (
    OF_SCHEDULE,
    ConnectionUse,
    is_latency_delayed,
    own_delay,
)
from servescope.load.report import TELLING_ERRORS
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.scenarios.rules import RuleState, parse_rule
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servescope.findings.evidence import Evidence, RunEvidence
    from servescope.scenarios.rules import RuleResult

KEPT_UP: Final = 0.95
"""Share of the asked rate from which on a listener kept up: requests come due at exact moments, and
those under way at the schedule's end are answered after it."""

DIFFERENT: Final = 1.2
"""Two latencies that differ by less than this factor are not told apart: a second run may swap
them."""

FEW_UNFINISHED: Final = 16
"""So many requests of others may be under way when a run begins, as at any server in use."""

UNLOADED: Final = 2.0
"""A server whose median answer takes less than so many times a fast one has no queue: it could take
more at once."""

_BRIEF: Final = 0.1
"""Up to this share of the schedule a median latency is taken as the time of those under way."""

TIMED_OUT: Final = "timed_out"
FAILURES: Final = {
    TIMED_OUT: "not answered within {timeout}",
    "refused": "refused: nothing listened at the port",
    "reset": "cut off before a whole answer had come",
    "protocol": "answered with something that is not HTTP",
    "handshake": "ended in the TLS handshake",
    "value": "never sent: the answer before had no value for them that can stand there",
    "websocket": "answered without opening a WebSocket",
}
"""By `LoadOutcome`, in lower case: how a request failed, after `were`."""


def load_run(evidence: Evidence) -> Iterator[Finding]:
    """The run of the evidence; while it is under way, what its requests have come to."""
    if evidence.run is None:
        return
    if evidence.run.state in TERMINAL_STATES:
        yield from judge_run(evidence.run)
        return
    if evidence.run.ended:
        yield from _failures(evidence.run)
        yield from _server_errors(evidence.run)
    yield from _awaited(evidence.run)


def judge_run(run: RunEvidence) -> Iterator[Finding]:
    """Of a run that is over: its end, its generator, its failures, its rate, its latencies."""
    if run.state is RunState.FAILED:
        reason = run.message.rstrip(".") or "it gave no reason"
        yield _finding(run, Severity.BAD, "run-failed", f"Run {run.id} failed: {reason}.")
        return
    if not run.sent:
        yield _finding(
            run,
            Severity.UNKNOWN,
            "nothing-sent",
            f"No request of run {run.id} came due: nothing is known.",
        )
        return
    found = [
        *_sent_by(run),
        *_beginning(run),
        *_generator(run),
        *_failures(run),
        *_messages(run),
        *_server_errors(run),
        *_client_errors(run),
        *_rate(run),
        *_rules(run),
        *_lateness(run),
        *_end(run),
    ]
    yield from found
    if all(one.severity is Severity.NOTE for one in found):
        yield _kept_up(run)


def is_limited_by_generator(run: RunEvidence) -> bool:
    """Whether the generator could not send by its schedule; then the server is not judged."""
    return has_too_few_connections(run) or Severity.BAD in {
        severity(thresholds.GENERATOR_CPU, run.generator_cpu_ratio),
        severity(thresholds.GENERATOR_LATENESS, run.generator_lateness),
    }


def has_too_few_connections(run: RunEvidence) -> bool:
    """Whether requests waited for a connection although the server had no queue.

    A queue shows in answers that take longer, from the actual send, than the fastest ones do; or in
    readings of the server: threads that share a core answer all requests equally late.
    """
    if run.is_server_full or run.naive_p10_s is None:
        return False
    used = ConnectionUse(run.sent, run.blocked or 0, run.connection_limit, run.naive_p50_s)
    return used.were_too_few(run.peak_rate_asked, UNLOADED * run.naive_p10_s, OF_SCHEDULE)


def is_generator_late(run: RunEvidence) -> bool:
    """Whether p99 says too little of the server, for the generator's own delay that is in it."""
    return is_latency_delayed(run.lag_p99_s, run.p99_s, run.naive_p99_s)


def unjudged_rules(run: RunEvidence) -> list[RuleResult]:
    """The rules that fail, perhaps, by the generator's own delay: those about latencies."""
    return [
        rule
        for rule in run.rules
        if rule.state is RuleState.FAILING
        and parse_rule(rule.text).is_of_latency
        and is_generator_late(run)
    ]


def fell_behind(run: RunEvidence) -> bool:
    """Whether the listener answered less than was asked of it."""
    asked = run.rate_asked * run.schedule_s
    if run.answered_in_schedule is None or not asked:
        return False
    p50_s = run.p50_s or 0.0
    flow_s = p50_s * run.requests_per_flow
    is_brief = flow_s <= _BRIEF * run.schedule_s and not run.is_censored(run.p50_s)
    under_way = run.rate_asked * flow_s if is_brief else 0.0
    return run.answered_in_schedule + under_way < KEPT_UP * asked - 1


def _beginning(run: RunEvidence) -> Iterator[Finding]:
    if (run.unfinished_at_start or 0) > FEW_UNFINISHED:
        yield _finding(
            run,
            Severity.WARN,
            "started-busy",
            f"When the run began, {run.target} still had {run.unfinished_at_start or 0:,} "
            "requests of earlier clients to work through: the first latencies contain that wait.",
            Figure("unfinished at the start", run.unfinished_at_start, "{request}"),
        )


def _sent_by(run: RunEvidence) -> Iterator[Finding]:
    if run.generator:
        yield _finding(
            run,
            Severity.NOTE,
            "sent-by-others",
            f"This run was sent by {run.generator}. Each worker has one thread for all its "
            "connections and reads the clock when it comes to an answer, not when the kernel had "
            "it: latencies are longer than those that Servescope's own generator would measure, "
            "and comparable with those of such runs alone.",
            Figure("CPU of the busiest worker", run.generator_cpu_ratio, "1"),
            Figure("lateness, p99", run.lag_p99_s, "s"),
        )


def _sent_late(run: RunEvidence) -> str:
    """How late the generator was; of fewer than a hundred requests p99 is that of the latest."""
    late = units.text(run.lag_p99_s, "s")
    if run.sent >= least_count(0.99):
        return f"sent 1 in 100 requests {late} late or more"
    return f"sent one of {counted(run.sent, 'request')} {late} late"


def _generator(run: RunEvidence) -> Iterator[Finding]:
    figures = (
        Figure("CPU of the generator", run.generator_cpu_ratio, "1"),
        Figure("lateness, p99", run.lag_p99_s, "s"),
    )
    share = units.text_in_words(run.generator_cpu_ratio, "1")
    if has_too_few_connections(run):
        limit = run.connection_limit or 0
        own = f"all {limit:,} connections" if limit > 1 else "the one connection"
        yield _finding(
            run,
            Severity.UNKNOWN,
            "connections-limited",
            f"{run.blocked or 0:,} of {run.sent:,} requests waited because {own} that this run may "
            f"have {'were' if limit > 1 else 'was'} in use, while {run.target} answered as fast as "
            "without a queue: with more connections it may carry more than this run shows.",
            Figure("waited for a connection", run.blocked, "{request}"),
            Figure("connections", run.connection_limit, "{connection}"),
            Figure("naive p50", run.naive_p50_s, "s"),
        )
    elif is_limited_by_generator(run):
        is_full = severity(thresholds.GENERATOR_CPU, run.generator_cpu_ratio) is Severity.BAD
        cause = (
            f"The load generator used {share} of its core"
            if is_full
            else f"The load generator {_sent_late(run)}, in a schedule of "
            f"{units.text(run.schedule_s, 's')}"
        )
        yield _finding(
            run,
            Severity.UNKNOWN,
            "generator-limited",
            f"{cause}: this run measured the generator, and says nothing about what {run.target} "
            "can carry.",
            *figures,
        )
    elif severity(thresholds.GENERATOR_CPU, run.generator_cpu_ratio) is Severity.WARN:
        yield _finding(
            run,
            Severity.NOTE,
            "generator-busy",
            f"The load generator used {share} of its core: a higher rate would measure it, not "
            "the server.",
            *figures,
        )


def _failures(run: RunEvidence) -> Iterator[Finding]:
    kinds = {kind: count for kind, count in run.failed.items() if count}
    if not kinds:
        return
    ratio = run.failures / run.ended
    of_ended = " that have ended" if run.awaited else ""
    timeout = units.text(run.timeout_s, "s")
    parts = [
        f"{count:,} {'was' if count == 1 else 'were'} "
        + FAILURES.get(kind, kind.replace("_", " ")).format(timeout=timeout)
        + (_unsent(run) if kind == TIMED_OUT else "")
        for kind, count in sorted(kinds.items(), key=lambda item: -item[1])
    ]
    bound = f" So p99 is {_told_p99(run)}." if run.is_censored(run.p99_s) else ""
    yield _finding(
        run,
        severity(thresholds.FAILED_REQUESTS, ratio),
        "requests-failed",
        f"{run.failures:,} of {counted(run.ended, 'request')} to {run.target}{of_ended} "
        f"({units.in_words(share_text(ratio))}) failed{_so_far(run)}: "
        f"{', '.join(parts)}.{bound}",
        Figure("failed", run.failures, "{request}"),
        Figure("ended" if run.awaited else "due", run.ended, "{request}"),
    )


def _unsent(run: RunEvidence) -> str:
    """How many of those that timed out the server could not answer, for they never left."""
    if not run.never_sent:
        return ""
    were = "was" if run.never_sent == 1 else "were"
    return f" ({run.never_sent:,} of these {were} never sent, for want of a connection)"


def _awaited(run: RunEvidence) -> Iterator[Finding]:
    """Requests that fail or are answered late only later: the ended ones do not show it."""
    level = severity(thresholds.LATENCY, run.awaited_for_s)
    if run.awaited > FEW_UNFINISHED and level in {Severity.WARN, Severity.BAD}:
        yield _finding(
            run,
            level,
            "requests-awaited",
            f"{run.awaited:,} of the {run.sent:,} requests that have come due are still awaited; "
            f"the first of them {_age_of_first(run)}.",
            Figure("awaited", run.awaited, "{request}"),
            Figure("longest awaited", run.awaited_for_s, "s"),
        )


def _age_of_first(run: RunEvidence) -> str:
    """When the oldest request that is awaited was due; its timeout is noticed a little later."""
    told = units.text(run.awaited_for_s, "s")
    if run.awaited_for_s is not None and run.awaited_for_s >= run.timeout_s:
        return f"has reached its timeout of {told}"
    return f"was due {told} ago"


def _so_far(run: RunEvidence) -> str:
    return "" if run.state in TERMINAL_STATES else " so far"


def _told_p99(run: RunEvidence) -> str:
    """The p99 in words: `52 ms`, or `at least 10 s` where requests that timed out reach it."""
    if run.p99_s is None or run.censored_from_s is None or not run.is_censored(run.p99_s):
        return units.text(run.p99_s, "s")
    return units.in_words(units.lower_bound(run.censored_from_s))


def _messages(run: RunEvidence) -> Iterator[Finding]:
    if run.messages_failed:
        yield _finding(
            run,
            severity(thresholds.FAILED_REQUESTS, run.messages_failed / run.messages),
            "messages-failed",
            f"{run.messages_failed:,} of {counted(run.messages, 'message')} to {run.target} had "
            "none in return.",
            Figure("failed", run.messages_failed, "{message}"),
            Figure("sent", run.messages, "{message}"),
        )


def _server_errors(run: RunEvidence) -> Iterator[Finding]:
    ratio = run.server_errors / run.answered if run.answered else None
    state = severity(thresholds.SERVER_ERRORS, ratio)
    if state in {Severity.WARN, Severity.BAD}:
        errors = "was a server error" if run.server_errors == 1 else "were server errors"
        yield _finding(
            run,
            state,
            "run-server-errors",
            f"{run.server_errors:,} of {counted(run.answered, 'answer')} of {run.target} to the "
            f"load generator {errors} (5xx){_so_far(run)}.",
            Figure("server errors", run.server_errors, "{request}"),
            Figure("answered", run.answered, "{request}"),
        )


def _client_errors(run: RunEvidence) -> Iterator[Finding]:
    """Answers that refuse what was asked for: how fast they came says little of the others."""
    if not run.answered or run.client_errors < TELLING_ERRORS * run.answered:
        return
    were = "was a refusal" if run.client_errors == 1 else "were refusals"
    yield _finding(
        run,
        Severity.NOTE,
        "run-client-errors",
        f"{run.client_errors:,} of {counted(run.answered, 'answer')} of {run.target} to the load "
        f"generator {were} (4xx): its targets are not there, or it may not have them.",
        Figure("client errors", run.client_errors, "{request}"),
        Figure("answered", run.answered, "{request}"),
    )


def _rate(run: RunEvidence) -> Iterator[Finding]:
    if is_limited_by_generator(run) or not fell_behind(run):
        return
    achieved = units.text(run.answered_per_s, "{request}/s")
    asked = units.text(run.rate_asked, "{request}/s")
    share = run.server_errors / run.answered if run.answered else 0.0
    errors = (
        f"; {units.in_words(share_text(share))} of its answers were server errors" if share else ""
    )
    yield _finding(
        run,
        Severity.BAD,
        "fell-behind",
        f"{capitalized(run.target)} answered {achieved} of the {asked} that the load generator "
        f"asked for{errors}.",
        Figure("answered per second", run.answered_per_s, "{request}/s"),
        Figure("asked for", run.rate_asked, "{request}/s"),
    )


def judged_rules(run: RunEvidence) -> tuple[RuleResult, ...]:
    """The rules as they may be judged: not known where the generator may be what failed them."""
    if is_limited_by_generator(run):
        unjudged: Sequence[RuleResult] = run.rules
    else:
        unjudged = unjudged_rules(run)
    return tuple(
        replace(rule, state=RuleState.UNKNOWN) if rule in unjudged else rule for rule in run.rules
    )


def _rules(run: RunEvidence) -> Iterator[Finding]:
    """Whether the run kept the rules that it was given."""
    if is_limited_by_generator(run):
        return
    unjudged = unjudged_rules(run)
    for rule in run.rules:
        is_ratio = "%" in rule.text
        figure = Figure("measured", rule.value, "1" if is_ratio else "s")
        measured = units.text(rule.value, figure.unit)
        if rule in unjudged:
            sentence = (
                f"Whether the rule “{rule.text}” holds is not known: {measured} was measured, and "
                f"the generator {_sent_late(run)}."
            )
            yield _finding(run, Severity.UNKNOWN, "rule-unknown", sentence, figure)
        elif rule.state is RuleState.FAILING:
            sentence = f"The rule “{rule.text}” failed: {measured} was measured."
            yield _finding(run, Severity.BAD, "rule-failed", sentence, figure)
        elif rule.state is RuleState.UNKNOWN:
            reason = (
                "nothing that it is about was measured"
                if rule.value is None
                else f"with requests that timed out, {measured} is a lower bound"
            )
            sentence = f"Whether the rule “{rule.text}” holds is not known: {reason}."
            yield _finding(run, Severity.UNKNOWN, "rule-unknown", sentence, figure)


def _lateness(run: RunEvidence) -> Iterator[Finding]:
    """Why latencies from the intended and from the actual send differ, where they do."""
    if run.p99_s is None or run.naive_p99_s is None or is_limited_by_generator(run):
        return
    own_s = own_delay(run.lag_p99_s, run.p99_s, run.naive_p99_s)
    figures = (
        Figure("p99", run.p99_s, "s"),
        Figure("naive p99", run.naive_p99_s, "s"),
        Figure("lateness of the generator, p99", run.lag_p99_s, "s"),
    )
    if is_generator_late(run):
        yield _finding(
            run,
            Severity.NOTE,
            "generator-late",
            f"The generator {_sent_late(run)} ({units.text(run.lag_max_s, 's')} at most): of the "
            f"p99 of {_told_p99(run)}, {units.text(own_s, 's')} may be the generator's own "
            "delay, not the server's.",
            *figures,
        )
    waited_s = run.p99_s - run.naive_p99_s - own_s
    if run.p99_s < DIFFERENT * run.naive_p99_s or waited_s <= own_s:
        return
    naive = units.Duration(run.naive_p99_s, run.is_naive_p99_bound).text
    # Where a connection was to be had at once, it was the connecting that took so long.
    waited = "to be connected" if run.blocked == 0 else "for a connection"
    yield _finding(
        run,
        Severity.WARN,
        "waited-to-be-sent",
        f"Requests to {run.target} waited {waited} for so long that p99 is "
        f"{_told_p99(run)} from the moment a request was due; counted from the actual send it "
        f"would read {units.in_words(naive)}.",
        *figures,
    )


def _end(run: RunEvidence) -> Iterator[Finding]:
    if run.state is not RunState.STOPPED:
        return
    were, count = ("was", "counts") if run.cancelled == 1 else ("were", "count")
    given_up = (
        f"; {counted(run.cancelled, 'request')} under way {were} given up and {count} neither as "
        "answered nor as failed"
        if run.cancelled
        else ""
    )
    yield _finding(
        run,
        Severity.NOTE,
        "stopped-early",
        f"The run was stopped after {units.text(run.schedule_s, 's')}{given_up}.",
        Figure("given up", run.cancelled, "{request}"),
    )


def _kept_up(run: RunEvidence) -> Finding:
    figures = (
        Figure("answered", run.answered, "{request}"),
        Figure("due", run.sent, "{request}"),
        Figure("p99", run.p99_s, "s"),
    )
    if run.answered_per_s is None:  # a result of an older version: when answers came is not known
        return _finding(
            run,
            Severity.UNKNOWN,
            "rate-unknown",
            f"{capitalized(run.target)} answered {run.answered:,} of "
            f"{counted(run.sent, 'request')}; at which rate was not recorded.",
            *figures,
        )
    if run.users is not None:
        who = f"{run.users:,} users" if run.users > 1 else "one user"
        return _finding(
            run,
            Severity.NOTE,
            "closed-model",
            f"{capitalized(run.target)} answered {units.text(run.answered_per_s, '{request}/s')} "
            f"to {who}, {_most_within(run)}. Users wait for their answer before they ask again, so "
            "a server that stalls is asked less: p99 does not show how long people would have "
            "waited.",
            *figures,
        )
    all_of = "all " if run.answered == run.sent > 1 else ""
    return _finding(
        run,
        Severity.GOOD,
        "kept-up",
        f"{capitalized(run.target)} answered {all_of}{counted(run.answered, 'request')} at the "
        f"{units.text(run.rate_asked, '{request}/s')} asked for, {_most_within(run)}.",
        *figures,
    )


def _most_within(run: RunEvidence) -> str:
    """How long the answers took; of fewer than a hundred p99 is the longest."""
    within = f"within {units.text(run.p99_s, 's')}"
    if run.answered >= least_count(0.99):
        return f"99 of 100 {within}"
    return f"each {within}" if run.answered > 1 else within


def _finding(
    run: RunEvidence, state: Severity, code: str, sentence: str, *figures: Figure
) -> Finding:
    return Finding(state, code, f"run {run.id}", sentence, figures, "/load")
