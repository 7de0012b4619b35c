"""Judgements of connections: those that wait or are turned away, and those whose clients left."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final

from servescope.findings import thresholds
from servescope.findings.finding import (
    PATH_PANEL,
    Figure,
    Finding,
    Severity,
    page_of,
    requests_link,
)
from servescope.findings.moment import FEWEST_ERRORS, current_listeners, is_measured, when
from servescope.findings.thresholds import severity
from servescope.queries.request_words import NO_ANSWER
from servescope.queries.traffic import TO_NOBODY
from servescope.sentences import capitalized, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import (
        AnsweringListener,
        Evidence,
        ListenerEvidence,
        PortEvidence,
    )
    from servescope.findings.finding import Judgement

FEWEST_GONE: Final = 3
"""Fewer clients that have gone are not worth a word, whatever their share."""

REFUSALS: Final = {
    403: "from addresses kept out by its lists",
    408: "that came too slowly",
    413: "with too large a body",
    414: "with too long a target",
    431: "with too large a head",
}
"""By status, the requests that a listener refuses by its own options, before its app is asked."""


def _beyond_limits(judgement: Judgement) -> Judgement:
    """A judgement that says nothing of figures below their limits."""

    @wraps(judgement)
    def judge(evidence: Evidence) -> Iterator[Finding]:
        return (one for one in judgement(evidence) if one.severity is not Severity.GOOD)

    return judge


@_beyond_limits
def accept_queues(evidence: Evidence) -> Iterator[Finding]:
    """Accept queues that fill, and full ones; of a past span also those at ports of then.

    They fill and drain within moments: the sentence tells the most of the window, as of the past.
    """
    queues: list[ListenerEvidence | PortEvidence] = [
        *current_listeners(evidence),
        *evidence.former_ports,
    ]
    for one in queues:
        if one.accept_queue_depth is None or not one.accept_backlog:
            continue
        ratio = one.accept_queue_depth / one.accept_backlog
        depth, backlog = f"{one.accept_queue_depth:,.0f}", f"{one.accept_backlog:,.0f}"
        told = f"The accept queue of {one.called} "
        told += (
            f"was full {when(evidence)} ({depth} of {backlog}): the kernel dropped further "
            "connections, whose clients tried again after 1 s at the earliest."
            if ratio >= 1
            else f"held up to {depth} of at most {backlog} connections {when(evidence)}: the "
            "server accepted more slowly than clients came."
        )
        yield Finding(
            severity(thresholds.ACCEPT_QUEUE, ratio),
            "accept-queue",
            one.called,
            told,
            (
                Figure("waiting to be accepted, most", one.accept_queue_depth, "{connection}"),
                Figure("backlog", one.accept_backlog, "{connection}"),
            ),
            "/ports",
        )


@_beyond_limits
def turned_away(evidence: Evidence) -> Iterator[Finding]:
    """Connections for which there was no room, and listeners that have hardly any left."""
    for one in current_listeners(evidence):
        limit = one.connection_limit
        if one.turned_away:
            share = one.turned_away / max(one.new_connections, one.turned_away)
            held = ""
            if limit is not None:  # an open one that is told so counts as open until it has gone
                held = f": it {evidence.verb('has')} room for {limit:,} beside those turned away"
            yield Finding(
                severity(thresholds.FAILED_REQUESTS, share),
                "turned-away",
                one.called,
                f"{capitalized(one.called)} turned {one.turned_away:,} of "
                f"{counted(one.new_connections, 'new connection')} away {when(evidence)}{held}.",
                (
                    Figure("turned away", one.turned_away, "{connection}"),
                    Figure("new connections", one.new_connections, "{connection}"),
                ),
                "/ports",
            )
        elif limit and one.open_connections is not None:
            yield Finding(
                severity(thresholds.CONNECTION_LIMIT, one.open_connections / limit),
                "connection-limit",
                one.called,
                f"{capitalized(one.called)} {evidence.verb('holds')} "
                f"{one.open_connections:,.0f} connections open and {evidence.verb('has')} room "
                f"for {limit:,}: beyond these it {evidence.verb('turns')} clients away.",
                (
                    Figure("open", one.open_connections, "{connection}"),
                    Figure("limit", limit, "{connection}"),
                ),
                "/ports",
            )


@_beyond_limits
def left_connections(evidence: Evidence) -> Iterator[Finding]:
    """Connections that are open though their clients have closed them."""
    for one in current_listeners(evidence):
        opened, left = one.open_connections, one.left_connections
        if not opened or left is None or left < FEWEST_GONE:
            continue
        yield Finding(
            severity(thresholds.GONE_CLIENTS, left / opened),
            "clients-left",
            one.called,
            f"{capitalized(one.called)} {evidence.verb('holds')} {opened:,.0f} connections open, "
            f"{_of_which(left, opened)} their clients {evidence.verb('have')} closed: it "
            f"{evidence.verb('works')} for clients that {evidence.verb('have')} gone.",
            (
                Figure("left by their clients", left, "{connection}"),
                Figure("open", opened, "{connection}"),
            ),
            page_of("/", one.name, PATH_PANEL),
        )


def _of_which(left: float, opened: float) -> str:
    return "all of which" if left >= opened else f"{left:,.0f} of which"


def answers_to_nobody(evidence: Evidence) -> Iterator[Finding]:
    """Answers that count as answered though their clients had gone."""
    for one in current_listeners(evidence):
        yield from to_nobody(one, "answers-to-nobody", when(evidence))


def to_nobody(one: AnsweringListener, code: str, during: str) -> Iterator[Finding]:
    """How many answers came after their clients had gone; nothing where they are few."""
    if one.answers_to_nobody < FEWEST_GONE or not one.answers:
        return
    state = severity(thresholds.GONE_CLIENTS, one.answers_to_nobody / one.answers)
    if state is Severity.GOOD:
        return
    yield Finding(
        state,
        code,
        one.called,
        f"{one.answers_to_nobody:,} of {counted(one.answers, 'answer')} of {one.called} {during} "
        "came too late: their clients had closed their side of the connection.",
        (
            Figure("answers to nobody", one.answers_to_nobody, "{request}"),
            Figure("answers", one.answers, "{request}"),
        ),
        requests_link(one.name, TO_NOBODY),
    )


def unanswered(evidence: Evidence) -> Iterator[Finding]:
    """Requests whose connections were closed before an answer, also of listeners that have stopped.

    One that a client left is told as well: from here it looks the same.
    """
    if not is_measured(evidence):
        return
    for one in evidence.listeners:
        if one.unanswered:
            yield no_answer(one, "no-answer", when(evidence))


def no_answer(one: AnsweringListener, code: str, during: str) -> Finding:
    """How many requests had no answer, and why as far as that is known.

    Of few requests it is a warning at most.
    """
    state = severity(thresholds.FAILED_REQUESTS, one.unanswered / max(one.requests, 1))
    return Finding(
        state if one.unanswered >= FEWEST_ERRORS else Severity.WARN,
        code,
        one.called,
        f"{one.unanswered:,} of {counted(one.requests, 'request')} to {one.called} got no answer "
        f"{during}: {_closed_first(one)}.",
        (
            Figure("no answer", one.unanswered, "{request}"),
            Figure("requests", one.requests, "{request}"),
        ),
        requests_link(one.name, NO_ANSWER),
    )


def _closed_first(one: AnsweringListener) -> str:
    """Say who closed the connections; older records do not tell."""
    is_one = one.unanswered == 1
    if one.cut_off + one.left != one.unanswered:
        its = "its connection was" if is_one else "their connections were"
        return f"{its} closed first, by the client or by the server"
    if not one.left:
        was = "it was" if is_one else "they were"
        return f"{was} cut off when {one.called} was stopped or restarted"
    if not one.cut_off:
        return "its client left first" if is_one else "their clients left first"
    cut, left = one.cut_off, one.left
    return (
        f"{cut:,} {'was' if cut == 1 else 'were'} cut off when {one.called} was stopped or "
        f"restarted, and {counted(left, 'client')} left first"
    )


def refusals(evidence: Evidence) -> Iterator[Finding]:
    """Requests that a listener's own limits kept from its app."""
    for one in current_listeners(evidence):
        known = {status: number for status, number in one.refused.items() if status in REFUSALS}
        if not known:
            continue
        number = sum(known.values())
        told = ", ".join(
            f"{known[status]:,} {REFUSALS[status]} ({status})" for status in sorted(known)
        )
        yield Finding(
            Severity.NOTE,
            "refused-by-limits",
            one.called,
            f"{capitalized(one.called)} refused {counted(number, 'request')} {when(evidence)} by "
            f"its own limits: {told}.",
            (Figure("refused", number, "{request}"),),
            requests_link(one.name, "4xx" if len(known) > 1 else str(min(known))),
        )
