"""The path of a request: which stage holds how many requests, and for how long.

Two accounts say how many requests are in a stage at a time. Those that ended give the sum of their
time in it over the length of the span (Little's law: number = rate x time); unfinished ones are not
in it. The gauges count the unfinished ones, once a second: they miss the short ones. So the larger
of both is taken, the gauge's only from one request on: less is a second that met one by chance.

The sum has the whole time of a request that began before the span, so it may be more than there was
room for: 8 threads that answer within 0.2 s would hold 8.3 requests over 5 s. The app and its body
hold a thread, so they are given no more than the time of all threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from servescope import catalog
from servescope.histogram import BUCKETS, supported_quantiles
from servescope.queries import latency
from servescope.queries.measured_stages import measured_stages
from servescope.queries.span import Span
from servescope.queries.traffic import LISTENER, server_kinds
from servescope.records.listeners import ConcurrencyModel, ListenerState
from servescope.records.requests import Stage
from servescope.records.server_kinds import ServerKind
from servescope.records.temporary_listeners import is_temporary
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.records.listeners import ListenerStatus
    from servescope.store.query import Query

Number = TypeVar("Number", int, float)

TOGETHER: Final = ""
"""In place of a listener's name: all of them together."""

KERNEL: Final = "kernel"
READ: Final = "read"
QUEUE: Final = "queue"
STAGES: Final = tuple(stage.name.lower() for stage in Stage)

_STAGE: Final = "stage"
_PORT: Final = "port"
_IN_THREAD: Final = frozenset(("app", "body"))
"""The stages in which a request holds one of the listener's threads; a write may wait without."""


@dataclass(frozen=True, slots=True)
class PathStage:
    """One stage over a span; times in seconds, of the requests that ended. None: not known.

    `occupancy`: how many requests were in it at a time, mean. `most_waiting`: the most that waited
    at any second's reading, in the accept queue or for a thread, `newest_waiting` those of the last
    one; `capacity`: how many may, None of several listeners together: their backlogs share no room.
    """

    name: str
    requests: int = 0
    requests_per_s: float = 0.0
    mean_s: float | None = None
    p50_s: float | None = None  # as all percentiles None of too few requests
    p99_s: float | None = None
    occupancy: float | None = None
    most_waiting: float | None = None
    capacity: float | None = None
    newest_waiting: float | None = None

    @property
    def is_measured(self) -> bool:
        """Whether anything is known of it."""
        return not (self.mean_s is None and self.occupancy is None and self.most_waiting is None)

    @property
    def wait_s(self) -> float:
        """How long a request is in it, unfinished ones included (Little's law); 0 when unknown.

        Infinite where requests are in it and none has ended.
        """
        if not self.occupancy:
            return 0.0
        return self.occupancy / self.requests_per_s if self.requests_per_s else math.inf


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that answer requests: threads, event loops, or both where listeners differ.

    `threads` and `loops` are None where nobody knows: another host's, or an app under another
    server. `busy_threads` is a mean; so is `on_loop`, the unfinished requests of event loops.
    """

    threads: int | None = None
    busy_threads: float | None = None
    loops: int | None = None
    on_loop: float | None = None
    processes: int | None = None  # that have the threads, apart from the one that collects

    def plus(self, other: Workers) -> Workers:
        """Both together, as far as they are known."""
        return Workers(
            _sum(self.threads, other.threads),
            _sum(self.busy_threads, other.busy_threads),
            _sum(self.loops, other.loops),
            _sum(self.on_loop, other.on_loop),
            _sum(self.processes, other.processes),
        )


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """Accepted connections at any second's reading; None: not measured.

    `left`: those that their clients have closed, and the server has not.
    """

    most: float | None = None
    newest: float | None = None
    most_left: float | None = None
    newest_left: float | None = None


@dataclass(frozen=True, slots=True)
class RequestPath:
    """The path of the requests of one listener, or of all together, over a span.

    `stages` has those that there are: requests to an event loop queue for no thread. `model` is the
    name of the concurrency model, "" where it is unknown or there are several. `seconds` are those
    of the span that were recorded; `step` is how many a row of the store spans.
    """

    listener: str
    seconds: int
    step: int = 1
    model: str = ""
    connections: OpenConnections = field(default_factory=OpenConnections)
    connections_per_s: float = 0.0  # accepted
    turned_away_per_s: float = 0.0  # of these, for there was no room
    stages: tuple[PathStage, ...] = ()
    workers: Workers = field(default_factory=Workers)
    kind: ServerKind = ServerKind.LISTENER

    @property
    def called(self) -> str:
        """Its name in a sentence, as `listener wsgi`; of all together empty."""
        return self.kind.called(self.listener) if self.listener else ""

    def stage(self, name: str) -> PathStage | None:
        """The stage of that name, None when it is not on this path."""
        return next((one for one in self.stages if one.name == name), None)

    @property
    def requests(self) -> int:
        """Requests that ended in the span."""
        return max((one.requests for one in self.stages), default=0)


@dataclass(slots=True)
class _Account:
    """The sums of one listener, which add up over listeners; NaN: not recorded."""

    seconds: int
    step: int
    has_queue: bool = True
    model: str = ""
    workers: Workers = field(default_factory=Workers)
    counts: dict[str, float] = field(default_factory=dict)  # by stage, as are all below
    timed: dict[str, float] = field(default_factory=dict)  # of these, where a clock was read
    sums_s: dict[str, float] = field(default_factory=dict)
    within_s: dict[str, float] = field(default_factory=dict)  # of these what the span has room for
    threads_s: float | None = None  # the time of all threads, where they are known all along
    buckets: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)  # means
    waiting: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # the most of each step
    capacity: dict[str, float] = field(default_factory=dict)
    open_connections: NDArray[np.float64] | None = None  # the most of each step
    left_connections: NDArray[np.float64] | None = None  # the same of those that clients closed
    connections: float = 0.0
    turned_away: float = 0.0

    def path(self, listener: str) -> RequestPath:
        return RequestPath(
            listener,
            self.seconds,
            self.step,
            self.model,
            self._connections(),
            self.connections / self.seconds,
            self.turned_away / self.seconds,
            tuple(self._stage(name) for name in STAGES if name != QUEUE or self.has_queue),
            self.workers,
        )

    def _connections(self) -> OpenConnections:
        opened, left = self.open_connections, self.left_connections
        if opened is None:
            return OpenConnections()
        if left is None:
            return OpenConnections(_most(opened), _newest(opened))
        return OpenConnections(_most(opened), _newest(opened), _most(left), _newest(left))

    def _stage(self, name: str) -> PathStage:
        count, sum_s = self.counts.get(name, 0.0), self.sums_s.get(name, 0.0)
        gauge, capacity = self.gauges.get(name), self.capacity.get(name)
        waiting = self.waiting.get(name)
        most = None if waiting is None else _most(waiting)
        newest = None if waiting is None else _newest(waiting)
        timed = self.timed.get(name, 0.0)
        if count and not timed:
            return PathStage(
                name,
                round(count),
                count / self.seconds,
                occupancy=gauge,
                most_waiting=most,
                capacity=capacity,
                newest_waiting=newest,
            )
        p50, p99 = supported_quantiles(
            self.buckets.get(name, np.zeros(BUCKETS, dtype=np.int64)), (0.5, 0.99)
        ).tolist()
        return PathStage(
            name,
            round(count),
            count / self.seconds,
            sum_s / timed if timed else None,
            None if math.isnan(p50) else p50,
            None if math.isnan(p99) else p99,
            self._occupancy(name, timed, gauge),
            most,
            capacity,
            newest,
        )

    def _occupancy(self, name: str, timed: float, gauge: float | None) -> float | None:
        """See the head of the module."""
        of_ended = self.within_s.get(name, 0.0) / self.seconds
        if gauge is None:
            return of_ended if timed else None
        # Of such requests most of the time lies before the span.
        if timed and self.sums_s[name] / timed >= self.seconds:
            return gauge
        return max(of_ended, gauge if gauge >= 1 else 0.0)

    def limit_to_threads(self) -> None:
        """Give the stages that hold a thread no more time than all threads had."""
        self.within_s = dict(self.sums_s)
        busy_s = sum(self.sums_s.get(name, 0.0) for name in _IN_THREAD)
        if self.threads_s is not None and busy_s > self.threads_s:
            for name in _IN_THREAD & self.sums_s.keys():
                self.within_s[name] *= self.threads_s / busy_s


def request_paths(
    context: QueryContext, span: Span, listed: Sequence[ListenerStatus]
) -> dict[str, RequestPath]:
    """The path of each listener over a span, and under TOGETHER of all of them.

    Listeners: those `listed`, as they are now, and all others that requests or open connections
    were recorded of, but for those of a comparison: of another host none are listed. Capacities are
    those at the end of the span; of a listener that was started or changed since then they are not
    known. The span is widened to whole rows of the store.
    """
    key = ("request paths", span, tuple(listed))
    return context.snapshots.get(key, lambda: _request_paths(context, span, listed))


def _request_paths(
    context: QueryContext, asked: Span, listed: Sequence[ListenerStatus]
) -> dict[str, RequestPath]:
    span, seconds = _recorded(context, asked)
    accounts = {one.name: _account_of(one, span, seconds) for one in listed}
    _add_open(context, span, seconds, accounts)
    _add_ended(context, span, seconds, accounts)
    _add_gauges(context, span, accounts)
    _add_accept_queues(context, span, listed, accounts)
    _add_connections(context, span, accounts)
    kinds = server_kinds(context)
    paths = {
        name: replace(account.path(name), kind=kinds(name)) for name, account in accounts.items()
    }
    together = _together(accounts.values(), _Account(seconds, span.step, has_queue=False))
    paths[TOGETHER] = together.path(TOGETHER)
    return paths


def _recorded(context: QueryContext, asked: Span) -> tuple[Span, int]:
    """The span in whole rows of the tier that has it, and how many seconds of it were recorded."""
    found = context.store.aggregate(asked.query(catalog.STAGE_DURATION), Aggregation.SUM)
    step = found.actual_step
    span = Span(asked.start // step * step, -(-asked.end // step) * step, step)
    if not len(found.values):
        return span, span.end - span.start
    return span, max(int(np.isfinite(found.values[0]).sum()), 1) * step


def _account_of(status: ListenerStatus, span: Span, seconds: int) -> _Account:
    """The account of a listener before any row; a stopped one has no threads and no loop."""
    account = _Account(seconds, span.step)
    if status.state is ListenerState.RUNNING and status.since_s < span.end:
        account.model = status.model
        account.has_queue = not status.has_event_loop
        if account.has_queue and status.request_threads and status.since_s <= span.start:
            account.threads_s = float(status.request_threads * seconds)
        is_prefork = status.model == ConcurrencyModel.PREFORK
        account.workers = Workers(
            threads=status.request_threads,
            loops=int(status.has_event_loop),
            processes=status.options.workers if is_prefork else 0,
        )
    return account


def _add_open(
    context: QueryContext, span: Span, seconds: int, accounts: dict[str, _Account]
) -> None:
    """Open connections, read each second of listeners that nobody asks anything, too."""
    query = span.query(catalog.OPEN_CONNECTIONS, by=(LISTENER,))
    for (name,), values in _by_group(context, query, Aggregation.MAX).items():
        if name in accounts or not is_temporary(name):
            accounts.setdefault(name, _Account(seconds, span.step)).open_connections = values


def _add_ended(
    context: QueryContext, span: Span, seconds: int, accounts: dict[str, _Account]
) -> None:
    """Requests that ended, and connections that were accepted or turned away."""
    total = latency.stage_totals(context, span)
    is_measured = measured_stages(context, span)
    rows = zip(total.groups, total.count, total.sum_s, total.buckets, strict=True)
    for (name, stage), count, sum_s, buckets in rows:
        if not count or is_temporary(name):
            continue
        account = accounts.setdefault(name, _Account(seconds, span.step))
        account.counts[stage] = float(count)
        if is_measured(name, stage, float(sum_s)):
            account.timed[stage] = float(count)
            account.sums_s[stage] = float(sum_s)
            account.buckets[stage] = buckets
    for account in accounts.values():
        account.limit_to_threads()
    opened = context.store.total(span.query(catalog.NEW_CONNECTIONS, by=(LISTENER,)))
    for (name,), count in zip(opened.groups, opened.count, strict=True):
        if name in accounts:
            accounts[name].connections = float(count)


def _add_gauges(context: QueryContext, span: Span, accounts: Mapping[str, _Account]) -> None:
    """Unfinished requests, where they are."""

    def means(metric: str, *labels: str) -> dict[tuple[str, ...], float]:
        return _means_of(context, span.query(metric, by=(LISTENER, *labels)))

    of_queue = span.query(catalog.QUEUED_REQUESTS, by=(LISTENER,))
    most_queued = _by_group(context, of_queue, Aggregation.MAX)
    queued, busy = means(catalog.QUEUED_REQUESTS), means(catalog.BUSY_THREADS)
    active = means(catalog.ACTIVE_REQUESTS)
    in_stage = means(catalog.REQUESTS_IN_STAGE, _STAGE)
    for name, account in accounts.items():
        account.workers = replace(
            account.workers,
            busy_threads=busy.get((name,)),
            on_loop=active.get((name,)) if account.workers.loops else None,
        )
        account.gauges = {
            stage: in_stage[name, stage] for stage in STAGES if (name, stage) in in_stage
        }
        if (name,) in queued:
            account.gauges[QUEUE] = queued[name,]
            account.waiting[QUEUE] = most_queued[name,]


def _add_accept_queues(
    context: QueryContext,
    span: Span,
    listed: Sequence[ListenerStatus],
    accounts: Mapping[str, _Account],
) -> None:
    """Connections that wait to be accepted at the port that a listener has now."""
    depth = span.query(catalog.ACCEPT_QUEUE_DEPTH, by=(_PORT,))
    means, most = _means_of(context, depth), _by_group(context, depth, Aggregation.MAX)
    backlogs = _by_group(
        context, span.query(catalog.ACCEPT_QUEUE_BACKLOG, by=(_PORT,)), Aggregation.MAX
    )
    for status in listed:
        port, account = (str(status.port),), accounts[status.name]
        if port in means and port in most:
            account.gauges[KERNEL] = means[port]
            account.waiting[KERNEL] = most[port]
        if port in backlogs:
            account.capacity[KERNEL] = float(np.nanmax(backlogs[port]))


def _add_connections(context: QueryContext, span: Span, accounts: Mapping[str, _Account]) -> None:
    """Connections that were turned away, and those that their clients have left."""
    turned_away = context.store.total(span.query(catalog.TURNED_AWAY, by=(LISTENER,)))
    for (name,), count in zip(turned_away.groups, turned_away.count, strict=True):
        if name in accounts:
            accounts[name].turned_away = float(count)
    query = span.query(catalog.LEFT_CONNECTIONS, by=(LISTENER,))
    left = _by_group(context, query, Aggregation.MAX)
    for name, account in accounts.items():
        account.left_connections = left.get((name,))


def _most(values: NDArray[np.float64]) -> float:
    return float(np.nanmax(values))


def _newest(values: NDArray[np.float64]) -> float:
    return float(values[np.isfinite(values)][-1])


def _means_of(context: QueryContext, query: Query) -> dict[tuple[str, ...], float]:
    """The mean of a gauge over the whole span, by its labels."""
    found = _by_group(context, query, Aggregation.AVG)
    return {group: float(np.nanmean(values)) for group, values in found.items()}


def _by_group(
    context: QueryContext, query: Query, aggregation: Aggregation
) -> dict[tuple[str, ...], NDArray[np.float64]]:
    """A gauge over time by its labels, of those that have a value."""
    found = context.store.aggregate(query, aggregation)
    return {
        group: values
        for group, values in zip(found.groups, found.values, strict=True)
        if not np.isnan(values).all()
    }


def _together(accounts: Iterable[_Account], whole: _Account) -> _Account:
    """All listeners as one, added to an account of nothing."""
    models = set()
    for account in accounts:
        models.add(account.model)
        whole.has_queue |= account.has_queue
        whole.connections += account.connections
        whole.turned_away += account.turned_away
        if account.left_connections is not None:
            left, so_far = np.nan_to_num(account.left_connections), whole.left_connections
            whole.left_connections = left if so_far is None else so_far + left
        if account.open_connections is not None:
            opened = np.nan_to_num(account.open_connections)
            before = whole.open_connections
            whole.open_connections = opened if before is None else before + opened
        whole.workers = whole.workers.plus(account.workers)
        for name in ("counts", "timed", "sums_s", "within_s", "buckets", "gauges"):
            sums, added = getattr(whole, name), getattr(account, name)
            for stage, value in added.items():
                sums[stage] = sums[stage] + value if stage in sums else value
        for stage, values in account.waiting.items():
            # The most of all together is not the sum of what each had at most.
            whole.waiting[stage] = whole.waiting.get(stage, 0.0) + np.nan_to_num(values)
    whole.model = models.pop() if len(models) == 1 else ""
    return whole


def _sum(one: Number | None, other: Number | None) -> Number | None:
    """The sum of what is known."""
    if one is None or other is None:
        return one if other is None else other
    return one + other
