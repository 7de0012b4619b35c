"""Where the client's time went: the phases of the requests of a load run, from its result.

Only requests that were answered have phases; each phase begins where the one before it ended, so
together they are the latency (`servescope.load.report`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.histogram import supported_quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PHASES: Final = {
    "blocked": "until a connection was to be had; the generator's own lateness is in it",
    "connect": "until TCP was connected; new connections alone",
    "tls": "until the TLS handshake was done; new connections alone",
    "send": "until the kernel had taken the last byte of the request",
    "wait": "until the first byte of the answer came: the server's queues and app are in it",
    "receive": "until the last byte of the answer came",
}
"""The end of each phase, in the order of time."""

_QUANTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """Durations of a phase in seconds; a percentile is NaN where too few requests had the phase.

    `share` is the phase's part in the time of all phases, a ratio.
    """

    name: str
    requests: int
    share: float
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float


def phase_rows(reported: Mapping[str, Any]) -> list[PhaseRow]:
    """The phases of a result, or of a step of it; none of a phase that took no time."""
    phases: Mapping[str, Mapping[str, Any]] = reported.get("phases") or {}
    took = {name: phase for name, phase in phases.items() if phase["seconds"]}
    whole_s = sum(phase["seconds"] for phase in took.values())
    return [_row(name, phase, whole_s) for name, phase in took.items()]


def _row(name: str, phase: Mapping[str, Any], whole_s: float) -> PhaseRow:
    counts = np.array(phase["histogram"], np.int64)
    requests, seconds = int(counts.sum()), float(phase["seconds"])
    mean_s = seconds / requests if requests else math.nan
    quantiles_s = supported_quantiles(counts, _QUANTILES).tolist()
    return PhaseRow(name, requests, seconds / whole_s, mean_s, *quantiles_s)


def several_steps(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The requests of a mix, each with figures of its own; none of a run that sent one kind."""
    steps = result.get("steps") or ()
    return steps if len(steps) > 1 else ()
