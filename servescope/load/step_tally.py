"""Counts of the requests of one step of the mix: latencies, phases, statuses, failures."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import histogram
from servescope.load.report import (
    FAILURES,
    LatencySummary,
    Phase,
    StepKind,
    StepProgress,
    StepResult,
    of_histogram_ms,
)
from servescope.records.load import LoadOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1e6
_ANSWERED: Final = int(LoadOutcome.ANSWERED)
NEVER_NS: Final = 2**63 - 1

EACH_PHASES: Final = ("blocked", "send", "wait", "receive")
"""The phases of every request, in the order in which they are kept."""

CONNECTING_PHASES: Final = ("connect", "tls")
"""Of those on a new connection alone."""

FOLD_FROM: Final = 1_024
"""Requests whose phases become counts at once: in some 0.2 ms, during which nothing is read."""

MAX_EXAMPLES: Final = 16
MAX_EXAMPLE_CHARACTERS: Final = 300


class PhaseCounts:
    """Durations of some phases, kept as histograms and sums; the last ones still one by one.

    `pending` takes one duration of each phase after the other, in nanoseconds.
    """

    __slots__ = ("_counts", "_names", "_sums_ns", "pending")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._counts = np.zeros((len(names), histogram.BUCKETS), np.int64)
        self._sums_ns = np.zeros(len(names), np.int64)
        self.pending = array("q")

    def fold(self) -> None:
        """Count those that are pending."""
        if self.pending:
            durations = np.array(self.pending, dtype=np.int64).reshape(-1, len(self._names))
            del self.pending[:]
            self._sums_ns += durations.sum(axis=0)
            for number, column in enumerate(durations.T):
                self._counts[number] += histogram.count(column / _NS)

    def phases(self) -> dict[str, Phase]:
        """All of them by name."""
        self.fold()
        return {
            name: Phase(float(sum_ns) / _NS, counts.tolist())
            for name, sum_ns, counts in zip(self._names, self._sums_ns, self._counts, strict=True)
        }


class StepTally:
    """Counts of one step. `Tally` fills it, request by request.

    One that timed out took `timeout_ns`, however much later that was noticed.
    """

    __slots__ = (
        "_counted",
        "_counts",
        "_timeout_ns",
        "by_outcome",
        "bytes_received",
        "connecting",
        "each",
        "examples",
        "is_error",
        "kind",
        "latencies_ns",
        "method",
        "naive_ns",
        "naive_timed_out_ns",
        "name",
        "route_id",
        "sent",
        "statuses",
        "timed_out_from_ns",
    )

    def __init__(
        self, name: str, kind: StepKind, route_id: int, method: int, timeout_ns: int = NEVER_NS
    ) -> None:
        self._timeout_ns = timeout_ns
        self.name = name
        self.kind = kind
        self.route_id = route_id
        self.method = method
        self.sent = 0
        self.latencies_ns = array("q")
        self.is_error = bytearray()  # of each of these: it timed out, or its status is 4xx or 5xx
        self.naive_ns = array("q")
        self.naive_timed_out_ns = array("q")  # of these; see `report.lower_bounds`
        self.by_outcome = [0] * len(LoadOutcome)
        self.statuses: dict[int, int] = {}
        self.bytes_received = 0
        self.timed_out_from_ns = 0  # the shortest latency of those that timed out
        self.each = PhaseCounts(EACH_PHASES)
        self.connecting = PhaseCounts(CONNECTING_PHASES)
        self.examples: dict[str, str] = {}
        self._counts = np.zeros(histogram.BUCKETS, np.int64)  # of the first latencies
        self._counted = 0  # how many of them

    def note(self, kind: str, text: str) -> None:
        """Keep an example of a failure of this kind, the first one."""
        if kind not in self.examples and len(self.examples) < MAX_EXAMPLES:
            self.examples[kind] = text[:MAX_EXAMPLE_CHARACTERS]

    def answer(self, received: int, latency_ns: int, naive_ns: int) -> None:
        """Count an answer of so many bytes."""
        self.by_outcome[_ANSWERED] += 1
        self.bytes_received += received
        self.latencies_ns.append(latency_ns)
        self.is_error.append(False)
        self.naive_ns.append(naive_ns)

    def fail(
        self, outcome: LoadOutcome, intended_ns: int, sent_ns: int, end_ns: int, example: str
    ) -> tuple[int, int | None]:
        """Count a failure; return how long it took from the due moment and from the send, ns.

        `sent_ns` is 0 of a request that was never sent: then the second is None.
        """
        self.by_outcome[outcome] += 1
        self.note(outcome.name.lower(), example)
        if outcome is LoadOutcome.TIMED_OUT:
            end_ns = min(end_ns, intended_ns + self._timeout_ns)
        latency_ns = end_ns - intended_ns
        # Sent when its time was over already, it took no time; 0 is of a request never sent.
        naive_ns = max(end_ns - sent_ns, 1) if sent_ns else None
        if outcome is LoadOutcome.TIMED_OUT:
            if latency_ns < self.timed_out_from_ns or not self.timed_out_from_ns:
                self.timed_out_from_ns = latency_ns
            self.latencies_ns.append(latency_ns)
            self.is_error.append(True)
            if naive_ns is not None:
                self.naive_ns.append(naive_ns)
                self.naive_timed_out_ns.append(naive_ns)
        return latency_ns, naive_ns

    def progress(self) -> StepProgress:
        """The step so far."""
        return StepProgress(
            self.sent,
            self.by_outcome[_ANSWERED],
            sum(self.by_outcome) - self.by_outcome[_ANSWERED],
            of_histogram_ms(self._histogram(), 0.5),
            of_histogram_ms(self._histogram(), 0.99),
        )

    def _histogram(self) -> NDArray[np.int64]:
        new = self.latencies_ns[self._counted :]
        if new:
            self._counts += histogram.count(np.array(new, dtype=np.int64) / _NS)
            self._counted += len(new)
        return self._counts

    def phases(self) -> dict[str, Phase]:
        """Those of all requests that were answered, in the order of time."""
        each, connecting = self.each.phases(), self.connecting.phases()
        return {"blocked": each.pop("blocked"), **connecting, **each}

    def result(self) -> StepResult:
        """The step at the end of the run."""
        return StepResult(
            name=self.name,
            kind=self.kind,
            sent=self.sent,
            answered=self.by_outcome[_ANSWERED],
            failed={outcome.name.lower(): self.by_outcome[outcome] for outcome in FAILURES},
            statuses={str(status): self.statuses[status] for status in sorted(self.statuses)},
            latency_ms=LatencySummary.of(np.array(self.latencies_ns, dtype=np.int64)),
            naive_ms=LatencySummary.of(np.array(self.naive_ns, dtype=np.int64)),
            timed_out_from_ms=self.timed_out_from_ns / _NS_PER_MS or None,
            bytes_received=self.bytes_received,
            phases=self.phases(),
            examples=dict(self.examples),
            histogram=self._histogram().tolist(),
        )
