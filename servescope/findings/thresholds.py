"""From which value on a figure is worth a warning, from which it is bad, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from servescope.figures import units
from servescope.findings.finding import Severity
from servescope.load import generator_limits

NEVER: Final = math.inf
"""In place of a limit that no value reaches."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Limits that a figure should stay below; `unit` is a UCUM code as in the catalog.

    A limit of 0 stands for any value above it.
    """

    warn: float
    bad: float
    unit: str
    reason: str

    def severity(self, value: float | None) -> Severity:
        """UNKNOWN without a value, GOOD below both limits."""
        if value is None:
            return Severity.UNKNOWN
        if value <= 0:
            return Severity.GOOD
        if value >= self.bad:
            return Severity.BAD
        return Severity.WARN if value >= self.warn else Severity.GOOD

    def texts(self) -> tuple[str, str]:
        """Both limits as a person reads them."""
        warn = "any" if not self.warn else units.text(self.warn, self.unit)
        return warn, "never" if self.bad == NEVER else units.text(self.bad, self.unit)


LATENCY: Final = "latency"
SERVER_ERRORS: Final = "server errors"
BUSY_THREADS: Final = "busy threads"
THREAD_WAIT: Final = "wait for a thread"
ACCEPT_QUEUE: Final = "accept queue"
KERNEL_WAIT: Final = "kernel wait"
CONNECTION_LIMIT: Final = "open connections"
GONE_CLIENTS: Final = "clients that have gone"
HELD: Final = "time in one stage"
CPU: Final = "CPU"
CORE: Final = "one core"
MEMORY: Final = "memory"
DATA_AGE: Final = "age of the data"
FAILED_REQUESTS: Final = "failed requests"
GENERATOR_CPU: Final = "CPU of the load generator"
GENERATOR_LATENESS: Final = "lateness of the load generator"

THRESHOLDS: Final[dict[str, Threshold]] = {
    LATENCY: Threshold(
        1.0,
        10.0,
        "s",
        "A person's flow of thought breaks after 1 s, and attention is lost after 10 s "
        "(J. Nielsen, Usability Engineering, 1993). Applied to p95, and "
        "while a load run is under way to the longest wait for an answer.",
    ),
    SERVER_ERRORS: Threshold(
        0.001,
        0.01,
        "1",
        "99.9 % and 99 % of answers without a server error are the usual objectives of a service.",
    ),
    BUSY_THREADS: Threshold(
        0.9,
        1.0,
        "1",
        "Above nine tenths a short burst has to wait; with all threads busy every request has to.",
    ),
    THREAD_WAIT: Threshold(
        0.1,
        1.0,
        "s",
        "Queued requests over answers a second (Little's law); of a past span the mean that was "
        "measured. A wait of 0.1 s is noticed as a delay, and one of 1 s breaks a person's flow of "
        "thought.",
    ),
    ACCEPT_QUEUE: Threshold(
        0.5,
        0.9,
        "1",
        "Linux drops what arrives at a full accept queue; the client then waits at least 1 s "
        "before it tries again (listen(2), RFC 6298 section 2).",
    ),
    KERNEL_WAIT: Threshold(
        0.1,
        1.0,
        "s",
        "The mean wait of a request's bytes in the kernel before the server reads them; the "
        "limits are those of a wait that a person notices and one that breaks the flow of thought.",
    ),
    CONNECTION_LIMIT: Threshold(
        0.9,
        NEVER,
        "1",
        "Of the connections that a listener may hold open; beyond them it turns clients away, and "
        "how bad that is follows from how many it turned away.",
    ),
    GONE_CLIENTS: Threshold(
        0.1,
        0.5,
        "1",
        "Of its open connections, or of its answers. A few clients leave at all times; from half "
        "on a server works for nobody more than for those who wait.",
    ),
    HELD: Threshold(
        0.1,
        NEVER,
        "s",
        "From here on the stage in which most requests are is said to hold them back: a delay of "
        "0.1 s is noticed. How bad it is follows from the limits of that stage.",
    ),
    CPU: Threshold(
        0.9,
        0.98,
        "1",
        "Above nine tenths runnable threads wait for a core; near all of it every thread does.",
    ),
    CORE: Threshold(
        0.98,
        NEVER,
        "1",
        "A server with one thread at work, or pinned to a core, can get no more than one core: "
        "a limit, not a fault.",
    ),
    MEMORY: Threshold(
        0.9,
        0.97,
        "1",
        "Linux reclaims caches first; close to all of it programs are swapped out or killed.",
    ),
    DATA_AGE: Threshold(
        5.0,
        5.0,
        "s",
        "A second is stored within one more; five without a new one mean that nobody collects.",
    ),
    FAILED_REQUESTS: Threshold(
        0.0,
        0.01,
        "1",
        "A request without a whole answer is worth a word each; above one in a hundred the "
        "latencies of the others describe a server that turns clients away.",
    ),
    GENERATOR_CPU: Threshold(
        generator_limits.BUSY_CORE,
        generator_limits.FULL_CORE,
        "1",
        "The generator runs on one core. When it is nearly full, sends come late for lack of CPU "
        "and the run measures the generator.",
    ),
    GENERATOR_LATENESS: Threshold(
        generator_limits.OF_SCHEDULE,
        generator_limits.OF_SCHEDULE,
        "1",
        "By how much it sent 1 in 100 requests late, as a share of the schedule. No answer comes "
        "before its request is sent: from here on the generator alone makes a listener seem to "
        "fall behind, for instance where other programs take its CPU time.",
    ),
}
"""By the name that docs/findings.md lists; a test compares them."""


def severity(name: str, value: float | None) -> Severity:
    """How a value stands to the threshold of that name."""
    return THRESHOLDS[name].severity(value)
