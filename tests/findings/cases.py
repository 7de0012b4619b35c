"""Evidence cases: each with the findings that it must give, and all others must be absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

from servescope.findings import CHOSEN, EVERYTHING, PORTS, Topic
from servescope.findings.evidence import (
    CapacityEvidence,
    ChosenEvidence,
    ClocksEvidence,
    ContenderEvidence,
    DashboardEvidence,
    Evidence,
    FleetHostEvidence,
    HostEvidence,
    ListenerEvidence,
    PortEvidence,
    RunEvidence,
    SpanEvidence,
    SpanListenerEvidence,
)
from servescope.queries.path import PathStage, RequestPath, Workers
from servescope.records.listeners import ListenerState
from servescope.records.load import RunState
from servescope.records.server_kinds import ServerKind
from servescope.scenarios.rules import RuleResult, RuleState
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.statistics.capacity_search import Outcome

CURRENT: Final = DashboardEvidence(age_s=0.4, has_leader=True)
QUIET_HOST: Final = HostEvidence(0.12, {"0": 0.2, "1": 0.04}, 0.4)
IDLE: Final = ListenerEvidence("wsgi", threads=8, busy_threads=0.0, queued_requests=0.0)
SERVING: Final = replace(IDLE, requests=1_000, p95_s=0.0019, busy_threads=0.4, kernel_wait_s=2e-5)
LOOP: Final = ListenerEvidence("asgi", model="asyncio", requests=500, p95_s=0.003)
KEPT_UP: Final = RunEvidence(
    7,
    "listener wsgi",
    RunState.DONE,
    rate_asked=200.0,
    peak_rate_asked=200.0,
    schedule_s=30.0,
    timeout_s=10.0,
    sent=6_000,
    answered=6_000,
    answered_in_schedule=5_999,
    p50_s=0.0011,
    p99_s=0.0082,
    naive_p99_s=0.0080,
    lag_p99_s=0.0004,
    lag_max_s=0.002,
    generator_cpu_ratio=0.1,
    unfinished_at_start=0,
)
OVERLOADED: Final = replace(
    KEPT_UP,
    schedule_s=20.0,
    sent=4_000,
    answered=480,
    answered_in_schedule=480,
    failed={"timed_out": 3_520, "refused": 0, "reset": 0},
    p50_s=10.1,
    p99_s=10.1,
    naive_p99_s=10.0,
    censored_from_s=10.0,
)


class Case(NamedTuple):
    """`expected`: code -> severity and words that its sentence must contain."""

    evidence: Evidence
    expected: dict[str, tuple[str, str]]
    topic: Topic = EVERYTHING


def moment(*listeners: ListenerEvidence, **others: Any) -> Evidence:
    """A moment with current data and a quiet host, unless told otherwise."""
    return Evidence(listeners=listeners, **{"dashboard": CURRENT, "host": QUIET_HOST, **others})


def past(*listeners: ListenerEvidence, window_s: int = 60, **others: Any) -> Evidence:
    """A past span with a quiet host, unless told otherwise."""
    return moment(*listeners, dashboard=None, is_past=True, window_s=window_s, **others)


def run(**changes: Any) -> Evidence:
    """A run that is over, like one that kept up but for the changes."""
    return Evidence(run=replace(KEPT_UP, **changes))


def models(
    *runs: RunEvidence,
    costs: tuple[float | None, ...] = (),
    readings: tuple[EdgeEvidence | None, ...] = (),
) -> Evidence:
    """A comparison of as many models as there are runs."""
    names = ("sequential", "thread pool", "prefork", "asyncio")
    nothing = (None, None, None, None)
    measured = zip(names, runs, (*costs, *nothing), (*readings, *nothing), strict=False)
    return Evidence(
        contenders=tuple(
            ContenderEvidence(name, replace(one, target=f"model {name}"), cost, read)
            for name, one, cost, read in measured
        )
    )


WELL: Final = ("good", "Nothing wrong was found")

MOMENTS: Final = {
    "nothing wrong, serving": Case(
        moment(SERVING, LOOP),
        {"nothing-wrong": ("good", "2 of 2 listeners run, 1,500 requests were served, p95 3 ms")},
    ),
    "nothing wrong, idle": Case(
        moment(IDLE), {"nothing-wrong": ("good", "1 of 1 listener runs, and no request came")}
    ),
    "nothing wrong, too few requests for a percentile": Case(
        moment(replace(SERVING, requests=19)),
        {"nothing-wrong": ("good", "19 requests were served.")},
    ),
    "nothing wrong, one listener stopped by a person": Case(
        moment(SERVING, replace(LOOP, state=ListenerState.STOPPED)),
        {"nothing-wrong": ("good", "1 of 2 listeners run (asgi is stopped)")},
    ),
    "all listeners were stopped by a person": Case(
        moment(
            replace(SERVING, state=ListenerState.STOPPED),
            replace(LOOP, state=ListenerState.STOPPED),
        ),
        {"none-runs": ("bad", "No listener runs (wsgi, asgi are stopped): nobody answers")},
    ),
    "no listener runs on a busy host": Case(
        moment(
            replace(SERVING, state=ListenerState.STOPPED),
            host=replace(QUIET_HOST, cpu_utilization=0.95),
        ),
        {"none-runs": ("bad", "No listener runs (wsgi is stopped)"), "cpu": ("warn", "95 % busy")},
    ),
    "one listener failed, and the other was stopped by a person": Case(
        moment(
            replace(SERVING, state=ListenerState.STOPPED),
            replace(LOOP, state=ListenerState.FAILED, message="port 8001 is taken"),
        ),
        {
            "listener-down": ("bad", "Listener asgi does not run: port 8001 is taken."),
            "none-runs": ("bad", "No listener runs (wsgi is stopped): nobody answers requests."),
        },
    ),
    "one listener starts, and the other was stopped by a person": Case(
        moment(
            replace(SERVING, state=ListenerState.STARTING),
            replace(LOOP, state=ListenerState.STOPPED),
        ),
        {"nothing-wrong": ("good", "0 of 2 listeners run (asgi is stopped), and no request came")},
    ),
    "nothing wrong, threads partly busy": Case(
        moment(replace(SERVING, busy_threads=5.0)), {"nothing-wrong": WELL}
    ),
    "nothing wrong, no threads and no gauge": Case(
        moment(replace(SERVING, threads=None, busy_threads=None)), {"nothing-wrong": WELL}
    ),
    "nothing wrong in a past span": Case(
        past(SERVING, LOOP, window_s=300),
        {
            "nothing-wrong": (
                "good",
                "in this span of 5 min: 1,500 requests were served, p95 3 ms at most.",
            )
        },
    ),
    "a past span without a request": Case(
        past(IDLE, window_s=7_200),
        {"nothing-wrong": ("good", "in this span of 2 h: no request came.")},
    ),
    "a past span in which nothing was recorded": Case(
        past(host=HostEvidence()),
        {"no-data-in-span": ("unknown", "Nothing was recorded in this span")},
    ),
    "server errors in a past span": Case(
        past(replace(SERVING, server_errors=50), window_s=90),
        {"server-errors": ("bad", "of listener wsgi in this span of 90 s were server errors")},
    ),
    "no data yet": Case(
        moment(SERVING, dashboard=DashboardEvidence()),
        {"no-data": ("unknown", "No second has been recorded yet")},
    ),
    "data of 12 s ago judges nothing": Case(
        moment(
            replace(SERVING, busy_threads=8.0, queued_requests=500.0),
            dashboard=DashboardEvidence(age_s=12.0, has_leader=True),
        ),
        {"stale-data": ("unknown", "12 s old")},
    ),
    "nobody collects": Case(
        moment(SERVING, dashboard=DashboardEvidence(age_s=60.0, has_leader=False)),
        {"stale-data": ("unknown", "No process collects at the moment.")},
    ),
    "a listener failed": Case(
        moment(SERVING, replace(LOOP, state=ListenerState.FAILED, message="port 8001 is taken")),
        {"listener-down": ("bad", "Listener asgi does not run: port 8001 is taken.")},
    ),
    "a listener failed without a reason": Case(
        moment(replace(LOOP, state=ListenerState.FAILED)),
        {"listener-down": ("bad", "it gave no reason")},
    ),
    "a failed listener is told though the data is old": Case(
        moment(
            replace(LOOP, state=ListenerState.FAILED, message="no such app"),
            dashboard=DashboardEvidence(age_s=30.0),
        ),
        {"listener-down": ("bad", "no such app"), "stale-data": ("unknown", "30 s old")},
    ),
    "all threads of one of three listeners are busy": Case(
        moment(
            replace(SERVING, name="slow", busy_threads=8.0, queued_requests=2_290.0, requests=200),
            IDLE,
            LOOP,
        ),
        {
            "threads-exhausted": (
                "bad",
                (
                    "Listener slow: 8 of 8 request threads are busy, and 2,290 requests wait for "
                    "one; "
                    "at 40 req/s served, a request that came now would wait about "
                    "57.2 s."
                ),
            )
        },
    ),
    "all threads busy, and most answers turn clients away": Case(
        moment(
            replace(
                SERVING, busy_threads=8.0, queued_requests=4_000.0, requests=2_000, unread=1_800
            )
        ),
        {
            "threads-exhausted": (
                "bad",
                "by a thread, a request that came now would wait about 100 s.",
            )
        },
    ),
    "all threads busy, and four of five new connections are turned away": Case(
        moment(
            replace(
                SERVING,
                busy_threads=8.0,
                queued_requests=4_000.0,
                requests=1_000,
                unread=800,
                new_connections=1_000,
                turned_away=800,
                connection_limit=4_096,
                open_connections=4_096.0,
            )
        ),
        {
            "threads-exhausted": (
                "bad",
                "would wait about 100 s unless turned away, as 80 % of new connections are.",
            ),
            "turned-away": (
                "bad",
                (
                    "Listener wsgi turned 800 of 1,000 new connections away in the last 5 s: it "
                    "has room for 4,096 beside those turned away."
                ),
            ),
        },
    ),
    "one of a thousand connections was turned away": Case(
        moment(replace(SERVING, new_connections=1_000, turned_away=1)),
        {"turned-away": ("warn", "turned 1 of 1,000 new connections away in the last 5 s.")},
    ),
    "hardly any room for further connections": Case(
        moment(replace(SERVING, open_connections=3_900.0, connection_limit=4_096)),
        {
            "connection-limit": (
                "warn",
                "Listener wsgi holds 3,900 connections open and has room for 4,096: beyond these",
            )
        },
    ),
    "room for further connections": Case(
        moment(replace(SERVING, open_connections=3_000.0, connection_limit=4_096)),
        {"nothing-wrong": WELL},
    ),
    "nearly all answers are for clients that have gone": Case(
        moment(replace(SERVING, requests=184, answers_to_nobody=180)),
        {
            "answers-to-nobody": (
                "bad",
                (
                    "180 of 184 answers of listener wsgi in the last 5 s came too late: their "
                    "clients had closed their side of the connection."
                ),
            )
        },
    ),
    "some answers are for clients that have gone": Case(
        moment(replace(SERVING, answers_to_nobody=120)),
        {"answers-to-nobody": ("warn", "120 of 1,000 answers of listener wsgi")},
    ),
    "few clients leave before their answer": Case(
        moment(replace(SERVING, answers_to_nobody=99)), {"nothing-wrong": WELL}
    ),
    "two of three clients left before their answer": Case(
        moment(replace(SERVING, requests=3, answers_to_nobody=2)), {"nothing-wrong": WELL}
    ),
    "a stop broke requests off before their answer": Case(
        moment(
            replace(
                SERVING,
                state=ListenerState.STOPPED,
                requests=480,
                unanswered=300,
                cut_off=300,
            )
        ),
        {
            "no-answer": (
                "bad",
                (
                    "300 of 480 requests to listener wsgi got no answer in the last 5 s: they were "
                    "cut off when listener wsgi was stopped or restarted."
                ),
            ),
            "none-runs": ("bad", "No listener runs (wsgi is stopped): nobody answers requests."),
        },
    ),
    "one connection was closed before its answer": Case(
        moment(replace(SERVING, unanswered=1)),
        {
            "no-answer": (
                "warn",
                (
                    "1 of 1,000 requests to listener wsgi got no answer in the last 5 s: its "
                    "connection was closed first, by the client or by the server."
                ),
            )
        },
    ),
    "clients left before their answers": Case(
        moment(replace(SERVING, unanswered=30, left=30)),
        {"no-answer": ("bad", "got no answer in the last 5 s: their clients left first.")},
    ),
    "a client left before its answer": Case(
        moment(replace(SERVING, unanswered=1, left=1)),
        {"no-answer": ("warn", "got no answer in the last 5 s: its client left first.")},
    ),
    "clients left before a stop cut off the others": Case(
        moment(replace(SERVING, unanswered=93, cut_off=92, left=1)),
        {
            "no-answer": (
                "bad",
                (
                    "92 were cut off when listener wsgi was stopped or restarted, and 1 client "
                    "left first."
                ),
            )
        },
    ),
    "no request was answered": Case(
        moment(replace(SERVING, requests=20, unanswered=20)),
        {"no-answer": ("bad", "20 of 20 requests to listener wsgi got no answer")},
    ),
    "errors are a share of the answers, not of requests without one": Case(
        moment(replace(SERVING, unanswered=990, server_errors=5)),
        {
            "no-answer": ("bad", "990 of 1,000 requests"),
            "server-errors": ("bad", "5 of 10 answers of listener wsgi"),
        },
    ),
    "threads are busy with requests that are broken off": Case(
        moment(replace(SERVING, busy_threads=8.0, queued_requests=100.0, unanswered=1_000)),
        {
            "no-answer": ("bad", "1,000 of 1,000 requests"),
            "threads-exhausted": ("bad", "none was served in the last 5 s"),
        },
    ),
    "a listener's own limits refused requests": Case(
        moment(replace(SERVING, refused={403: 10, 413: 2, 500: 7})),
        {
            "refused-by-limits": (
                "note",
                (
                    "refused 12 requests in the last 5 s by its own limits: 10 from addresses "
                    "kept out by its lists (403), 2 with too large a body (413)."
                ),
            ),
            "nothing-wrong": WELL,
        },
    ),
    "a listener's own limits refused too large bodies": Case(
        moment(replace(SERVING, refused={413: 2})),
        {
            "refused-by-limits": ("note", "refused 2 requests in the last 5 s by its own limits"),
            "nothing-wrong": WELL,
        },
    ),
    "all threads busy as sampled, a mean of 7.8": Case(
        moment(replace(SERVING, busy_threads=7.8, queued_requests=400.0)),
        {"threads-exhausted": ("bad", "8 of 8 request threads are busy")},
    ),
    "all threads were busy in a past span": Case(
        past(replace(SERVING, busy_threads=7.9, queued_requests=772.0, thread_wait_s=9.2)),
        {
            "threads-exhausted": (
                "bad",
                (
                    "Listener wsgi: 8 of 8 request threads were busy, and up to 772 requests at a "
                    "time waited for one; those that ended in this span of 60 s waited 9.2 s on "
                    "average."
                ),
            )
        },
    ),
    "all threads were busy for a part of a past span": Case(
        past(
            replace(SERVING, busy_threads=1.6, queued_requests=772.0, thread_wait_s=0.5, unread=3)
        ),
        {
            "threads-exhausted": (
                "warn",
                (
                    "Listener wsgi: up to 772 requests at a time waited for one of its 8 request "
                    "threads; those that were read and ended in this span of 60 s waited 500 ms "
                    "on average."
                ),
            )
        },
    ),
    "requests waited for a moment of a past span": Case(
        past(replace(SERVING, busy_threads=1.6, queued_requests=12.0, thread_wait_s=0.05)),
        {"nothing-wrong": ("good", "1,000 requests were served")},
    ),
    "all threads were busy in a past span and none was served": Case(
        past(replace(IDLE, busy_threads=8.0, queued_requests=3.0)),
        {"threads-exhausted": ("bad", "none was served in this span of 60 s.")},
    ),
    "all threads busy and nothing answered": Case(
        moment(replace(IDLE, busy_threads=8.0, queued_requests=3.0)),
        {"threads-exhausted": ("bad", "none was served in the last 5 s")},
    ),
    "all threads busy, nobody waits": Case(
        moment(replace(SERVING, busy_threads=8.0)),
        {
            "threads-busy": (
                "warn",
                "8 of 8 request threads are busy; no request waits for one yet.",
            )
        },
    ),
    "all threads busy, and connections wait to be accepted": Case(
        moment(replace(SERVING, busy_threads=8.0, accept_queue_depth=3.0, accept_backlog=128.0)),
        {
            "threads-busy": (
                "warn",
                "8 of 8 request threads are busy; up to 3 connections waited to be",
            )
        },
    ),
    "requests wait in one process though another has threads to spare": Case(
        moment(replace(SERVING, model="prefork", busy_threads=4.0, queued_requests=100.0)),
        {
            "threads-exhausted": (
                "warn",
                (
                    "4 of 8 request threads are busy, and 100 requests wait for one in their own "
                    "process; at"
                ),
            )
        },
    ),
    "the one thread of a sequential listener is busy, one waits": Case(
        moment(
            replace(
                SERVING, name="one", threads=1, busy_threads=1.0, queued_requests=1.0, requests=1
            )
        ),
        {
            "threads-exhausted": (
                "bad",
                "1 of 1 request thread is busy, and 1 request waits for one",
            )
        },
    ),
    "a queue that is worked off within a moment": Case(
        moment(replace(SERVING, queued_requests=5.0)), {"nothing-wrong": WELL}
    ),
    "a queue of 0.2 s though threads are free on average": Case(
        moment(replace(SERVING, busy_threads=5.0, queued_requests=40.0)),
        {"threads-exhausted": ("warn", "a request that came now would wait about 200 ms.")},
    ),
    "the accept queue is half full": Case(
        moment(replace(SERVING, accept_queue_depth=70.0, accept_backlog=128.0)),
        {"accept-queue": ("warn", "held up to 70 of at most 128 connections in the last 5 s: the")},
    ),
    "the accept queue is full": Case(
        moment(replace(SERVING, accept_queue_depth=129.0, accept_backlog=128.0)),
        {"accept-queue": ("bad", "was full in the last 5 s (129 of 128): the kernel dropped")},
    ),
    "the accept queue has one waiting": Case(
        moment(replace(SERVING, accept_queue_depth=1.0, accept_backlog=128.0)),
        {"nothing-wrong": WELL},
    ),
    "no backlog is known": Case(
        moment(replace(SERVING, accept_queue_depth=1.0)), {"nothing-wrong": WELL}
    ),
    "requests wait in the kernel": Case(
        moment(replace(LOOP, kernel_wait_s=0.4)),
        {"kernel-wait": ("warn", "asgi that ended in the last 5 s waited 400 ms on average in")},
    ),
    "requests wait in the kernel for seconds": Case(
        moment(replace(LOOP, kernel_wait_s=3.2)),
        {"kernel-wait": ("bad", "waited 3.2 s on average")},
    ),
    "one server error in a thousand": Case(
        moment(replace(SERVING, server_errors=1)),
        {"server-errors": ("warn", "1 of 1,000 answers of listener wsgi in the last 5 s was a")},
    ),
    "every answer is a server error": Case(
        moment(replace(SERVING, server_errors=1_000)),
        {"server-errors": ("bad", "1,000 of 1,000 answers of listener wsgi")},
    ),
    "one server error in ten thousand": Case(
        moment(replace(SERVING, requests=10_000, server_errors=1)), {"nothing-wrong": WELL}
    ),
    "one of three answers is a server error": Case(
        moment(replace(SERVING, requests=3, server_errors=1)),
        {"server-errors": ("warn", "1 of 3 answers")},
    ),
    "p95 beyond the durations of a histogram": Case(
        moment(replace(SERVING, p95_s=64.0)),
        {
            "slow": (
                "bad",
                "At least 5 of 100 requests to listener wsgi that ended in the last 5 s took 64 s",
            )
        },
    ),
    "half of the durations are beyond those of a histogram": Case(
        moment(replace(SERVING, p50_s=64.0, p95_s=64.0)),
        {
            "slow": (
                "bad",
                "At least half of the requests to listener wsgi that ended in the last 5 s took 64",
            )
        },
    ),
    "p50 and p95 are one duration, behind one long queue": Case(
        moment(replace(SERVING, p50_s=12.91, p95_s=12.94)),
        {
            "slow": (
                "bad",
                "At least half of the requests to listener wsgi that ended in the last 5 s took 12",
            )
        },
    ),
    "p95 of 12.9 s": Case(
        moment(replace(SERVING, p95_s=12.9)),
        {
            "slow": (
                "bad",
                "5 of 100 requests to listener wsgi that ended in the last 5 s took 12.9 s or long",
            )
        },
    ),
    "p95 of 1.2 s": Case(moment(replace(SERVING, p95_s=1.2)), {"slow": ("warn", "1.2 s")}),
    "the slowest of a few": Case(
        moment(replace(SERVING, requests=7, p95_s=2.0)),
        {"slow": ("warn", "The slowest of 7 requests to listener wsgi that ended in the last 5 s")},
    ),
    "one request, and it was slow": Case(
        moment(replace(SERVING, requests=1, p95_s=2.0)),
        {
            "slow": (
                "warn",
                (
                    "The one request to listener wsgi that ended in the last 5 s took 2 s, counted "
                    "from its arrival in the kernel."
                ),
            )
        },
    ),
    "an app under another server is slow": Case(
        moment(replace(SERVING, kind=ServerKind.APP, name="shop", p95_s=2.0)),
        {
            "slow": (
                "warn",
                (
                    "to app shop that ended in the last 5 s took 2 s or longer, counted from the "
                    "call of the app."
                ),
            )
        },
    ),
    "the host is busy": Case(
        moment(SERVING, host=replace(QUIET_HOST, cpu_utilization=0.95)),
        {"cpu": ("warn", "The host's CPU is 95 % busy.")},
    ),
    "the host is full, and its cores with it": Case(
        moment(SERVING, host=HostEvidence(0.99, {"0": 1.0, "1": 0.98}, 0.4)),
        {"cpu": ("bad", "99 % busy")},
    ),
    "the host is all but full": Case(
        moment(SERVING, host=replace(QUIET_HOST, cpu_utilization=0.9996)),
        {"cpu": ("bad", "The host's CPU is more than 99.9 % busy.")},
    ),
    "one core is full": Case(
        moment(SERVING, host=HostEvidence(0.52, {"0": 0.05, "1": 0.99}, 0.4)),
        {"core": ("warn", "Core 1 is 99 % busy and the host as a whole 52 %")},
    ),
    "memory is short": Case(
        moment(SERVING, host=replace(QUIET_HOST, memory_utilization=0.98)),
        {"memory": ("bad", "The host's memory is 98 % used.")},
    ),
    "the container's CPU limit": Case(
        moment(SERVING, host=replace(QUIET_HOST, container_cpu_ratio=0.97)),
        {"container-cpu": ("warn", "uses 97 % of the CPU time that its cgroup allows")},
    ),
    "the container's memory limit": Case(
        moment(SERVING, host=replace(QUIET_HOST, container_memory_ratio=0.99)),
        {"container-memory": ("bad", "99 % of the memory")},
    ),
    "nothing of the host is measured": Case(
        moment(SERVING, host=HostEvidence()), {"nothing-wrong": WELL}
    ),
    "a host fell silent a minute ago": Case(
        moment(SERVING, fleet=(FleetHostEvidence("east", 90.0),)),
        {"silent-host": ("warn", "Host east has sent nothing for 90 s.")},
    ),
    "a host was taken away yesterday, another sends": Case(
        moment(SERVING, fleet=(FleetHostEvidence("old", 90_000.0), FleetHostEvidence("west", 1.0))),
        {"nothing-wrong": WELL},
    ),
    "another server's answers count, and it is no listener of ours": Case(
        moment(SERVING, replace(LOOP, is_hosted=False)),
        {"nothing-wrong": ("good", "1 of 1 listener runs, 1,500 requests were served")},
    ),
    "another host, which hosts nothing that we know": Case(
        moment(replace(SERVING, is_hosted=False)),
        {"nothing-wrong": ("good", "in the last 5 s: 1,000 requests were served, p95")},
    ),
    "another host, idle": Case(
        moment(), {"nothing-wrong": ("good", "in the last 5 s: no request came.")}
    ),
    "requests were lost before they were collected": Case(
        moment(SERVING, dashboard=replace(CURRENT, lost_requests=8_192)),
        {"requests-lost": ("warn", "8,192 requests were overwritten before the collector read")},
    ),
    "requests were lost long ago": Case(
        moment(SERVING, dashboard=DashboardEvidence(age_s=9.0, lost_requests=5)),
        {"stale-data": ("unknown", "9 s old")},
    ),
    "a listener that a person stopped is no matter of the overview": Case(
        moment(SERVING, replace(LOOP, state=ListenerState.STOPPED, port=8001, port_holder="")),
        {"nothing-wrong": ("good", "1 of 2 listeners run (asgi is stopped)")},
    ),
    "overload shows all that goes with it": Case(
        moment(
            replace(
                SERVING,
                busy_threads=8.0,
                queued_requests=2_290.0,
                requests=200,
                p95_s=12.9,
            ),
            host=replace(QUIET_HOST, cpu_utilization=0.93),
        ),
        {
            "threads-exhausted": ("bad", "2,290 requests wait"),
            "slow": ("bad", "12.9 s"),
            "cpu": ("warn", "93 %"),
        },
    ),
}

AT_PORT: Final = replace(SERVING, port=5555, accept_queue_depth=0.0, accept_backlog=128.0)
STOPPED: Final = replace(LOOP, state=ListenerState.STOPPED, port=8001)


def ports(*listeners: ListenerEvidence, expected: dict[str, tuple[str, str]]) -> Case:
    """A moment as the page Ports judges it."""
    return Case(moment(*listeners), expected, PORTS)


AT_PORTS: Final = {
    "ports: nothing waits": ports(
        AT_PORT,
        LOOP,
        expected={"ports-well": ("good", "2 of 2 listeners run, no connection waited")},
    ),
    "ports: some wait for a moment": ports(
        replace(AT_PORT, accept_queue_depth=2.0),
        expected={"ports-well": ("good", "at most 2 connections waited at a time to be accepted")},
    ),
    "ports: no queue is measured": ports(
        LOOP, expected={"ports-well": ("good", "at the ports in the last 5 s: 1 of 1 listener")}
    ),
    "ports: a past span in which nothing was measured at a port": Case(
        past(replace(SERVING, threads=None, busy_threads=None)),
        {
            "ports-unknown": (
                "unknown",
                "Nothing was measured in this span of 60 s at the ports of the listeners: nothing",
            )
        },
        PORTS,
    ),
    "ports: a past span in which the listeners had other ports": Case(
        past(
            replace(SERVING, threads=None, busy_threads=None),
            former_ports=(PortEvidence("40001", 0.0, 128.0), PortEvidence("40002", 3.0, 128.0)),
        ),
        {
            "ports-well": (
                "good",
                "at the ports in this span of 60 s: at most 3 connections waited at a time",
            )
        },
        PORTS,
    ),
    "ports: an accept queue was full at a port that is no more": Case(
        past(former_ports=(PortEvidence("40001", 129.0, 128.0),)),
        {
            "accept-queue": (
                "bad",
                "The accept queue of port 40001 was full in this span of 60 s (129 of 128): the",
            )
        },
        PORTS,
    ),
    "ports: slow answers are no matter of the ports": ports(
        replace(AT_PORT, p95_s=12.0, server_errors=500),
        expected={"ports-well": ("good", "1 of 1 listener runs")},
    ),
    "ports: the accept queue is full": ports(
        replace(AT_PORT, accept_queue_depth=129.0),
        expected={"accept-queue": ("bad", "was full in the last 5 s (129 of 128)")},
    ),
    "ports: most open connections were left by their clients": ports(
        replace(AT_PORT, open_connections=2_922.0, left_connections=2_851.0),
        expected={
            "clients-left": (
                "bad",
                (
                    "Listener wsgi holds 2,922 connections open, 2,851 of which their clients have "
                    "closed: it works for clients that have gone."
                ),
            )
        },
    ),
    "ports: a past span with connections left by their clients": Case(
        past(replace(AT_PORT, open_connections=100.0, left_connections=20.0)),
        {"clients-left": ("warn", "held 100 connections open, 20 of which their clients had")},
        PORTS,
    ),
    "ports: all open connections were left by their clients": ports(
        replace(AT_PORT, open_connections=871.0, left_connections=871.0),
        expected={"clients-left": ("bad", "871 connections open, all of which their clients have")},
    ),
    "ports: whether clients have left is not known": ports(
        replace(AT_PORT, open_connections=100.0),
        expected={"ports-well": ("good", "1 of 1 listener runs")},
    ),
    "ports: two clients have left": ports(
        replace(AT_PORT, open_connections=2.0, left_connections=2.0),
        expected={"ports-well": ("good", "1 of 1 listener runs")},
    ),
    "ports: connections are turned away": ports(
        replace(AT_PORT, new_connections=10, turned_away=3),
        expected={"turned-away": ("bad", "turned 3 of 10 new connections away")},
    ),
    "ports: all threads are busy": ports(
        replace(AT_PORT, busy_threads=8.0, queued_requests=400.0),
        expected={"threads-exhausted": ("bad", "8 of 8 request threads are busy")},
    ),
    "ports: a stopped listener's clients are refused": ports(
        AT_PORT,
        replace(STOPPED, port_holder=""),
        expected={
            "not-listening": ("note", "nobody listens at port 8001, so connections to it are"),
            "ports-well": ("good", "1 of 2 listeners run (asgi is stopped)"),
        },
    ),
    "ports: a stopped listener's port is taken": ports(
        replace(STOPPED, port_holder="nginx (pid 12)"),
        expected={
            "stopped-port-taken": ("warn", "is stopped, and port 8001 is taken by nginx (pid 12)."),
            "none-runs": ("bad", "No listener runs (asgi is stopped): nobody answers requests."),
        },
    ),
    "ports: a stopped listener had any free port": ports(
        AT_PORT,
        replace(STOPPED, port=0, port_holder=""),
        expected={
            "listener-stopped": ("note", "Listener asgi is stopped: nobody answers requests to"),
            "ports-well": ("good", "(asgi is stopped)"),
        },
    ),
    "ports: all listeners are stopped that had any free port": ports(
        replace(STOPPED, port=0, port_holder=""),
        expected={"none-runs": ("bad", "No listener runs (asgi is stopped): nobody answers")},
    ),
    "ports: a listener failed": ports(
        replace(LOOP, state=ListenerState.FAILED, message="port 8001 is held by nginx (pid 12)"),
        expected={"listener-down": ("bad", "does not run: port 8001 is held by nginx (pid 12).")},
    ),
    "ports: a listener kept its port": ports(
        replace(AT_PORT, message="port 80 is held by nginx (pid 12); still on port 5555"),
        expected={
            "not-as-asked": ("note", "Listener wsgi: port 80 is held by nginx (pid 12); still on"),
            "ports-well": ("good", "1 of 1 listener runs"),
        },
    ),
    "ports: old data": Case(
        moment(AT_PORT, dashboard=DashboardEvidence(age_s=30.0)),
        {"stale-data": ("unknown", "30 s old")},
        PORTS,
    ),
}

QUICK: Final = SpanListenerEvidence(
    "wsgi", 6_000, 0, 0.003, {"kernel": 2e-5, "read": 1e-5, "queue": 1e-4, "app": 1e-3}, 1.0
)
SLOW_APP: Final = replace(
    QUICK, p95_s=1.4, stages_s={"kernel": 2e-5, "queue": 1e-4, "app": 1.2, "write": 1e-4}
)


def span(*listeners: SpanListenerEvidence, listener: str = "") -> Evidence:
    """The span that the page Latency shows."""
    return Evidence(span=SpanEvidence(listener, listeners))


SPANS: Final = {
    "a span: nothing was slow": Case(
        span(QUICK), {"span-well": ("good", "6,000 requests were served, p95 3 ms at most.")}
    ),
    "a span: nothing was slow at two listeners": Case(
        span(QUICK, replace(QUICK, name="asgi", p95_s=0.01)),
        {"span-well": ("good", "12,000 requests were served, p95 of each listener 10 ms at")},
    ),
    "a span: too few for a percentile": Case(
        span(replace(QUICK, requests=1)), {"span-well": ("good", "span: 1 request was served.")}
    ),
    "a span: no request": Case(
        span(), {"span-empty": ("unknown", "No request was answered in this span")}
    ),
    "a span: nothing was recorded": Case(
        Evidence(span=SpanEvidence(is_recorded=False)),
        {"span-not-recorded": ("unknown", "Nothing was recorded in this span: nothing is known")},
    ),
    "a span: no request to the chosen listener": Case(
        span(listener="asgi"), {"span-empty": ("unknown", "No request to listener asgi was")}
    ),
    "a span: the app was slow": Case(
        span(SLOW_APP),
        {
            "span-slow": (
                "warn",
                (
                    "that ended in this span took 1.4 s or longer, counted from their arrival in "
                    "the kernel. On average those that ended spent 1.2 s of their 1.2 s in the "
                    "app until the response head was ready."
                ),
            )
        },
    ),
    "a span: few requests, slow": Case(
        span(replace(SLOW_APP, requests=3, p95_s=11.0)),
        {
            "span-slow": (
                "bad",
                "The slowest of 3 requests to listener wsgi that ended in this span took 11 s",
            )
        },
    ),
    "a span: one request, and it was slow": Case(
        span(replace(SLOW_APP, requests=1, p95_s=2.0)),
        {
            "span-slow": (
                "warn",
                (
                    "The one request to listener wsgi that ended in this span took 2 s, counted "
                    "from its arrival in the kernel. It spent 1.2 s"
                ),
            )
        },
    ),
    "a span: the client took its answer slowly": Case(
        span(replace(SLOW_APP, stages_s={"app": 0.01, "write": 1.3})),
        {"span-slow": ("warn", "handed to the kernel, as fast as the client took it")},
    ),
    "a span: no stage is most of it": Case(
        span(replace(SLOW_APP, stages_s={"app": 0.4, "body": 0.4, "write": 0.4})),
        {"span-slow": ("warn", "took 1.4 s or longer, counted from their arrival in the kernel.")},
    ),
    "a span: requests waited for a thread": Case(
        span(replace(QUICK, stages_s={"queue": 0.4, "app": 0.2}, queued_requests=80.0)),
        {
            "span-thread-wait": (
                "warn",
                (
                    "Requests to listener wsgi that ended in this span waited 400 ms on average "
                    "for a request thread; at most 80 waited at once."
                ),
            )
        },
    ),
    "a span: requests waited for a thread, and the queue was not measured": Case(
        span(replace(QUICK, stages_s={"queue": 4.0}, queued_requests=None)),
        {"span-thread-wait": ("bad", "waited 4 s on average for a request thread.")},
    ),
    "a span: requests waited in the kernel": Case(
        span(replace(QUICK, stages_s={"kernel": 0.3, "app": 0.01})),
        {"span-kernel-wait": ("warn", "ended in this span waited 300 ms on average in the")},
    ),
    "a span: requests waited for a thread, and others were turned away": Case(
        span(
            replace(
                SLOW_APP,
                unread=5_000,
                stages_s={"queue": 39.4, "app": 0.2},
                queued_requests=4_090.0,
            )
        ),
        {
            "span-thread-wait": (
                "bad",
                (
                    "5 of 100 requests to listener wsgi that were read and ended in this span took "
                    "1.4 s or longer, counted from their arrival in the kernel. On average those "
                    "that were read spent 39.4 s of their 39.6 s waiting for a request "
                    "thread; at most 4,090 waited at once."
                ),
            ),
        },
    ),
    "a span: slow requests waited in the kernel, which one sentence says": Case(
        span(replace(SLOW_APP, stages_s={"kernel": 1.3, "app": 0.1}, p95_s=12.0)),
        {
            "span-kernel-wait": (
                "bad",
                (
                    "took 12 s or longer, counted from their arrival in the kernel. On average "
                    "those that ended spent 1.3 s of their 1.4 s wait"
                ),
            )
        },
    ),
    "a span: requests were slow in the app, and waited for a thread as well": Case(
        span(replace(SLOW_APP, stages_s={"queue": 0.5, "app": 1.2}, queued_requests=9.0)),
        {
            "span-slow": ("warn", "those that ended spent 1.2 s of their 1.7 s in the app"),
            "span-thread-wait": (
                "warn",
                "waited 500 ms on average for a request thread; at most 9",
            ),
        },
    ),
    "a span: most answers came after their clients had gone": Case(
        span(replace(QUICK, answers_to_nobody=5_900)),
        {
            "span-answers-to-nobody": (
                "bad",
                (
                    "5,900 of 6,000 answers of listener wsgi in this span came too late: their "
                    "clients had closed their side of the connection."
                ),
            )
        },
    ),
    "a span: few answers came after their clients had gone": Case(
        span(replace(QUICK, answers_to_nobody=59)),
        {"span-well": ("good", "6,000 requests were served")},
    ),
    "a span: answers were errors": Case(
        span(replace(QUICK, server_errors=600)),
        {
            "span-errors": (
                "bad",
                "600 of all 6,000 answers of listener wsgi in this span were server errors (5xx),",
            )
        },
    ),
    "a span of a run: its errors are said once": Case(
        replace(span(replace(QUICK, server_errors=600)), run=replace(KEPT_UP, server_errors=590)),
        {"run-server-errors": ("bad", "590 of 6,000 answers of listener wsgi to the load")},
    ),
    "a span of a run: others had errors as well": Case(
        replace(span(replace(QUICK, server_errors=600)), run=replace(KEPT_UP, server_errors=300)),
        {
            "run-server-errors": ("bad", "300 of 6,000 answers of listener wsgi to the load"),
            "span-errors": ("bad", "600 of all 6,000 answers of listener wsgi in this span were"),
        },
    ),
    "a span: every answer was an error": Case(
        span(replace(QUICK, requests=2, server_errors=2)),
        {"span-errors": ("warn", "All 2 answers of listener wsgi in this span were server errors")},
    ),
    "a span: one answer, and it was an error": Case(
        span(replace(QUICK, requests=1, server_errors=1)),
        {"span-errors": ("warn", "1 of 1 answer of listener wsgi in this span was a server error")},
    ),
    "a span: requests got no answer": Case(
        span(replace(QUICK, unanswered=300)),
        {
            "span-no-answer": (
                "bad",
                (
                    "300 of 6,000 requests to listener wsgi got no answer in this span: their "
                    "connections were closed first, by the client or by the server."
                ),
            )
        },
    ),
    "a span: one request got no answer while its listener was stopped": Case(
        span(replace(QUICK, requests=1, unanswered=1, cut_off=1)),
        {
            "span-no-answer": (
                "warn",
                "1 of 1 request to listener wsgi got no answer in this span: it was cut off when",
            )
        },
    ),
    "a span: all errors were sent before a request was read": Case(
        span(
            replace(QUICK, requests=12_000, server_errors=6_000, unread=6_000, unread_errors=6_000)
        ),
        {
            "span-errors": (
                "bad",
                (
                    "were server errors (5xx), sent before a request was read; percentiles over "
                    "time and stages leave them out."
                ),
            )
        },
    ),
    "a span: some errors were sent before a request was read": Case(
        span(replace(QUICK, server_errors=600, unread=500, unread_errors=500)),
        {
            "span-errors": (
                "bad",
                (
                    "were server errors (5xx); percentiles over time and stages leave out 500 of "
                    "them, sent before a request was read."
                ),
            )
        },
    ),
    "a span: one request was read, and it was slow": Case(
        span(replace(SLOW_APP, requests=11, unread=10)),
        {"span-slow": ("warn", "The one request to listener wsgi that was read and ended in this")},
    ),
    "a span: an app under another server was slow": Case(
        span(replace(SLOW_APP, name="shop", kind=ServerKind.APP)),
        {
            "span-slow": (
                "warn",
                (
                    "requests to app shop that ended in this span took 1.4 s or longer, counted "
                    "from the call of the app. On average"
                ),
            )
        },
    ),
    "a span: one listener was slow, the other not": Case(
        span(replace(QUICK, name="asgi"), SLOW_APP),
        {"span-slow": ("warn", "to listener wsgi that ended in this span took 1.4 s")},
    ),
}

RUNS: Final = {
    "kept up": Case(
        run(),
        {
            "kept-up": (
                "good",
                (
                    "Listener wsgi answered all 6,000 requests at the 200 req/s asked for, "
                    "99 of 100 "
                    "within 8.2 ms."
                ),
            )
        },
    ),
    "every answer was a 404": Case(
        run(client_errors=6_000),
        {
            "run-client-errors": (
                "note",
                (
                    "6,000 of 6,000 answers of listener wsgi to the load generator were refusals "
                    "(4xx): its targets are not there, or it may not have them."
                ),
            ),
            "kept-up": ("good", "answered all 6,000 requests"),
        },
    ),
    "hardly an answer was a 404": Case(
        run(client_errors=59), {"kept-up": ("good", "answered all")}
    ),
    "most that timed out had no connection": Case(
        Evidence(run=replace(OVERLOADED, never_sent=3_000)),
        {
            "requests-failed": (
                "bad",
                (
                    "3,520 were not answered within 10 s (3,000 of these were never sent, for "
                    "want of a connection). So p99 is at least 10 s."
                ),
            ),
            "fell-behind": ("bad", "answered 24 req/s of the 200 req/s"),
        },
    ),
    "3,520 of 4,000 timed out": Case(
        Evidence(run=OVERLOADED),
        {
            "requests-failed": (
                "bad",
                (
                    "3,520 of 4,000 requests to listener wsgi (88 %) failed: "
                    "3,520 were not answered within 10 s. So "
                    "p99 is at least 10 s."
                ),
            ),
            "fell-behind": (
                "bad",
                "answered 24 req/s of the 200 req/s that the load generator asked for.",
            ),
        },
    ),
    "fell behind, and most answers were errors": Case(
        run(
            schedule_s=30.0,
            answered=2_952,
            sent=6_000,
            answered_in_schedule=2_952,
            server_errors=2_657,
        ),
        {
            "run-server-errors": ("bad", "2,657 of 2,952 answers of listener wsgi"),
            "fell-behind": ("bad", "asked for; 90 % of its answers were server errors."),
        },
    ),
    "a rule failed, another is not known": Case(
        Evidence(
            run=replace(
                KEPT_UP,
                rules=(
                    RuleResult("p99 < 5 ms", RuleState.FAILING, is_settled=True, value=0.0082),
                    RuleResult("p50 < 5 ms", RuleState.PASSING, is_settled=False, value=0.0011),
                    RuleResult("buy: p50 < 5 ms", RuleState.UNKNOWN, is_settled=False),
                ),
            )
        ),
        {
            "rule-failed": ("bad", "The rule “p99 < 5 ms” failed: 8.2 ms was measured."),
            "rule-unknown": (
                "unknown",
                "“buy: p50 < 5 ms” holds is not known: nothing that it is about was measured.",
            ),
        },
    ),
    "a rule that fails by the delay of the generator": Case(
        Evidence(
            run=replace(
                KEPT_UP,
                naive_p99_s=0.002,
                lag_p99_s=0.005,
                lag_max_s=0.006,
                rules=(RuleResult("p99 < 5 ms", RuleState.FAILING, is_settled=True, value=0.0082),),
            )
        ),
        {
            "rule-unknown": (
                "unknown",
                "8.2 ms was measured, and the generator sent 1 in 100 requests 5 ms late or more.",
            ),
            "generator-late": ("note", "the generator's own delay"),
        },
    ),
    "a rule of a run that was limited by its generator is not judged": Case(
        Evidence(
            run=replace(
                KEPT_UP,
                generator_cpu_ratio=0.97,
                rules=(RuleResult("p99 < 5 ms", RuleState.FAILING, is_settled=True, value=0.0082),),
            )
        ),
        {"generator-limited": ("unknown", "97 %")},
    ),
    "315 of 600 failed": Case(
        run(
            schedule_s=30.0,
            rate_asked=20.0,
            sent=600,
            answered=285,
            answered_in_schedule=285,
            failed={"reset": 315},
        ),
        {
            "requests-failed": ("bad", "315 were cut off before a whole answer had come"),
            "fell-behind": ("bad", "9.5 req/s of the 20 req/s"),
        },
    ),
    "2,343 of 4,500 refused": Case(
        run(
            sent=4_500,
            rate_asked=150.0,
            answered=2_157,
            answered_in_schedule=2_157,
            failed={"refused": 2_343},
        ),
        {
            "requests-failed": ("bad", "2,343 were refused: nothing listened at the port"),
            "fell-behind": ("bad", "71.9 req/s of the 150 req/s"),
        },
    ),
    "one of 6,000 was reset": Case(
        run(answered=5_999, answered_in_schedule=5_998, failed={"reset": 1}),
        {"requests-failed": ("warn", "1 was cut off")},
    ),
    "two kinds of failures, the more frequent first": Case(
        run(answered=5_800, answered_in_schedule=5_800, failed={"refused": 50, "reset": 150}),
        {"requests-failed": ("bad", "150 were cut off before a whole answer had come, 50 were")},
    ),
    "an unknown kind of failure": Case(
        run(answered=5_999, failed={"on_fire": 1}), {"requests-failed": ("warn", "1 was on fire")}
    ),
    "no TLS": Case(
        run(
            answered=0,
            answered_in_schedule=0,
            p50_s=None,
            p99_s=None,
            naive_p99_s=None,
            failed={"handshake": 6_000},
        ),
        {
            "requests-failed": ("bad", "6,000 were ended in the TLS handshake"),
            "fell-behind": ("bad", "answered 0 req/s"),
        },
    ),
    "server errors": Case(
        run(server_errors=600), {"run-server-errors": ("bad", "600 of 6,000 answers")}
    ),
    "few server errors": Case(
        run(server_errors=10), {"run-server-errors": ("warn", "10 of 6,000 answers")}
    ),
    "one server error": Case(
        run(server_errors=1, answered=600, sent=600, answered_in_schedule=600, schedule_s=3.0),
        {
            "run-server-errors": (
                "warn",
                "1 of 600 answers of listener wsgi to the load generator was a server error (5xx).",
            )
        },
    ),
    "answered after the schedule's end only": Case(
        run(answered_in_schedule=3_000, p50_s=8.0, p99_s=15.0, naive_p99_s=14.0),
        {"fell-behind": ("bad", "answered 100 req/s of the 200 req/s")},
    ),
    "an app of 200 ms on a short run keeps up": Case(
        run(
            schedule_s=3.0,
            rate_asked=20.0,
            sent=60,
            answered=60,
            answered_in_schedule=56,
            p50_s=0.2,
            p99_s=0.21,
            naive_p99_s=0.21,
        ),
        {"kept-up": ("good", "all 60 requests")},
    ),
    "the generator is late by 6 ms": Case(
        run(p99_s=0.0082, naive_p99_s=0.0021, lag_p99_s=0.006, lag_max_s=0.05),
        {
            "generator-late": (
                "note",
                (
                    "sent 1 in 100 requests 6 ms late or more (50 ms at most): "
                    "of the p99 of 8.2 ms, 6 ms may be the generator's own delay, not the server's."
                ),
            ),
            "kept-up": ("good", "all 6,000"),
        },
    ),
    "requests waited to be sent": Case(
        run(p99_s=2.4, naive_p99_s=0.3, lag_p99_s=0.0004),
        {"waited-to-be-sent": ("warn", "for a connection for so long that p99 is 2.4 s from the")},
    ),
    "connecting took long, and no request waited for a free connection": Case(
        run(p99_s=2.4, naive_p99_s=0.3, lag_p99_s=0.0004, blocked=0),
        {"waited-to-be-sent": ("warn", "waited to be connected for so long that p99 is 2.4 s")},
    ),
    "requests waited to be sent, and the generator was late": Case(
        run(p99_s=2.4, naive_p99_s=0.3, lag_p99_s=0.3),
        {
            "generator-late": ("note", "300 ms may be the generator's own delay"),
            "waited-to-be-sent": ("warn", "p99 is 2.4 s from the moment a request was due"),
        },
    ),
    "requests waited to be sent and timed out": Case(
        replace(Evidence(), run=replace(OVERLOADED, naive_p99_s=2.0, is_naive_p99_bound=True)),
        {
            "requests-failed": ("bad", "88 %"),
            "fell-behind": ("bad", "24 req/s"),
            "waited-to-be-sent": (
                "warn",
                (
                    "p99 is at least 10 s from the moment a request was due; counted from the "
                    "actual send it would read at least 2 s."
                ),
            ),
        },
    ),
    "those that timed out had waited too long to be sent": Case(
        replace(Evidence(), run=replace(OVERLOADED, naive_p99_s=2.0)),
        {
            "requests-failed": ("bad", "88 %"),
            "fell-behind": ("bad", "24 req/s"),
            "waited-to-be-sent": ("warn", "from the actual send it would read 2 s."),
        },
    ),
    "the generator got too little CPU time to keep its schedule": Case(
        run(
            answered_in_schedule=4_000,
            p99_s=4.2,
            lag_p99_s=4.1,
            lag_max_s=4.3,
            generator_cpu_ratio=0.4,
        ),
        {
            "generator-limited": (
                "unknown",
                (
                    "sent 1 in 100 requests 4.1 s late or more, in a schedule of 30 s: this run "
                    "measured the generator"
                ),
            )
        },
    ),
    "the generator had one connection, and the server no queue": Case(
        run(
            answered_in_schedule=3_000,
            p99_s=2.4,
            naive_p99_s=0.052,
            naive_p50_s=0.0505,
            naive_p10_s=0.0502,
            blocked=4_000,
            connection_limit=1,
        ),
        {
            "connections-limited": (
                "unknown",
                (
                    "4,000 of 6,000 requests waited because the one connection that this run may "
                    "have was in use, while listener wsgi answered as fast as without a queue"
                ),
            )
        },
    ),
    "all connections wait in the server's queue": Case(
        run(
            answered_in_schedule=3_000,
            p99_s=2.4,
            naive_p99_s=1.2,
            naive_p50_s=1.1,
            naive_p10_s=0.05,
            blocked=4_000,
            connection_limit=512,
        ),
        {
            "fell-behind": ("bad", "answered 100 req/s of the 200 req/s"),
            "waited-to-be-sent": ("warn", "p99 is 2.4 s"),
        },
    ),
    "a value was missing": Case(
        run(answered=5_990, answered_in_schedule=5_989, failed={"value": 10}),
        {
            "requests-failed": (
                "warn",
                "10 were never sent: the answer before had no value for them that can stand there",
            )
        },
    ),
    "messages without a reply": Case(
        run(messages=1_000, messages_failed=500),
        {"messages-failed": ("bad", "500 of 1,000 messages to listener wsgi had none in return")},
    ),
    "users of the closed model": Case(
        run(users=10, rate_asked=0.0),
        {
            "closed-model": (
                "note",
                "Listener wsgi answered 200 req/s to 10 users, 99 of 100 within 8.2 ms.",
            )
        },
    ),
    "a run of one request": Case(
        run(sent=1, answered=1, answered_in_schedule=1, schedule_s=1.0, rate_asked=1.0),
        {
            "kept-up": (
                "good",
                "Listener wsgi answered 1 request at the 1 req/s asked for, within 8.2 ms.",
            )
        },
    ),
    "a run of fewer requests than a p99 takes": Case(
        run(sent=60, answered=60, answered_in_schedule=60, schedule_s=30.0, rate_asked=2.0),
        {"kept-up": ("good", "answered all 60 requests at the 2 req/s asked for, each within")},
    ),
    "the generator was late in a run of fewer requests than a p99 takes": Case(
        run(sent=75, answered=75, answered_in_schedule=75, schedule_s=3.71, lag_p99_s=0.272),
        {
            "generator-limited": (
                "unknown",
                "The load generator sent one of 75 requests 272 ms late, in a schedule of 3.71 s",
            )
        },
    ),
    "the generator filled its core": Case(
        run(generator_cpu_ratio=0.97, answered_in_schedule=3_000, lag_p99_s=0.08, p99_s=0.3),
        {
            "generator-limited": (
                "unknown",
                "used 97 % of its core: this run measured the generator",
            )
        },
    ),
    "Locust sent the run": Case(
        run(generator="Locust 2.47.0, 2 workers"),
        {
            "sent-by-others": ("note", "sent by Locust 2.47.0, 2 workers"),
            "kept-up": ("good", "all 6,000"),
        },
    ),
    "the generator nearly filled its core": Case(
        run(generator_cpu_ratio=0.85),
        {"generator-busy": ("note", "85 % of its core"), "kept-up": ("good", "all 6,000")},
    ),
    "the generator filled its core and requests failed": Case(
        run(generator_cpu_ratio=0.95, answered=5_000, failed={"timed_out": 1_000}),
        {
            "generator-limited": ("unknown", "95 %"),
            "requests-failed": ("bad", "1,000 of 6,000"),
        },
    ),
    "the run failed": Case(
        run(state=RunState.FAILED, message="the leader ended.", sent=0),
        {"run-failed": ("bad", "Run 7 failed: the leader ended.")},
    ),
    "the listener's port was changed": Case(
        run(
            state=RunState.FAILED,
            message="listener wsgi moved to port 8009 while the run loaded it",
        ),
        {"run-failed": ("bad", "moved to port 8009")},
    ),
    "the run sent nothing": Case(
        run(sent=0, answered=0), {"nothing-sent": ("unknown", "No request of run 7 came due")}
    ),
    "the run is under way": Case(run(state=RunState.RUNNING), {}),
    "the run is under way, and no request has ended": Case(
        run(state=RunState.RUNNING, sent=40, awaited=40, answered=0), {}
    ),
    "most requests are awaited while the run is under way": Case(
        run(state=RunState.RUNNING, sent=1_604, awaited=1_330, awaited_for_s=6.6, answered=274),
        {
            "requests-awaited": (
                "warn",
                (
                    "1,330 of the 1,604 requests that have come due are still awaited; the first "
                    "of them was due 6.6 s ago."
                ),
            )
        },
    ),
    "no request is answered while the run is under way": Case(
        run(
            state=RunState.RUNNING,
            sent=40,
            awaited=40,
            awaited_for_s=12.0,
            timeout_s=30.0,
            answered=0,
        ),
        {"requests-awaited": ("bad", "40 of the 40 requests")},
    ),
    "requests are awaited whose timeout is not noticed yet": Case(
        run(state=RunState.RUNNING, sent=40, awaited=40, awaited_for_s=10.0, answered=0),
        {
            "requests-awaited": (
                "bad",
                "awaited; the first of them has reached its timeout of 10 s.",
            )
        },
    ),
    "requests are awaited for a moment while the run is under way": Case(
        run(state=RunState.RUNNING, sent=400, awaited=200, awaited_for_s=0.9, answered=200), {}
    ),
    "few requests are awaited while the run is under way": Case(
        run(state=RunState.RUNNING, sent=400, awaited=16, awaited_for_s=3.0, answered=384), {}
    ),
    "nine of ten answers are server errors while the run is under way": Case(
        run(state=RunState.RUNNING, sent=1_200, awaited=200, answered=1_000, server_errors=900),
        {
            "run-server-errors": (
                "bad",
                "900 of 1,000 answers of listener wsgi to the load generator were server errors",
            )
        },
    ),
    "few server errors while the run is under way": Case(
        run(state=RunState.STOPPING, answered=1_000, server_errors=5),
        {"run-server-errors": ("warn", "5 of 1,000 answers of listener wsgi to the load")},
    ),
    "requests failed while the run is under way": Case(
        run(
            state=RunState.RUNNING,
            sent=1_300,
            awaited=300,
            answered=980,
            failed={"timed_out": 15, "reset": 5},
        ),
        {
            "requests-failed": (
                "bad",
                "that have ended (2 %) failed so far: 15 were not answered within 10 s, 5 were cut",
            )
        },
    ),
    "one request failed while the run is under way": Case(
        run(state=RunState.RUNNING, sent=1_000, answered=999, failed={"reset": 1}),
        {
            "requests-failed": (
                "warn",
                "1 of 1,000 requests to listener wsgi (0.1 %) failed so far: 1 was cut off",
            )
        },
    ),
    "a person stopped it": Case(
        run(
            state=RunState.STOPPED,
            schedule_s=12.0,
            sent=2_400,
            answered=2_366,
            answered_in_schedule=2_366,
            cancelled=34,
        ),
        {
            "stopped-early": ("note", "stopped after 12 s; 34 requests under way were given up"),
            "kept-up": ("good", "answered 2,366 requests"),
        },
    ),
    "a person stopped it with one request under way": Case(
        run(state=RunState.STOPPED, cancelled=1, sent=6_001),
        {
            "stopped-early": (
                "note",
                "; 1 request under way was given up and counts neither as answered nor as failed.",
            ),
            "kept-up": ("good", "answered 6,000 requests"),
        },
    ),
    "a person stopped it with nothing under way": Case(
        run(state=RunState.STOPPED),
        {"stopped-early": ("note", "The run was stopped after 30 s."), "kept-up": ("good", "all")},
    ),
    "the server was busy with earlier requests": Case(
        run(unfinished_at_start=1_730, p99_s=4.0, naive_p99_s=3.9),
        {"started-busy": ("warn", "still had 1,730 requests of earlier clients")},
    ),
    "a few requests of others were under way at the start": Case(
        run(unfinished_at_start=3), {"kept-up": ("good", "all 6,000 requests")}
    ),
    "an old result without the moments of answers": Case(
        run(answered_in_schedule=None, unfinished_at_start=None, generator_cpu_ratio=None),
        {"rate-unknown": ("unknown", "at which rate was not recorded")},
    ),
}

BOTH_CLOCKS: Final = ClocksEvidence(7, 6_000, 6_003, 0.0023, 0.0021)
CLOCKS: Final = {
    "the same requests": Case(
        Evidence(clocks=BOTH_CLOCKS),
        {"unexplained": ("note", "Of the 2.3 ms that a mean request of run 7 took")},
    ),
    "an app that records some stages": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, kind=ServerKind.APP)),
        {"unexplained": ("note", "lie outside the stages that the app's recorder measures.")},
    ),
    "4,000 samples against 1,260 of others": Case(
        Evidence(
            clocks=replace(
                BOTH_CLOCKS,
                client_requests=4_000,
                server_requests=1_260,
                client_mean_s=10.1,
                server_mean_s=16.8,
            )
        ),
        {"different-requests": ("unknown", "timed 4,000 requests and the server 1,260")},
    ),
    "most clients were turned away": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, server_requests=1_200, server_unread=4_800)),
        {"different-requests": ("unknown", "the server 1,200, which answered 4,800 more unread: ")},
    ),
    "other clients beside the run": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, server_requests=9_000)),
        {"different-requests": ("unknown", "the server 9,000")},
    ),
    "the client was a little faster than the server's last step": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, client_mean_s=0.0020)),
        {
            "unexplained": (
                "note",
                "the stages of the server took 2.1 ms, 100 µs longer: no time outside them could",
            )
        },
    ),
    "the server's mean is far above the client's": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, client_mean_s=0.5, server_mean_s=7.2)),
        {"clocks-disagree": ("unknown", "7.2 s) is above the client's (500 ms)")},
    ),
    "the client gave up requests that the server answered later": Case(
        Evidence(
            clocks=replace(BOTH_CLOCKS, client_mean_s=0.5, server_mean_s=7.2, is_client_bound=True)
        ),
        {
            "clocks-disagree": (
                "unknown",
                "from below alone (at least 500 ms). The server's is above that (7.2 s)",
            )
        },
    ),
    "requests that timed out, and the server's mean a little above what is known": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, client_mean_s=0.0020, is_client_bound=True)),
        {"clocks-disagree": ("unknown", "The server's is above that (2.1 ms)")},
    ),
    "the client gave up some requests": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, is_client_bound=True)),
        {"unexplained": ("note", "Of the at least 2.3 ms that a mean request of run 7 took")},
    ),
    "one side has no mean": Case(
        Evidence(clocks=replace(BOTH_CLOCKS, client_mean_s=None)),
        {"clocks-disagree": ("unknown", "did not time the same requests")},
    ),
}

NOT_LIMITED: Final = {"target-not-limited": ("note", "at 200 req/s: it kept up.")}
ALL_ON_THE_GIL: Final = EdgeEvidence(
    process_cores=0.98, threads=8, busy_threads=7.9, machine_busy=0.6
)
COMPARISONS: Final = {
    "alike": Case(
        models(KEPT_UP, KEPT_UP),
        NOT_LIMITED | {"latency-alike": ("note", "too close to tell them apart by one run")},
    ),
    "one is three times as slow": Case(
        models(KEPT_UP, replace(KEPT_UP, p99_s=0.0246, naive_p99_s=0.0240)),
        NOT_LIMITED
        | {
            "latency-differs": (
                "note",
                "within 8.2 ms by sequential, and within 24.6 ms by thread pool: 3 times as long.",
            )
        },
    ),
    "one timed out and is not compared": Case(
        models(
            OVERLOADED,
            KEPT_UP,
            replace(KEPT_UP, p99_s=0.0246, naive_p99_s=0.0240),
            readings=(ALL_ON_THE_GIL,),
        ),
        NOT_LIMITED
        | {
            "target-limit": (
                "note",
                (
                    "Model sequential was limited by the GIL or one core: its busiest process used "
                    "98 % of one while 7.9 of 8 threads had a request on average."
                ),
            ),
            "requests-failed": ("bad", "3,520 of 4,000 requests to model sequential"),
            "fell-behind": ("bad", "Model sequential answered 24 req/s"),
            "latency-differs": (
                "note",
                (
                    "by thread pool, and within 24.6 ms by prefork: 3 times as "
                    "long. Not compared, for the reasons above: sequential."
                ),
            ),
        },
    ),
    "one answered with errors and is not compared": Case(
        models(replace(KEPT_UP, server_errors=60, p99_s=0.002, naive_p99_s=0.002), KEPT_UP),
        NOT_LIMITED
        | {
            "run-server-errors": ("bad", "60 of 6,000 answers of model sequential"),
            "latency-incomparable": ("unknown", "reasons above: sequential."),
        },
    ),
    "only one answered everything": Case(
        models(OVERLOADED, KEPT_UP),
        NOT_LIMITED
        | {
            "target-limit": (
                "unknown",
                "The limit of model sequential is not known: nothing was read of it while",
            ),
            "requests-failed": ("bad", "88 %"),
            "fell-behind": ("bad", "24 req/s"),
            "latency-incomparable": ("unknown", "reasons above: sequential."),
        },
    ),
    "one measured so far": Case(
        models(KEPT_UP, replace(KEPT_UP, state=RunState.RUNNING)), NOT_LIMITED
    ),
    "the cost differs": Case(
        models(KEPT_UP, KEPT_UP, costs=(42.0, 128.0)),
        NOT_LIMITED
        | {
            "latency-alike": ("note", "too close"),
            "cost-differs": ("note", "cost sequential 42 µs of CPU time and thread pool 128 µs"),
        },
    ),
    "a generator that was full says nothing of its model": Case(
        models(replace(KEPT_UP, generator_cpu_ratio=0.99), KEPT_UP),
        NOT_LIMITED
        | {
            "target-limit": ("unknown", "is not known: the load generator was at its own."),
            "generator-limited": ("unknown", "nothing about what model sequential can carry"),
            "latency-incomparable": ("unknown", "sequential"),
        },
    ),
    "none has been measured": Case(models(), {}),
}

QUICK_S: Final = {
    "kernel": 0.0001,
    "read": 0.00001,
    "queue": 0.00001,
    "app": 0.002,
    "body": 0.0001,
    "write": 0.0001,
}
POOL_OF_8: Final = Workers(threads=8, busy_threads=0.2, loops=0)
ONE_LOOP: Final = Workers(loops=1, on_loop=3.0)


def path(
    requests: int = 500, workers: Workers = POOL_OF_8, model: str = "thread_pool", **changes: Any
) -> Evidence:
    """A listener's path over 5 s, each stage quick but for the changes.

    A change is the mean time in a stage, in seconds, or its whole `PathStage`.
    """
    rate = requests / 5
    stages = []
    for name, mean_s in (QUICK_S | changes).items():
        if isinstance(mean_s, PathStage):
            stages.append(mean_s)
        elif requests:
            number = rate * mean_s
            most = number if name == "queue" else None
            stages.append(
                PathStage(name, requests, rate, mean_s, occupancy=number, most_waiting=most)
            )
        else:
            stages.append(PathStage(name, occupancy=0.0))
    return Evidence(
        paths=(RequestPath("wsgi", 5, model=model, stages=tuple(stages), workers=workers),)
    )


def unfinished(name: str, number: float, requests: int = 0) -> PathStage:
    """A stage with so many requests in it; those that ended were quick."""
    mean_s = 0.001 if requests else None
    return PathStage(name, requests, requests / 5, mean_s, occupancy=number)


PATHS: Final = {
    "no stage holds": Case(path(), {"none-held": ("note", "less than 100 ms in each")}),
    "no stage holds, idle": Case(
        path(0), {"none-held": ("note", "No request ended, and no stage holds any back.")}
    ),
    "no stage holds, requests of 0.09 s": Case(path(app=0.09), {"none-held": ("note", "100 ms")}),
    "nothing was measured": Case(
        path(0, Workers(), "", **{name: PathStage(name) for name in QUICK_S}),
        {"path-unknown": ("unknown", "Nothing was measured")},
    ),
    "held in the app": Case(
        path(20, app=0.3),
        {"held-in-app": ("note", "that ended were 300 ms on average in the app, until its")},
    ),
    "held in the app for seconds": Case(path(20, app=2.5), {"held-in-app": ("warn", "2.5 s")}),
    "held in the app for half a minute": Case(path(4, app=30.0), {"held-in-app": ("bad", "30 s")}),
    "held in an app that does not answer": Case(
        path(0, app=unfinished("app", 3.0)),
        {
            "held-in-app": (
                "warn",
                "3 unfinished requests in the app, on average of the last 5 s; none has ended.",
            )
        },
    ),
    "held in an app that answers others": Case(
        path(10, app=unfinished("app", 3.0, 10)),
        {
            "held-in-app": (
                "warn",
                "has 3 unfinished requests in the app, on average of the last 5 s.",
            )
        },
    ),
    "held in the queue, all threads busy": Case(
        path(80, Workers(threads=8, busy_threads=7.9, loops=0), queue=0.7, app=0.4),
        {
            "held-in-queue": (
                "bad",
                (
                    "waited 700 ms on average for a thread: 8 of 8 request threads are busy, most "
                    "of the time in the app."
                ),
            )
        },
    ),
    "held in the queue, threads with slow clients": Case(
        path(80, Workers(threads=8, busy_threads=8.0, loops=0), queue=0.7, write=0.4),
        {"held-in-queue": ("bad", "most of the time with clients that take the response slowly")},
    ),
    "held in the queue, slow clients hold no thread": Case(
        path(80, Workers(threads=8, busy_threads=8.0, loops=0), queue=0.7, app=0.4, write=0.6),
        {"held-in-queue": ("bad", "most of the time in the app.")},
    ),
    "held in the queue, nothing is known of the threads": Case(
        path(80, Workers(), "", queue=0.7),
        {"held-in-queue": ("warn", "that ended waited 700 ms on average for a thread.")},
    ),
    "held in the queue, none ended": Case(
        path(
            0,
            Workers(threads=2, busy_threads=2.0, loops=0),
            queue=PathStage("queue", occupancy=9.0, most_waiting=9.0),
        ),
        {
            "held-in-queue": (
                "bad",
                (
                    "9 unfinished requests in the queue for a thread, on average of the last 5 s; "
                    "none has ended: 2 of"
                ),
            )
        },
    ),
    "held in the kernel, sequential": Case(
        path(10, Workers(threads=1, busy_threads=1.0, loops=0), "sequential", kernel=6.0, app=0.4),
        {
            "held-in-kernel": (
                "bad",
                (
                    "waited 6 s on average in the kernel, before the server read them: its one "
                    "thread serves one connection at a time, most of the time in the app."
                ),
            )
        },
    ),
    "held in the kernel, sequential behind a slow upload": Case(
        path(10, Workers(threads=1, busy_threads=1.0, loops=0), "sequential", kernel=3.0, read=0.8),
        {"held-in-kernel": ("bad", "most of the time to read what its client sends.")},
    ),
    "held in the kernel, blocked loop": Case(
        path(25, ONE_LOOP, "asyncio", kernel=0.8, app=0.2),
        {"held-in-kernel": ("warn", "its event loop comes to them late")},
    ),
    "held in the kernel, nobody knows by what": Case(
        path(25, Workers(), "", kernel=0.8),
        {"held-in-kernel": ("warn", "waited 800 ms on average in the kernel, before the server")},
    ),
    "held while reading": Case(
        path(20, read=0.7), {"held-in-read": ("note", "700 ms on average to arrive")}
    ),
    "held while reading, none ended": Case(
        path(0, read=unfinished("read", 4.0)),
        {
            "held-in-read": (
                "warn",
                "4 unfinished requests that it still reads, on average of the last 5 s; none",
            )
        },
    ),
    "held while the body is made": Case(
        path(20, body=1.5),
        {"held-in-body": ("warn", "waited 1.5 s on average for the app to make")},
    ),
    "an event stream is open": Case(
        path(0, body=unfinished("body", 1.0)),
        {"held-in-body": ("note", "has 1 unfinished request whose response body")},
    ),
    "an event stream among many quick requests": Case(
        path(500, body=unfinished("body", 1.0, 500)), {"none-held": ("note", "100 ms")}
    ),
    "held by clients that read slowly": Case(
        path(20, write=0.9),
        {"held-in-write": ("note", "waited 900 ms on average for their clients to take them.")},
    ),
    "one of two listeners holds": Case(
        Evidence(paths=(*path(20, app=0.3).paths, *path().paths)),
        {"held-in-app": ("note", "300 ms")},
    ),
}

CARRIES: Final = CapacityEvidence(
    "listener wsgi",
    "/slow?ms=20",
    0.05,
    0.01,
    Outcome.CARRIES,
    rate=199.2,
    low=198.0,
    high=201.0,
    readings=EdgeEvidence(
        threads=4, busy_threads=4.0, process_cores=0.08, machine_busy=0.1, generator_cpu=0.05
    ),
)


def searched(**changes: Any) -> Evidence:
    """A search for a capacity that is over."""
    return Evidence(capacity=replace(CARRIES, **changes))


def limited(**readings: Any) -> Evidence:
    """A search that found a capacity, with these readings above the edge."""
    return searched(readings=replace(CARRIES.readings, **readings))


CAPACITIES: Final = {
    "limited by threads": Case(
        searched(),
        {
            "capacity-found": ("note", "Listener wsgi carries 199 ± 2 requests/s at /slow?ms=20"),
            "capacity-limit": (
                "note",
                "threads: 4 of 4 threads had a request on average while its",
            ),
        },
    ),
    "limited by the GIL": Case(
        limited(threads=8, busy_threads=7.9, process_cores=0.99),
        {
            "capacity-found": ("note", "99 of 100 requests within 50 ms and at most 1 % failed."),
            "capacity-limit": (
                "note",
                "the GIL or one core: its busiest process used 99 % of one while 7.9 of 8",
            ),
        },
    ),
    "limited by the GIL, pinned to a core": Case(
        limited(
            threads=8,
            busy_threads=7.56,
            process_cores=0.97,
            is_pinned=True,
            machine_busy=0.99,
            others_cores=0.98,
        ),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                (
                    "It is limited by the GIL or one core: its one process, pinned to a core, used "
                    "97 % of it while 7.56 of 8 threads had a request on average; other programs "
                    "used 98 % of a core."
                ),
            ),
        },
    ),
    "limited by the GIL beside a free core": Case(
        limited(
            threads=8,
            busy_threads=7.9,
            process_cores=0.99,
            is_pinned=False,
            idle_cores=0.9,
            others_cores=0.02,
        ),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                (
                    "It is limited by the GIL: its one process used 99 % of a core, and 90 % of a "
                    "core idled, while 7.9 of 8 threads had a request on average; other programs "
                    "used 2 % of a core."
                ),
            ),
        },
    ),
    "limited by the cores of its processes": Case(
        limited(
            threads=16,
            busy_threads=15.0,
            processes=2,
            process_cores=0.92,
            all_cores=1.84,
            is_pinned=True,
            others_cores=0.12,
        ),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                (
                    "It is limited by CPU of its cores: its 2 busy processes used 184 % of a core "
                    "together; other programs used 12 % of a core."
                ),
            ),
        },
    ),
    "limited by one core": Case(
        limited(threads=1, busy_threads=1.0, process_cores=0.97),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": ("note", "CPU of one core: its busiest process used 97 % of one."),
        },
    ),
    "limited by the machine": Case(
        limited(machine_busy=0.96, process_cores=0.5),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": ("note", "CPU of all cores: 96 % of the machine was in use."),
        },
    ),
    "limited by the machine, which other programs share": Case(
        limited(machine_busy=0.96, process_cores=0.5, others_cores=1.2, is_disturbed=True),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                (
                    "CPU of all cores: 96 % of the machine was in use, a part of it by other "
                    "programs, which used 120 % of a core; its one busy process got 50 % of one."
                ),
            ),
        },
    ),
    "limited by the machine, which other programs share with two of its processes": Case(
        limited(
            machine_busy=0.96, process_cores=0.5, processes=2, others_cores=0.8, is_disturbed=True
        ),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": ("note", "; the busiest of its 2 processes got 50 % of one."),
        },
    ),
    "other programs on the server's core": Case(
        limited(machine_busy=0.6, process_cores=0.5, others_cores=0.5, is_disturbed=True),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "unknown",
                (
                    "It is limited by other programs, which used 50 % of a core, so what else "
                    "limits it is not known."
                ),
            ),
        },
    ),
    "limited by the app's own waiting": Case(
        limited(threads=None, busy_threads=None, in_app=12.4, app_share=0.98),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                "the app's own waiting: 12.4 requests were in it on average while its",
            ),
        },
    ),
    "limited by the accept queue": Case(
        limited(busy_threads=0.4, accept_queue=1.0),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": (
                "note",
                "the accept queue: it was full while its busiest process used 8 % of one core",
            ),
        },
    ),
    "limited by nothing that is known": Case(
        limited(busy_threads=0.4),
        {
            "capacity-found": ("note", "carries"),
            "capacity-limit": ("unknown", "something that was not measured"),
        },
    ),
    "more than may be offered": Case(
        searched(outcome=Outcome.AT_LEAST, rate=None, bound=2_000.0),
        {"capacity-at-least": ("note", "carries at least 2,000 req/s at /slow?ms=20")},
    ),
    "less than the lowest rate": Case(
        searched(outcome=Outcome.LESS_THAN, rate=None, bound=1.0),
        {"capacity-less-than": ("warn", "does not carry 1 req/s")},
    ),
    "the generator was the limit": Case(
        searched(outcome=Outcome.GENERATOR, rate=None, bound=640.0),
        {"capacity-generator": ("unknown", "It held at 640 req/s. Its capacity is not known.")},
    ),
    "a busy machine": Case(
        searched(outcome=Outcome.UNDECIDED, rate=None, reason="other programs took the CPU"),
        {"capacity-undecided": ("unknown", "cannot be decided: other programs took the CPU.")},
    ),
}


def chosen(name: str, *, is_past: bool = False, **known: bool | None) -> Evidence:
    """A page that is narrowed to this name."""
    return Evidence(chosen=ChosenEvidence(name, **known), is_past=is_past)


NARROWED: Final = {
    "a listener of this name is here": Case(
        chosen("wsgi", is_recorded=True, is_here=True), {}, CHOSEN
    ),
    "no listener and no app ever had this name": Case(
        chosen("nosuch", is_recorded=False, is_here=False),
        {"no-such-listener": ("note", "There is no listener or app named “nosuch”, and nothing")},
        CHOSEN,
    ),
    "the same of a past span": Case(
        chosen("nosuch", is_recorded=False, is_here=False, is_past=True),
        {"no-such-listener": ("note", "named “nosuch”, and nothing is recorded of one.")},
        CHOSEN,
    ),
    "a listener of this name was removed": Case(
        chosen("shop", is_recorded=True, is_here=False),
        {"listener-gone": ("note", "No listener or app named “shop” is here now")},
        CHOSEN,
    ),
    "a past span of a listener that was removed since": Case(
        chosen("shop", is_recorded=True, is_here=False, is_past=True), {}, CHOSEN
    ),
    "a listener of another host, which may be there": Case(
        chosen("shop", is_recorded=True, is_here=None), {}, CHOSEN
    ),
}

GROUPS: Final = {
    "A moment": MOMENTS,
    "The ports": AT_PORTS,
    "A page's span": SPANS,
    "A load run": RUNS,
    "The two clocks": CLOCKS,
    "A comparison": COMPARISONS,
    "A search for a capacity": CAPACITIES,
    "The path of a request": PATHS,
    "A page that is narrowed to a name": NARROWED,
}
CASES: Final = {name: case for group in GROUPS.values() for name, case in group.items()}
