"""Name what limits a server, from what was seen while it carried its most, or a little more.

The rules go from cause to effect: a full generator says nothing of the server; a full core or
machine, or other programs on its processor, explain busy threads, since requests take longer there;
busy threads, or an app that holds up its event loop, explain a full accept queue; and a full accept
queue is the limit of a server that had nothing else to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FULL: Final = 0.9
"""Share from which on a resource counts as used up: readings of a second are means of it."""

IDLE_CORE: Final = 0.7
"""CPU of the busiest process, in cores, below which its threads wait rather than compute."""

HARDLY_COMPUTES: Final = 0.02
"""CPU of the busiest process, in cores, below which a processor that others use is no limit: even
among fifty programs on its core a process gets so much when it wants it."""

MOSTLY: Final = 0.8
"""Share of the requests in hand above which one stage has most of them.

By Little's law that is the share of the server's time, since each request passes each stage.
"""


class Limit(StrEnum):
    """The resource that was at its limit."""

    GENERATOR = "the generator"
    GIL = "the GIL or one core"
    CORES = "CPU of its cores"
    CORE = "CPU of one core"
    MACHINE = "CPU of all cores"
    OTHERS = "other programs"
    THREADS = "threads"
    ACCEPT_QUEUE = "accept queue"
    APP_WAIT = "the app's own waiting"
    UNKNOWN = "unknown"


SERVER_LIMITS: Final = frozenset(Limit) - {Limit.GENERATOR, Limit.OTHERS, Limit.UNKNOWN}
"""Those by which a server could not have answered more."""


@dataclass(frozen=True, slots=True)
class EdgeEvidence:
    """Readings of the steps just above the edge; None where nothing was read.

    Shares are of 1; `process_cores` is the CPU time of the server's busiest process, in seconds a
    second, and `processes` are those that worked. `busy_threads` are request threads with a
    request, in the mean.
    """

    process_cores: float | None = None
    processes: int = 1
    all_cores: float | None = None  # of all its processes together
    is_pinned: bool | None = None  # each process to one core; None: not known
    threads: int | None = None  # request threads of all processes; None: the model has none
    busy_threads: float | None = None
    machine_busy: float | None = None  # of all cores
    idle_cores: float | None = None  # of the machine
    others_cores: float | None = None  # cores that programs used which are no part of Servescope
    is_disturbed: bool = False  # they took the processor that the server would have used
    accept_queue: float | None = None  # deepest, of the backlog
    in_app: float | None = None  # requests in the app, in the mean
    app_share: float | None = None  # of the requests in hand, those in the app
    generator_cpu: float | None = None  # of one core
    generator_late: bool = False  # it sent too late to say anything of the server
    is_elsewhere: bool = False  # a host that the operator named: nothing of it is read


def limit_of(evidence: EdgeEvidence) -> Limit:
    """The first limit that the evidence shows; UNKNOWN when it shows none."""
    cores, threads, busy = evidence.process_cores, evidence.threads, evidence.busy_threads
    waits = cores is None or cores < IDLE_CORE
    several = busy is not None and busy > 1 + FULL and evidence.processes == 1
    all_busy = bool(threads) and busy is not None and busy >= FULL * (threads or 0)
    in_app = evidence.app_share is not None and evidence.app_share >= MOSTLY
    never_idle = _is_full(evidence.in_app)  # there was always a request in the app
    computes = cores is None or cores >= HARDLY_COMPUTES
    of_several = cores is not None and evidence.processes > 1 and evidence.all_cores is not None
    every_full = of_several and (evidence.all_cores or 0.0) >= FULL * evidence.processes
    shown = {
        Limit.GENERATOR: evidence.generator_late or _is_full(evidence.generator_cpu),
        Limit.GIL: _is_full(cores) and several,
        Limit.CORES: every_full,
        Limit.CORE: _is_full(cores),
        Limit.MACHINE: _is_full(evidence.machine_busy) and computes,
        Limit.OTHERS: evidence.is_disturbed and computes,
        Limit.THREADS: all_busy and waits,
        Limit.APP_WAIT: in_app and never_idle and waits and not all_busy,
        Limit.ACCEPT_QUEUE: _is_full(evidence.accept_queue) and not all_busy,
    }
    return next((limit for limit, is_shown in shown.items() if is_shown), Limit.UNKNOWN)


def _is_full(share: float | None) -> bool:
    return share is not None and share >= FULL
