"""Judgements of the path of a request: which stage holds requests back, and how each stands.

The stage that holds requests back is the one in which most of them are at a time, once they are
there long enough to be noticed. In the kernel and in the queue they wait for whoever answers: the
threads or the loop keep them there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.figures import units
from servescope.findings import thresholds
from servescope.findings.finding import Figure, Finding, Severity, page_of
from servescope.findings.moment import busy_of, max_of, threads_severity, when
from servescope.findings.thresholds import severity
from servescope.queries.path import KERNEL, QUEUE, READ, PathStage, RequestPath
from servescope.records.listeners import ConcurrencyModel
from servescope.sentences import capitalized

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from servescope.findings.evidence import Evidence

APP: Final = "app"
BODY: Final = "body"
WRITE: Final = "write"
PATH_UNKNOWN: Final = "path-unknown"
"""The code of the finding that nothing was measured."""

WORKERS: Final = "workers"
"""The threads or loops: no stage of its own, and the reason of the waits before it."""

_UNFINISHED: Final = 2.0
"""So many times the mean of those that ended: then most of the time is that of unfinished ones."""

_THRESHOLDS: Final = {KERNEL: thresholds.KERNEL_WAIT, QUEUE: thresholds.THREAD_WAIT}
"""Of the waits for the server; every other stage is part of the time that a client waits."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The stage that holds requests back, and how bad that is."""

    stage: PathStage
    severity: Severity

    @property
    def is_of_unfinished(self) -> bool:
        """Whether it is known by requests that have not ended, so that their time is not."""
        return self.stage.wait_s > _UNFINISHED * (self.stage.mean_s or 0.0)


def holding(path: RequestPath) -> Holding | None:
    """The stage that holds the requests of a path back; None when none does, or nobody knows."""
    stage = max(path.stages, key=_occupancy, default=None)
    if stage is None or severity(thresholds.HELD, stage.wait_s) is Severity.GOOD:
        return None
    state = max_of(Severity.NOTE, _time_severity(stage.name, stage.wait_s))
    if stage.name == QUEUE:
        state = max_of(state, _workers_severity(path))
    found = Holding(stage, state)
    if found.is_of_unfinished and stage.name not in _THRESHOLDS:
        # An event stream has its body open for hours, and nothing is wrong with it.
        found = Holding(stage, Severity.NOTE if stage.name == BODY else Severity.WARN)
    return found


def most_held(paths: Iterable[RequestPath]) -> tuple[RequestPath, Holding] | None:
    """Of several paths the one that holds most requests back, and its stage."""
    held = [(path, found) for path in paths if (found := holding(path)) is not None]
    return max(held, key=lambda pair: _occupancy(pair[1].stage), default=None)


def stage_severities(paths: Iterable[RequestPath]) -> dict[str, Severity]:
    """How each stage stands, and the WORKERS; of several paths as on the one where it is worst.

    UNKNOWN is what was measured on none.
    """
    found: dict[str, Severity] = {}
    for path in paths:
        for name, state in _severities(path).items():
            found[name] = _worse_known(found.get(name, Severity.UNKNOWN), state)
    return found


def _severities(path: RequestPath) -> dict[str, Severity]:
    found = {}
    for stage in path.stages:
        state = Severity.UNKNOWN
        if stage.mean_s is not None:
            state = _time_severity(stage.name, stage.mean_s)
        elif stage.is_measured:
            state = Severity.GOOD
        if stage.name == KERNEL and stage.capacity and stage.most_waiting is not None:
            ratio = stage.most_waiting / stage.capacity
            state = _worse_known(state, severity(thresholds.ACCEPT_QUEUE, ratio))
        found[stage.name] = state
    found[WORKERS] = _workers_severity(path)
    return found


def held_requests(evidence: Evidence) -> Iterator[Finding]:
    """For each path the stage that holds its requests back; else that none does."""
    if not evidence.paths:
        return
    held = [(path, found) for path in evidence.paths if (found := holding(path)) is not None]
    for path, found in held:
        stage = found.stage
        yield Finding(
            found.severity,
            f"held-in-{stage.name}",
            path.called,
            _sentence(evidence, path, found),
            (
                Figure(f"requests in {stage.name}", stage.occupancy, "{request}"),
                Figure(f"mean time in {stage.name}", stage.mean_s, "s"),
                Figure("requests that ended", path.requests, "{request}"),
            ),
            _link(path, found),
        )
    if not held:
        yield _none_held(evidence)


def _none_held(evidence: Evidence) -> Finding:
    paths, verb = evidence.paths, evidence.verb
    requests = sum(path.requests for path in paths)
    limit = units.text(thresholds.THRESHOLDS[thresholds.HELD].warn, "s")
    state, code = Severity.NOTE, "none-held"
    if requests:
        told = f"No stage {verb('holds')} requests back: on average they {verb('are')} less than "
        told += f"{limit} in each."
    elif any(stage.is_measured for path in paths for stage in path.stages):
        told = f"No request ended, and no stage {verb('holds')} any back."
    else:
        state, code = Severity.UNKNOWN, PATH_UNKNOWN
        told = f"Nothing was measured of the path of requests {when(evidence)}."
    figures = (Figure("requests that ended", requests, "{request}"),)
    return Finding(state, code, "requests", told, figures, "/latency")


def _link(path: RequestPath, found: Holding) -> str:
    """The page with the mean time of a stage; or with the number of those that have not ended."""
    if found.is_of_unfinished:
        return link_of(found.stage.name, path.listener)
    return page_of("/latency", path.listener)


def link_of(stage: str, listener: str) -> str:
    """The page with the graphs of a stage."""
    if stage in {KERNEL, QUEUE, WORKERS}:
        return "/ports"
    return page_of("/latency", listener)


def _sentence(evidence: Evidence, path: RequestPath, found: Holding) -> str:
    stage, name, verb = found.stage, path.called, evidence.verb
    if found.is_of_unfinished:
        number = units.number(stage.occupancy or 0.0)
        noun = "request" if number == "1" else "requests"
        ended = "" if path.requests else f"; none {verb('has')} ended"
        place = _PLACES[stage.name].format(**evidence.verbs)
        told = f"{capitalized(name)} {verb('has')} {number} unfinished {noun} {place}, on average "
        told += f"of {_seconds(evidence, path)}{ended}"
    else:
        mean = units.text(stage.mean_s, "s")
        told = _TOLD[stage.name].format(name=name, mean=mean)
    return f"{told}{_reason(path, stage.name).format(**evidence.verbs)}."


def _seconds(evidence: Evidence, path: RequestPath) -> str:
    """The seconds that a mean is of: the number of this moment may be another."""
    seconds = units.length(path.seconds)
    return seconds if evidence.is_past else f"the last {seconds}"


_PLACES: Final = {
    KERNEL: "in the kernel, to be accepted or read",
    READ: "that it still {reads}",
    QUEUE: "in the queue for a thread",
    APP: "in the app",
    BODY: "whose response body the app still {makes}",
    WRITE: "whose response it still {writes}",
}
_TOLD: Final = {
    KERNEL: "Requests to {name} that ended waited {mean} on average in the kernel, before the "
    "server read them",
    READ: "Requests to {name} that ended took {mean} on average to arrive, from their first byte "
    "to the end of their body: the clients sent slowly",
    QUEUE: "Requests to {name} that ended waited {mean} on average for a thread",
    APP: "Requests to {name} that ended were {mean} on average in the app, until its response head "
    "was ready",
    BODY: "Requests to {name} that ended waited {mean} on average for the app to make the response "
    "body",
    WRITE: "Responses of {name} that ended waited {mean} on average for their clients to take them",
}
"""Of requests that ended: how long the others will take is not known yet."""


def _reason(path: RequestPath, stage: str) -> str:
    """Why requests wait for the server, as far as that is known; its verbs are in braces."""
    if stage not in {KERNEL, QUEUE}:
        return ""
    if path.model == ConcurrencyModel.SEQUENTIAL:
        mostly = _mostly(path, {READ, APP, BODY, WRITE})
        return f": its one thread {{serves}} one connection at a time{mostly}"
    workers = path.workers
    if workers.loops:
        return ": its event loop {comes} to them late, as it does when the app computes or blocks"
    if workers.threads and workers.busy_threads is not None:
        busy = busy_of(workers.threads, workers.busy_threads)
        mostly = _mostly(path, _busy_in(path, workers.busy_threads))
        return f": {busy} of {workers.threads} request threads {{are}} busy{mostly}"
    return ""


def _mostly(path: RequestPath, wanted: Collection[str]) -> str:
    """Where the requests are that keep the threads busy; nothing where nobody knows."""
    stages = [one for one in path.stages if one.name in wanted and one.occupancy]
    longest = max(stages, key=_occupancy, default=None)
    return "" if longest is None else f", most of the time {_BUSY_WITH[longest.name]}"


def _busy_in(path: RequestPath, busy_threads: float) -> Collection[str]:
    """The stages that may keep threads busy.

    A response whose end is known waits for its client without a thread; one that still grows does
    not. So the write counts only where the app's own stages leave most of the threads unexplained.
    """
    of_app = sum(one.occupancy or 0.0 for one in path.stages if one.name in {APP, BODY})
    return {APP, BODY} if of_app >= busy_threads / 2 else {APP, BODY, WRITE}


_BUSY_WITH: Final = {
    READ: "to read what its client {sends}",
    APP: "in the app",
    BODY: "with the response body",
    WRITE: "with clients that {take} the response slowly",
}


def _time_severity(stage: str, seconds: float) -> Severity:
    return severity(_THRESHOLDS.get(stage, thresholds.LATENCY), seconds)


def _workers_severity(path: RequestPath) -> Severity:
    workers, queue = path.workers, path.stage(QUEUE) or PathStage(QUEUE)
    if not workers.threads or workers.busy_threads is None:
        return Severity.UNKNOWN if workers.on_loop is None else Severity.GOOD
    ratio = busy_of(workers.threads, workers.busy_threads) / workers.threads
    return threads_severity(ratio, round(queue.occupancy or 0), queue.requests_per_s)


def _worse_known(one: Severity, other: Severity) -> Severity:
    if Severity.UNKNOWN in {one, other}:
        return other if one is Severity.UNKNOWN else one
    return max_of(one, other)


def _occupancy(stage: PathStage) -> float:
    occupancy = stage.occupancy
    return -math.inf if occupancy is None else occupancy
