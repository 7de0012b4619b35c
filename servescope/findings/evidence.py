"""The measurements that judgements rest on; None always means: not measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from servescope.records.listeners import ListenerState
from servescope.records.server_kinds import ServerKind
from servescope.statistics.capacity_limits import EdgeEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.queries.path import RequestPath
    from servescope.records.load import RunState
    from servescope.scenarios.rules import RuleResult
    from servescope.statistics.capacity_search import Outcome


class AnsweringListener:
    """A listener that requests came to, by whichever evidence of it."""

    __slots__ = ()

    name: str
    kind: ServerKind
    requests: int
    unread: int
    unanswered: int
    cut_off: int
    left: int
    answers_to_nobody: int
    p50_s: float | None
    p95_s: float | None

    @property
    def called(self) -> str:
        """Its name in a sentence, as `listener wsgi`."""
        return self.kind.called(self.name)

    @property
    def answers(self) -> int:
        """Requests that had an answer, or a part of one."""
        return self.requests - self.unanswered

    @property
    def read(self) -> int:
        """Requests that were read, those without an answer included: durations are of these."""
        return self.requests - self.unread


@dataclass(frozen=True, slots=True)
class ListenerEvidence(AnsweringListener):
    """One listener: its state now, and its figures over the window.

    Gauges are means over the window but for `accept_queue_depth`, which is the most of it, and for
    requests and connections, which are the newest readings, of a past span the most of it;
    percentiles come from the merged histogram of the window.
    """

    name: str
    state: ListenerState = ListenerState.RUNNING
    message: str = ""  # why it failed, or in what it is not as it should be
    port: int = 0  # 0: it has none, or it is not known
    port_holder: str | None = None  # of a stopped one: who listens at its port; "": nobody
    is_hosted: bool = True  # by a process of this data folder; else another server records it
    model: str = ""
    threads: int | None = None  # request threads of all its processes; None: the model has none
    busy_threads: float | None = None
    queued_requests: float | None = None
    requests: int = 0  # that ended in the window
    unread: int = 0  # of these answered before one was read, over capacity or no HTTP
    unanswered: int = 0  # of `requests`, whose connection was closed before an answer
    cut_off: int = 0  # of these by the server, since it was stopped or restarted
    left: int = 0  # of these by their clients; of older records nobody knows by whom
    server_errors: int = 0  # of `answers`, with a status of 5xx
    p50_s: float | None = None  # of the requests that were read
    p95_s: float | None = None
    kernel_wait_s: float | None = None  # mean
    thread_wait_s: float | None = None  # mean
    accept_queue_depth: float | None = None
    accept_backlog: float | None = None
    open_connections: float | None = None
    left_connections: float | None = None  # of these closed by their clients
    connection_limit: int | None = None  # of all its processes; None: it has none, or nobody knows
    new_connections: int = 0  # accepted in the window
    turned_away: int = 0  # of these, for there was no room
    answers_to_nobody: int = 0  # of `answers`, whose clients had gone
    refused: Mapping[int, int] = field(default_factory=dict)  # by its limits, by status
    kind: ServerKind = ServerKind.LISTENER


@dataclass(frozen=True, slots=True)
class ChosenEvidence:
    """The name of the listener or app that a page is narrowed to.

    `is_recorded`: anything ever was of one of this name; `is_here`: one stands or records now, None
    where nobody knows, as of another host.
    """

    name: str
    is_recorded: bool
    is_here: bool | None


@dataclass(frozen=True, slots=True)
class PortEvidence:
    """The most of a past span in the accept queue of a port that no listener has had since."""

    port: str
    accept_queue_depth: float
    accept_backlog: float | None

    @property
    def called(self) -> str:
        """Its name in a sentence, as `port 8000`."""
        return f"port {self.port}"


@dataclass(frozen=True, slots=True)
class TotalsEvidence:
    """All listeners together over the window.

    Percentiles are of the requests that were read; of too few they are None.
    """

    requests: int | None = None
    server_errors: int | None = None
    unread: int | None = None  # of the requests, answered before one was read
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    open_connections: float | None = None  # in the newest second
    left_connections: float | None = None  # of these closed by their clients
    accept_queue_depth: float | None = None  # of the port whose queue was the fullest
    accept_backlog: float | None = None  # of that port
    unanswered: int = 0  # of the requests, whose connection was closed before an answer
    answers_to_nobody: int = 0  # of those answered, whose clients had gone

    @property
    def answers(self) -> int | None:
        """Requests that had an answer, or a part of one."""
        return None if self.requests is None else self.requests - self.unanswered


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """The hardware below the server, means over the window; shares are from 0 to 1."""

    cpu_utilization: float | None = None
    core_utilizations: Mapping[str, float] = field(default_factory=dict)  # by logical number
    memory_utilization: float | None = None
    load_average: float | None = None
    container_cpu_ratio: float | None = None  # of the limit of our cgroup; None: none is set
    container_memory_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A load run, as its generator counted it; times in seconds.

    `target` is what it loaded, as sentences name it: `listener wsgi`, `model prefork`.
    `censored_from_s` is the shortest latency among the requests that timed out: from there on a
    latency is a lower bound.
    """

    id: int
    target: str
    state: RunState
    message: str = ""
    rate_asked: float = 0.0
    peak_rate_asked: float = 0.0  # the highest, where the schedule has more than one
    schedule_s: float = 0.0  # for how long requests came due
    timeout_s: float = 0.0
    sent: int = 0  # requests that came due, whether or not they got a connection
    answered: int = 0
    answered_in_schedule: int | None = None  # before the schedule's end
    failed: Mapping[str, int] = field(default_factory=dict)  # by LoadOutcome, in lower case
    cancelled: int = 0
    server_errors: int = 0  # answers with a status of 5xx
    client_errors: int = 0  # answers with a status of 4xx
    p50_s: float | None = None  # from the intended send
    p99_s: float | None = None
    naive_p99_s: float | None = None  # from the actual send
    is_naive_p99_bound: bool = False  # from below, by requests that timed out
    censored_from_s: float | None = None
    lag_p99_s: float | None = None  # by how much the generator took requests up late
    lag_max_s: float | None = None
    generator_cpu_ratio: float | None = None  # of one core
    unfinished_at_start: int | None = None  # requests of earlier clients, queued or in the app
    users: int | None = None  # of the closed model; None in the open one
    requests_per_flow: float = 1.0  # each is due when the one before it was answered
    naive_p50_s: float | None = None
    naive_p10_s: float | None = None  # what a fast answer takes
    blocked: int | None = None  # requests that waited since all connections were in use
    connection_limit: int | None = None
    messages: int = 0  # of WebSockets
    messages_failed: int = 0  # had none in return
    rules: tuple[RuleResult, ...] = ()  # of its scenario
    generator: str = ""  # nothing: that of Servescope
    is_server_full: bool = False  # by readings of the server: it could not have answered more
    never_sent: int = 0  # of those that timed out: they got no connection in time
    awaited: int = 0  # of those due: not ended yet, while the run is under way
    awaited_for_s: float | None = None  # of these the longest, its timeout at most

    @property
    def ended(self) -> int:
        """Requests of which it is known how they ended."""
        return self.sent - self.awaited

    @property
    def failures(self) -> int:
        """Requests that ended without a whole answer."""
        return sum(self.failed.values())

    @property
    def answered_per_s(self) -> float | None:
        """Answers per second of the schedule: the wait for timeouts after its end counts not."""
        if not self.schedule_s or self.answered_in_schedule is None:
            return None
        return self.answered_in_schedule / self.schedule_s

    @property
    def generator_lateness(self) -> float | None:
        """By how much it took 1 in 100 requests up late, as a share of the schedule."""
        if self.lag_p99_s is None or not self.schedule_s:
            return None
        return self.lag_p99_s / self.schedule_s

    def is_censored(self, latency_s: float | None) -> bool:
        """Whether a latency is a lower bound, since a request that timed out may stand for it."""
        limit = self.censored_from_s
        return latency_s is not None and limit is not None and latency_s >= limit


@dataclass(frozen=True, slots=True)
class ClocksEvidence:
    """The same requests by the clock of their client and by the stages of the server."""

    run_id: int
    client_requests: int
    server_requests: int
    client_mean_s: float | None = None
    server_mean_s: float | None = None
    server_unread: int = 0  # answered besides, before a request was read
    kind: ServerKind = ServerKind.LISTENER
    is_client_bound: bool = False  # its mean, from below, by requests that timed out


@dataclass(frozen=True, slots=True)
class ContenderEvidence:
    """One target of a comparison; `name` is its name in sentences, as `prefork`, `listener wsgi`.

    `readings` are of the time in which requests came due.
    """

    name: str
    run: RunEvidence
    cpu_us_per_request: float | None = None
    readings: EdgeEvidence | None = None


@dataclass(frozen=True, slots=True)
class CapacityEvidence:
    """A search for what a listener carries; rates in requests per second, times in seconds.

    `server` is what it loaded, as sentences name it: `listener wsgi`, `app shop`. `bound` is the
    rate that held, or did not, where no capacity was found. The readings are means of the steps
    just above the edge.
    """

    server: str
    target: str
    latency_limit_s: float
    error_limit: float
    outcome: Outcome
    rate: float | None = None
    low: float = 0.0
    high: float = 0.0
    bound: float | None = None
    reason: str = ""
    readings: EdgeEvidence = field(default_factory=EdgeEvidence)


@dataclass(frozen=True, slots=True)
class DashboardEvidence:
    """How far the data can be trusted to be of now."""

    age_s: float | None = None  # now minus the end of the newest second; None: there is none
    has_leader: bool | None = None
    lost_requests: int = 0  # of the window: overwritten in a ring before they were collected


@dataclass(frozen=True, slots=True)
class FleetHostEvidence:
    """A host that sends to the same engine, and for how long it has been silent."""

    name: str
    silent_s: float


THIS_SPAN: Final = "in this span"
"""When it was that a page's sentences speak of: in the span of its time bar."""


@dataclass(frozen=True, slots=True)
class SpanListenerEvidence(AnsweringListener):
    """One listener over the span of a page; `stages_s` are means by stage, of requests it read."""

    name: str
    requests: int = 0  # that ended
    server_errors: int = 0  # of `answers`, with a status of 5xx
    p95_s: float | None = None  # of the requests that were read
    stages_s: Mapping[str, float] = field(default_factory=dict)
    queued_requests: float | None = None  # the most at a time
    unread: int = 0  # of the requests, answered before one was read
    unread_errors: int = 0  # of these, with a status of 5xx: turned away
    kind: ServerKind = ServerKind.LISTENER
    unanswered: int = 0  # of the requests, whose connection was closed before an answer
    cut_off: int = 0  # of these by the server, since it was stopped or restarted
    left: int = 0  # of these by their clients; of older records nobody knows by whom
    p50_s: float | None = None  # of the requests that were read
    answers_to_nobody: int = 0  # of `answers`, whose clients had gone

    @property
    def mean_s(self) -> float:
        """Mean of a request: the sum of its stages."""
        return sum(self.stages_s.values())


@dataclass(frozen=True, slots=True)
class SpanEvidence:
    """The span that a page shows, narrowed to `listener` unless that is empty."""

    listener: str = ""
    listeners: Sequence[SpanListenerEvidence] = ()  # those with requests
    is_recorded: bool = True  # any second of it
    kind: ServerKind = ServerKind.LISTENER  # of the one that it is narrowed to
    during: str = THIS_SPAN  # as sentences say when it was

    @property
    def called(self) -> str:
        """The server that it is narrowed to, in a sentence; empty where it is of all."""
        return self.kind.called(self.listener) if self.listener else ""


PAST_FORMS: Final = {
    "accepts": "accepted",
    "are": "were",
    "come": "came",
    "comes": "came",
    "drops": "dropped",
    "has": "had",
    "have": "had",
    "holds": "held",
    "is": "was",
    "makes": "made",
    "reads": "read",
    "send": "sent",
    "sends": "sent",
    "serves": "served",
    "take": "took",
    "try": "tried",
    "turns": "turned",
    "uses": "used",
    "wait": "waited",
    "waits": "waited",
    "works": "worked",
    "writes": "wrote",
}
"""Past form of each verb of the sentences that are said of now and of a past span."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is judged together: a moment, a span, paths, a run, a comparison, or several.

    `window_s`: how many seconds the figures of listeners, totals and host cover; `end_s`: the epoch
    second at which these end, None where there are none. `is_past`: they
    are those of a span that a person chose, else the last ones. Of the past the states of listeners
    are not known: `listeners` has those that figures were recorded of, and `former_ports` the ports
    of which nobody knows any more which listener had them.
    """

    window_s: int = 5
    dashboard: DashboardEvidence | None = None
    listeners: Sequence[ListenerEvidence] = ()
    former_ports: Sequence[PortEvidence] = ()
    totals: TotalsEvidence | None = None
    host: HostEvidence | None = None
    fleet: Sequence[FleetHostEvidence] = ()
    span: SpanEvidence | None = None
    chosen: ChosenEvidence | None = None
    run: RunEvidence | None = None
    clocks: ClocksEvidence | None = None
    contenders: Sequence[ContenderEvidence] = ()
    capacity: CapacityEvidence | None = None
    paths: Sequence[RequestPath] = ()
    is_past: bool = False
    end_s: int | None = None

    def verb(self, present: str) -> str:
        """The verb in the tense of what is judged: of a past span nobody knows what goes on now."""
        return PAST_FORMS[present] if self.is_past else present

    @property
    def verbs(self) -> dict[str, str]:
        """All verbs in that tense, by their present form."""
        return {present: self.verb(present) for present in PAST_FORMS}
