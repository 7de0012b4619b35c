"""The limit of a server in words: what was at its limit, by which readings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.figures import units
from servescope.findings.finding import Figure
from servescope.sentences import counted
from servescope.statistics.capacity_limits import SERVER_LIMITS, Limit, limit_of

if TYPE_CHECKING:
    from servescope.statistics.capacity_limits import EdgeEvidence

_HOST, _PORTS, _LATENCY = "/host", "/ports", "/latency"
_IDLE: Final = 0.5
"""Cores of the machine that idled: from here on the server could have had another one."""

_ELSEWHERE: Final = (
    "something that is not known here: nothing is read of its threads, queues and cores, nor of "
    "the network in between"
)
_NOT_MEASURED: Final = "something that was not measured: nothing else was at its limit"


class ToldLimit(NamedTuple):
    """The limit of a server, as it stands after `limited by`, and the page that shows more."""

    words: str
    link: str
    is_known: bool
    figures: tuple[Figure, ...]


def told_limit(readings: EdgeEvidence) -> ToldLimit:
    """The limit that the readings show."""
    limit = limit_of(readings)
    if readings.is_elsewhere and limit is not Limit.GENERATOR:
        return ToldLimit(_ELSEWHERE, _LATENCY, is_known=False, figures=())
    threads, busy = readings.threads or 0, readings.busy_threads
    cores = units.text(readings.process_cores, units.CORES)
    of_core = f"its busiest process used {cores} of one"
    beside = _others_beside(readings)
    some = f"{units.number(busy or 0.0)} of {counted(threads, 'thread')} had a request on average"
    in_app = f"{units.number(readings.in_app or 0.0)} requests were in it"
    of_others = (
        f"other programs, which used {units.text(readings.others_cores, units.CORES)} of a core"
    )
    machine = units.text_in_words(readings.machine_busy, "1")
    shared = ""
    if readings.is_disturbed:
        # On such a machine one process and several look alike but for the share that each got.
        several = f"the busiest of its {readings.processes} processes"
        own = several if readings.processes > 1 else "its one busy process"
        shared = f", a part of it by {of_others}; {own} got {cores} of one"
    words, link = {
        Limit.GIL: (f"{_of_gil(readings)} while {some}{beside}", _HOST),
        Limit.CORES: (f"CPU of its cores: {_of_processes(readings)}{beside}", _HOST),
        Limit.CORE: (f"CPU of one core: {of_core}{beside}", _HOST),
        Limit.MACHINE: (
            f"CPU of all cores: {machine} of the machine was in use{shared or beside}",
            _HOST,
        ),
        Limit.OTHERS: (f"{of_others}, so what else limits it is not known", _HOST),
        Limit.THREADS: (f"threads: {some} while {of_core} core", _PORTS),
        Limit.ACCEPT_QUEUE: (
            f"the accept queue: it was full while {of_core} core and no thread was lacking",
            _PORTS,
        ),
        Limit.APP_WAIT: (
            f"the app's own waiting: {in_app} on average while {of_core} core",
            _LATENCY,
        ),
        Limit.GENERATOR: ("the generator, which was late, or out of CPU or connections", _HOST),
    }.get(limit, (_NOT_MEASURED, _HOST))
    figures = (
        Figure("CPU of its busiest process", readings.process_cores, units.CORES),
        Figure("CPU of all its processes", readings.all_cores, units.CORES),
        Figure("CPU of other programs", readings.others_cores, units.CORES),
        Figure("busy threads", busy),
        Figure("CPU of the machine", readings.machine_busy, "1"),
        Figure("CPU of the generator", readings.generator_cpu, units.CORES),
        Figure("requests in the app", readings.in_app),
        Figure("accept queue of its backlog", readings.accept_queue, "1"),
    )
    return ToldLimit(words, link, limit in SERVER_LIMITS, figures)


def _of_gil(readings: EdgeEvidence) -> str:
    """The GIL alone is named where the process could have had a second core, and took none."""
    cores = units.text(readings.process_cores, units.CORES)
    if readings.is_pinned:
        return f"the GIL or one core: its one process, pinned to a core, used {cores} of it"
    idle = readings.idle_cores
    if readings.is_pinned is None or idle is None or idle < _IDLE:
        return f"the GIL or one core: its busiest process used {cores} of one"
    rest = units.text(idle, units.CORES)
    return f"the GIL: its one process used {cores} of a core, and {rest} of a core idled,"


def _of_processes(readings: EdgeEvidence) -> str:
    together = units.text(readings.all_cores, units.CORES)
    return f"its {readings.processes} busy processes used {together} of a core together"


def _others_beside(readings: EdgeEvidence) -> str:
    """The part of the cores that other programs had meanwhile; nothing where it is not known."""
    if readings.others_cores is None:
        return ""
    return f"; other programs used {units.text(readings.others_cores, units.CORES)} of a core"
