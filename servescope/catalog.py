"""Every metric as data. To add one: a row here, and the line that records it.

Store, export, scrape, engine and docs read the registry `BY_NAME`.

Names follow OpenTelemetry's semantic conventions where those have one; ours begin with
`servescope.`. Units are UCUM codes: `1` is a ratio, `By` bytes, `s` seconds, `{…}` an annotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How values of a metric combine over time."""

    GAUGE = "gauge"  # averaged, with minimum and maximum
    COUNTER = "counter"  # increases are added
    HISTOGRAM = "histogram"  # bucket counts are added


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, unit, kind, label names and a sentence of help.

    `mean_over_hosts`: a figure of a whole host, which over several hosts is averaged, not added.
    """

    name: str
    unit: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    mean_over_hosts: bool = False


BY_NAME: Final[dict[str, Metric]] = {}
"""The registry, in the order in which docs and scrapes list the metrics."""


def register(metric: Metric) -> str:
    """Add a metric to the registry; return its name. Raises ValueError when the name is taken."""
    if metric.name in BY_NAME:
        raise ValueError(f"the metric {metric.name} is there twice")
    BY_NAME[metric.name] = metric
    return metric.name


def _gauge(
    name: str, unit: str, labels: tuple[str, ...], text: str, *, mean_over_hosts: bool = False
) -> str:
    return register(Metric(name, unit, Kind.GAUGE, labels, text, mean_over_hosts))


def _counter(name: str, unit: str, labels: tuple[str, ...], text: str) -> str:
    return register(Metric(name, unit, Kind.COUNTER, labels, text))


def _histogram(name: str, unit: str, labels: tuple[str, ...], text: str) -> str:
    return register(Metric(name, unit, Kind.HISTOGRAM, labels, text))


_LISTENER = ("listener",)
_REQUEST = ("listener", "http.request.method", "http.route", "http.response.status_code")
_LIMIT = ("cgroup.file", "cgroup.path")
_SOCKET = ("listener", "network.io.direction")
_PORT = ("listener", "port")

REQUEST_DURATION: Final = _histogram(
    "http.server.request.duration",
    "s",
    _REQUEST,
    "Whole request: the sum of its stages. Answers whose client had gone are among them.",
)
STAGE_DURATION: Final = _histogram(
    "servescope.http.server.stage.duration",
    "s",
    ("listener", "stage"),
    "One stage of a request; an answer before a request was read has none.",
)
BYTES_RECEIVED: Final = _counter(
    "servescope.http.server.received",
    "By",
    _LISTENER,
    "Request heads and bodies read, counted when a request ends.",
)
BYTES_SENT: Final = _counter(
    "servescope.http.server.sent",
    "By",
    _LISTENER,
    "Response heads and bodies written, counted when a request ends.",
)
NEW_CONNECTIONS: Final = _counter(
    "servescope.http.server.connections.opened",
    "{connection}",
    _LISTENER,
    "Connections accepted, those that were turned away included.",
)
TURNED_AWAY: Final = _counter(
    "servescope.http.server.connections.turned_away",
    "{connection}",
    _LISTENER,
    "Of these, those for which there was no room: answered with 503 unread, or closed.",
)
ANSWERS_TO_NOBODY: Final = _counter(
    "servescope.http.server.responses.client_gone",
    "{request}",
    ("listener", "http.response.status_code"),
    "Of the requests that were answered, those whose client had gone: no byte could be sent, or it "
    "had closed its side before.",
)
UNANSWERED: Final = _counter(
    "servescope.http.server.requests.unanswered",
    "{request}",
    ("listener", "error.type"),
    "Requests whose connection was closed before an answer: `cut_off` by a stop of their server, "
    "else `client_gone`.",
)
ACTIVE_REQUESTS: Final = _gauge(
    "http.server.active_requests", "{request}", _LISTENER, "Requests taken and not yet answered."
)
OPEN_CONNECTIONS: Final = _gauge(
    "servescope.http.server.connections.open",
    "{connection}",
    _LISTENER,
    "Accepted connections held open.",
)
LEFT_CONNECTIONS: Final = _gauge(
    "servescope.http.server.connections.left",
    "{connection}",
    _LISTENER,
    "Of these, those that their clients have closed.",
)
BUSY_THREADS: Final = _gauge(
    "servescope.http.server.threads.busy",
    "{thread}",
    _LISTENER,
    "Request threads at work; not of an app that an event loop calls.",
)
QUEUED_REQUESTS: Final = _gauge(
    "servescope.http.server.requests.queued",
    "{request}",
    _LISTENER,
    "Complete requests awaiting a thread; not of an app that an event loop calls.",
)
REQUESTS_IN_STAGE: Final = _gauge(
    "servescope.http.server.requests.in_stage",
    "{request}",
    ("listener", "stage"),
    "Unfinished requests by the stage they are in, but for `kernel` and `queue`.",
)
REPLACED_WORKERS: Final = _gauge(
    "servescope.http.server.workers.replaced",
    "{process}",
    _LISTENER,
    "Worker processes replaced so far.",
)
WEBSOCKETS_OPEN: Final = _gauge(
    "servescope.websocket.connections.open", "{connection}", _LISTENER, "WebSockets held open."
)
WEBSOCKETS_CLOSED: Final = _counter(
    "servescope.websocket.connections.closed", "{connection}", _LISTENER, "WebSockets that ended."
)
WEBSOCKET_TIME: Final = _counter(
    "servescope.websocket.connections.closed.time",
    "s",
    _LISTENER,
    "How long those that ended had been open.",
)
WEBSOCKET_MESSAGES: Final = _counter(
    "servescope.websocket.messages", "{message}", _SOCKET, "Whole messages of WebSockets."
)
WEBSOCKET_IO: Final = _counter(
    "servescope.websocket.io", "By", _SOCKET, "Frames of WebSockets, without the handshake."
)

CPU_UTILIZATION: Final = _gauge(
    "system.cpu.utilization",
    "1",
    ("cpu.logical_number",),
    "Share not idle; `all`: mean.",
    mean_over_hosts=True,
)
LOAD_AVERAGE: Final = _gauge(
    "system.cpu.load_average.1m",
    "{thread}",
    (),
    "Runnable and uninterruptible threads, 1 min decay.",
    mean_over_hosts=True,
)
MEMORY_USAGE: Final = _gauge(
    "system.memory.usage",
    "By",
    ("system.memory.state",),
    "Main memory by state; `used`: all but `free`, `buffers` and `cached`, as the kernel has them.",
)
MEMORY_UTILIZATION: Final = _gauge(
    "system.memory.utilization",
    "1",
    (),
    "Share of memory not available to new programs.",
    mean_over_hosts=True,
)
PAGING_USAGE: Final = _gauge(
    "system.paging.usage", "By", ("system.paging.state",), "Swap by state."
)
PAGING_UTILIZATION: Final = _gauge(
    "system.paging.utilization",
    "1",
    (),
    "Share of swap in use; 0 where there is none.",
    mean_over_hosts=True,
)
DISK_IO: Final = _counter(
    "system.disk.io", "By", ("system.device", "disk.io.direction"), "Bytes moved by a disk."
)
NETWORK_IO: Final = _counter(
    "system.network.io",
    "By",
    ("network.interface.name", "network.io.direction"),
    "Bytes moved by a network interface.",
)
PROCESS_CPU: Final = _gauge(
    "process.cpu.utilization", "1", ("process",), "Cores used: 1 is one whole core."
)
PROCESS_MEMORY: Final = _gauge("process.memory.usage", "By", ("process",), "Resident memory.")
CONTAINER_CPU: Final = _gauge(
    "container.cpu.usage", "{cpu}", (), "CPUs used by the cgroup that sets the limit."
)
CONTAINER_CPU_LIMIT: Final = _gauge(
    "servescope.container.cpu.limit", "{cpu}", _LIMIT, "CPUs it may use; none where all."
)
CONTAINER_THROTTLED: Final = _gauge(
    "servescope.container.cpu.throttled", "1", (), "Share of the quota's periods that it used up."
)
CONTAINER_THROTTLED_TIME: Final = _counter(
    "servescope.container.cpu.throttled.time", "s", (), "Time its CPUs were held back by the quota."
)
CONTAINER_MEMORY: Final = _gauge(
    "container.memory.working_set", "By", (), "Memory of the cgroup but for inactive file pages."
)
CONTAINER_MEMORY_LIMIT: Final = _gauge(
    "servescope.container.memory.limit", "By", _LIMIT, "Memory it may use; none where all."
)

ACCEPT_QUEUE_DEPTH: Final = _gauge(
    "servescope.tcp.accept_queue.depth",
    "{connection}",
    _PORT,
    "Connections waiting for accept(), by port and the listener that had it then.",
)
ACCEPT_QUEUE_BACKLOG: Final = _gauge(
    "servescope.tcp.accept_queue.backlog",
    "{connection}",
    _PORT,
    "Most that may wait for accept().",
)
CONNECTION_COUNT: Final = _gauge(
    "system.network.connection.count",
    "{connection}",
    ("port", "network.connection.state"),
    "TCP connections of our ports by state, server side.",
)

LOAD_SENT: Final = _counter(
    "servescope.load.requests.sent",
    "{request}",
    _LISTENER,
    "Requests of load runs that ended, those that got no connection in time included.",
)
LOAD_DURATION: Final = _histogram(
    "servescope.load.request.duration", "s", _LISTENER, "Load latency from the intended send time."
)
LOAD_NAIVE_DURATION: Final = _histogram(
    "servescope.load.request.naive_duration",
    "s",
    _LISTENER,
    "Load latency from the actual send time.",
)
LOAD_TIMED_OUT_NAIVE_DURATION: Final = _histogram(
    "servescope.load.request.timed_out.naive_duration",
    "s",
    _LISTENER,
    "Of these, requests that timed out: from the actual send until they were given up.",
)
LOAD_ERRORS: Final = _counter(
    "servescope.load.requests.failed",
    "{request}",
    ("listener", "error.type"),
    "Load requests that failed.",
)

RING_LOST: Final = _counter(
    "servescope.recording.lost", "{request}", (), "Records overwritten before they were collected."
)
COLLECT_DURATION: Final = _counter(
    "servescope.collector.cpu_time", "s", (), "CPU time of the collector."
)
SAMPLE_DURATION: Final = _counter(
    "servescope.sampler.cpu_time", "s", ("sampler",), "CPU time of a sampler."
)

COMPARISON_PORT: Final = "comparison"
"""The label `port` of all servers a comparison started: their numbers are nobody's for long."""
