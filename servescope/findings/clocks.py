"""Judgement of a run's two clocks: the client's, and the sum of the server's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings.finding import Figure, Finding, Severity
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.findings.evidence import ClocksEvidence, Evidence

SAME_REQUESTS: Final = 0.02
"""Share by which the counts of both sides may differ: requests at the edges of a run's whole
seconds, and a few of other clients."""

NOISE_S: Final = 0.0005
"""A client may read its answer before the server comes back from handing it to the kernel."""


def are_the_same_requests(clocks: ClocksEvidence) -> bool:
    """Whether both sides timed the same requests, so that their difference means something."""
    most = max(clocks.client_requests, clocks.server_requests)
    return abs(clocks.client_requests - clocks.server_requests) <= SAME_REQUESTS * most


def unexplained_s(clocks: ClocksEvidence) -> float | None:
    """Seconds of a mean request that no stage accounts for; None where that cannot be said.

    Below 0, by no more than NOISE_S, where the server's mean is above the client's.
    """
    if clocks.client_mean_s is None or clocks.server_mean_s is None:
        return None
    if not are_the_same_requests(clocks):
        return None
    difference_s = clocks.client_mean_s - clocks.server_mean_s
    # The least that the client's mean may be proves nothing where the server's is above it.
    return None if difference_s < (0.0 if clocks.is_client_bound else -NOISE_S) else difference_s


def unexplained(rest_s: float | None, *, is_bound: bool = False) -> units.Duration | str:
    """A figure of the client less the server's as it reads in a table; None: it says nothing.

    Where the server's is the longer one, nothing is left to explain: by how much it is longer, in
    words, as a time is never below zero. `is_bound`: of the least that the client's may be, which
    tells nothing then.
    """
    if rest_s is None or not rest_s < 0:
        return units.Duration(rest_s, is_bound)
    return units.NOTHING if is_bound else f"none: server {units.text(-rest_s, 's')} longer"


def _unread(both: ClocksEvidence) -> str:
    """The answers of which the server has no time."""
    return f", which answered {both.server_unread:,} more unread" if both.server_unread else ""


def _of_server(both: ClocksEvidence) -> str:
    """The stages that are summed: an app's recorder measures some of them alone."""
    is_app = both.kind is ServerKind.APP
    return "that the app's recorder measures" if is_app else "of the server"


def _read(seconds: float | None, both: ClocksEvidence) -> str:
    """A duration that the client's mean is in, within a sentence."""
    return units.in_words(units.Duration(seconds, both.is_client_bound).text)


def clocks(evidence: Evidence) -> Iterator[Finding]:
    """How much of the client's time the server's stages explain."""
    both = evidence.clocks
    if both is None:
        return
    figures = (
        Figure("requests of the client", both.client_requests, "{request}"),
        Figure("requests of the server", both.server_requests, "{request}"),
        Figure("mean of the client", both.client_mean_s, "s"),
        Figure("mean of the server", both.server_mean_s, "s"),
    )
    rest_s = unexplained_s(both)
    if rest_s is not None and rest_s < 0:
        state, code = Severity.NOTE, "unexplained"
        told = (
            f"A mean request of run {both.run_id} took {units.text(both.client_mean_s, 's')} from "
            f"its send by its client's clock, and the stages {_of_server(both)} took "
            f"{units.text(both.server_mean_s, 's')}, {units.text(-rest_s, 's')} longer: no time "
            "outside them could be measured."
        )
    elif rest_s is not None:
        state, code = Severity.NOTE, "unexplained"
        told = (
            f"Of the {_read(both.client_mean_s, both)} that a mean request of run "
            f"{both.run_id} took from its send by its client's clock, {_read(rest_s, both)} "
            f"lie outside the stages {_of_server(both)}."
        )
    elif not are_the_same_requests(both):
        state, code = Severity.UNKNOWN, "different-requests"
        told = (
            f"In the seconds of run {both.run_id} its client timed {both.client_requests:,} "
            f"requests and the server {both.server_requests:,}{_unread(both)}: these are not the "
            "same requests, so the difference of their times says nothing."
        )
    elif both.is_client_bound:
        state, code = Severity.UNKNOWN, "clocks-disagree"
        told = (
            f"In run {both.run_id} requests timed out, so its client's mean is known from below "
            f"alone ({_read(both.client_mean_s, both)}). The server's is above that "
            f"({units.text(both.server_mean_s, 's')}): the difference says nothing."
        )
    else:
        state, code = Severity.UNKNOWN, "clocks-disagree"
        told = (
            f"In run {both.run_id} the server's mean ({units.text(both.server_mean_s, 's')}) is "
            f"above the client's ({units.text(both.client_mean_s, 's')}). Either they did not time "
            "the same requests, or the server had to wait for a core when it had handed over its "
            "answers, and noted their ends late: the difference says nothing."
        )
    yield Finding(state, code, f"run {both.run_id}", told, figures, "/latency")
