"""Every metric as data. To add one: a row here, and the line that records it.

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
    """One metric: its name, unit, kind, label names and a sentence of help."""

    name: str
    unit: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

REQUEST_DURATION: Final = "http.server.request.duration"
STAGE_DURATION: Final = "servescope.http.server.stage.duration"
BYTES_RECEIVED: Final = "servescope.http.server.received"
BYTES_SENT: Final = "servescope.http.server.sent"
NEW_CONNECTIONS: Final = "servescope.http.server.connections.opened"
ACTIVE_REQUESTS: Final = "http.server.active_requests"
OPEN_CONNECTIONS: Final = "servescope.http.server.connections.open"
BUSY_THREADS: Final = "servescope.http.server.threads.busy"
QUEUED_REQUESTS: Final = "servescope.http.server.requests.queued"
REPLACED_WORKERS: Final = "servescope.http.server.workers.replaced"
WEBSOCKETS_OPEN: Final = "servescope.websocket.connections.open"
WEBSOCKETS_CLOSED: Final = "servescope.websocket.connections.closed"
WEBSOCKET_TIME: Final = "servescope.websocket.connections.closed.time"
WEBSOCKET_MESSAGES: Final = "servescope.websocket.messages"
WEBSOCKET_IO: Final = "servescope.websocket.io"

CPU_UTILIZATION: Final = "system.cpu.utilization"
LOAD_AVERAGE: Final = "system.cpu.load_average.1m"
MEMORY_USAGE: Final = "system.memory.usage"
MEMORY_UTILIZATION: Final = "system.memory.utilization"
PAGING_USAGE: Final = "system.paging.usage"
PAGING_UTILIZATION: Final = "system.paging.utilization"
DISK_IO: Final = "system.disk.io"
NETWORK_IO: Final = "system.network.io"
PROCESS_CPU: Final = "process.cpu.utilization"
PROCESS_MEMORY: Final = "process.memory.usage"
CONTAINER_CPU: Final = "container.cpu.usage"
CONTAINER_CPU_LIMIT: Final = "servescope.container.cpu.limit"
CONTAINER_THROTTLED: Final = "servescope.container.cpu.throttled"
CONTAINER_THROTTLED_TIME: Final = "servescope.container.cpu.throttled.time"
CONTAINER_MEMORY: Final = "container.memory.working_set"
CONTAINER_MEMORY_LIMIT: Final = "servescope.container.memory.limit"

ACCEPT_QUEUE_DEPTH: Final = "servescope.tcp.accept_queue.depth"
ACCEPT_QUEUE_BACKLOG: Final = "servescope.tcp.accept_queue.backlog"
CONNECTION_COUNT: Final = "system.network.connection.count"
COMPARISON_PORT: Final = "comparison"
"""The label `port` of all servers a comparison started: their numbers are nobody's for long."""

LOAD_SENT: Final = "servescope.load.requests.sent"
LOAD_DURATION: Final = "servescope.load.request.duration"
LOAD_NAIVE_DURATION: Final = "servescope.load.request.naive_duration"
LOAD_ERRORS: Final = "servescope.load.requests.failed"

RING_LOST: Final = "servescope.recording.lost"
COLLECT_DURATION: Final = "servescope.collector.cpu_time"
SAMPLE_DURATION: Final = "servescope.sampler.cpu_time"

_REQUEST = ("listener", "http.request.method", "http.route", "http.response.status_code")
_LIMIT = ("cgroup.file", "cgroup.path")
_SOCKET = ("listener", "network.io.direction")

METRICS: Final[tuple[Metric, ...]] = (
    Metric(REQUEST_DURATION, "s", _H, _REQUEST, "Whole request: the sum of its stages."),
    Metric(STAGE_DURATION, "s", _H, ("listener", "stage"), "One stage of a request."),
    Metric(BYTES_RECEIVED, "By", _C, ("listener",), "Request heads and bodies read."),
    Metric(BYTES_SENT, "By", _C, ("listener",), "Response heads and bodies written."),
    Metric(NEW_CONNECTIONS, "{connection}", _C, ("listener",), "First requests of a connection."),
    Metric(ACTIVE_REQUESTS, "{request}", _G, ("listener",), "Requests taken and not yet answered."),
    Metric(OPEN_CONNECTIONS, "{connection}", _G, ("listener",), "Accepted connections held open."),
    Metric(BUSY_THREADS, "{thread}", _G, ("listener",), "Request threads at work."),
    Metric(QUEUED_REQUESTS, "{request}", _G, ("listener",), "Complete requests awaiting a thread."),
    Metric(REPLACED_WORKERS, "{process}", _G, ("listener",), "Worker processes replaced so far."),
    Metric(WEBSOCKETS_OPEN, "{connection}", _G, ("listener",), "WebSockets held open."),
    Metric(WEBSOCKETS_CLOSED, "{connection}", _C, ("listener",), "WebSockets that ended."),
    Metric(WEBSOCKET_TIME, "s", _C, ("listener",), "How long those that ended had been open."),
    Metric(WEBSOCKET_MESSAGES, "{message}", _C, _SOCKET, "Whole messages of WebSockets."),
    Metric(WEBSOCKET_IO, "By", _C, _SOCKET, "Frames of WebSockets, without the handshake."),
    Metric(CPU_UTILIZATION, "1", _G, ("cpu.logical_number",), "Share not idle; `all`: mean."),
    Metric(LOAD_AVERAGE, "{thread}", _G, (), "Runnable and uninterruptible threads, 1 min decay."),
    Metric(MEMORY_USAGE, "By", _G, ("system.memory.state",), "Main memory by state."),
    Metric(MEMORY_UTILIZATION, "1", _G, (), "Share of memory not available to new programs."),
    Metric(PAGING_USAGE, "By", _G, ("system.paging.state",), "Swap by state."),
    Metric(PAGING_UTILIZATION, "1", _G, (), "Share of swap in use; 0 where there is none."),
    Metric(DISK_IO, "By", _C, ("system.device", "disk.io.direction"), "Bytes moved by a disk."),
    Metric(
        NETWORK_IO,
        "By",
        _C,
        ("network.interface.name", "network.io.direction"),
        "Bytes moved by a network interface.",
    ),
    Metric(PROCESS_CPU, "1", _G, ("process",), "Cores used: 1 is one whole core."),
    Metric(PROCESS_MEMORY, "By", _G, ("process",), "Resident memory."),
    Metric(CONTAINER_CPU, "{cpu}", _G, (), "CPUs used by the cgroup that sets the limit."),
    Metric(CONTAINER_CPU_LIMIT, "{cpu}", _G, _LIMIT, "CPUs it may use; none where all."),
    Metric(CONTAINER_THROTTLED, "1", _G, (), "Share of the quota's periods that it used up."),
    Metric(CONTAINER_THROTTLED_TIME, "s", _C, (), "Time its CPUs were held back by the quota."),
    Metric(CONTAINER_MEMORY, "By", _G, (), "Memory of the cgroup but for inactive file pages."),
    Metric(CONTAINER_MEMORY_LIMIT, "By", _G, _LIMIT, "Memory it may use; none where all."),
    Metric(ACCEPT_QUEUE_DEPTH, "{connection}", _G, ("port",), "Connections waiting for accept()."),
    Metric(ACCEPT_QUEUE_BACKLOG, "{connection}", _G, ("port",), "Most that may wait for accept()."),
    Metric(
        CONNECTION_COUNT,
        "{connection}",
        _G,
        ("port", "network.connection.state"),
        "TCP connections of our ports by state, server side.",
    ),
    Metric(LOAD_SENT, "{request}", _C, ("listener",), "Requests of load runs that ended."),
    Metric(LOAD_DURATION, "s", _H, ("listener",), "Load latency from the intended send time."),
    Metric(LOAD_NAIVE_DURATION, "s", _H, ("listener",), "Load latency from the actual send time."),
    Metric(LOAD_ERRORS, "{request}", _C, ("listener", "error.type"), "Load requests that failed."),
    Metric(RING_LOST, "{request}", _C, (), "Records overwritten before they were collected."),
    Metric(COLLECT_DURATION, "s", _C, (), "CPU time of the collector."),
    Metric(SAMPLE_DURATION, "s", _C, ("sampler",), "CPU time of a sampler."),
)

BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}
