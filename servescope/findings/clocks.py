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
    """Seconds of a mean request that no stage accounts for; None where that cannot be said."""
    if clocks.client_mean_s is None or clocks.server_mean_s is None:
        return None
    if not are_the_same_requests(clocks):
        return None
    difference_s = clocks.client_mean_s - clocks.server_mean_s
    return None if difference_s < -NOISE_S else max(difference_s, 0.0)


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
    if rest_s is not None:
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
