"""The ports that the graphs of accept queues draw."""

import socket
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from servescope.catalog import (
    ACCEPT_QUEUE_BACKLOG,
    ACCEPT_QUEUE_DEPTH,
    ACTIVE_REQUESTS,
    BUSY_THREADS,
    COMPARISON_PORT,
    NEW_CONNECTIONS,
    OPEN_CONNECTIONS,
    QUEUED_REQUESTS,
    TURNED_AWAY,
)
from servescope.queries import ports
from servescope.queries.span import Span
from servescope.records.listeners import ListenerState
from servescope.service_names import service_name
from servescope.sockets.binding import NEXT_PORTS
from servescope.store.base import Batch, Frame, SeriesKey
from tests.listener_statuses import POOL
from tests.waiting import eventually

START = 1_700_000_400
MINUTE = 60


def waits(port, depth, backlog=128, listener=""):
    labels = ((("listener", listener),) if listener else ()) + (("port", port),)
    return {
        SeriesKey(ACCEPT_QUEUE_DEPTH, labels): float(depth),
        SeriesKey(ACCEPT_QUEUE_BACKLOG, labels): float(backlog),
    }


@pytest.fixture
def context(harness):
    """A standing port, two that end within the first minute, and a comparison beside the second."""
    context = harness.context()
    frames = []
    for second in range(2 * MINUTE):
        gauges = waits("8000", 0)
        if second < MINUTE:
            gauges |= waits("40001", 0) | waits("40002", 3 * (second == 20))
        if 30 <= second < MINUTE:
            gauges |= waits(COMPARISON_PORT, 9, 256)
        frames.append(Frame(START + second, gauges))
    context.store.write(Batch(frames))
    return context


def drawn(context, start, end, step=1):
    return sorted(ports.accept_queue_depths(context, Span(START + start, START + end, step)).names)


@pytest.mark.parametrize("step", [1, 10, 60])
def test_a_port_that_ended_is_drawn_where_connections_waited(context, step):
    assert drawn(context, 0, 2 * MINUTE, step) == ["40002", "8000"]
    assert drawn(context, MINUTE, 2 * MINUTE, step) == ["8000"]


def test_ports_that_listened_at_the_end_of_a_past_span_are_drawn(context):
    assert drawn(context, 0, 20) == ["40001", "40002", "8000"]
    assert drawn(context, 0, MINUTE + 5) == ["40001", "40002", "8000"], (
        "a reading may be some seconds old"
    )


def test_a_gap_at_the_end_ends_no_port(context):
    context.store.write(Batch([Frame(START + 2 * MINUTE + second, {}) for second in range(MINUTE)]))
    assert drawn(context, 0, 3 * MINUTE) == ["40002", "8000"]


def test_a_span_without_a_reading_has_no_port(context):
    assert drawn(context, -2 * MINUTE, -MINUTE) == []
    span = Span(START - 2 * MINUTE, START - MINUTE, 1)
    assert ports.accept_queues(context, span).names == ()


def test_each_port_is_drawn_with_its_own_backlog(context):
    rows = ports.accept_queues(context, Span(START, START + 2 * MINUTE, 1))
    most = {name: np.nanmax(row) for name, row in zip(rows.names, rows.values, strict=True)}
    assert most == {
        "8000 waiting": 0,
        "8000 backlog": 128,
        "40002 waiting": 3,
        "40002 backlog": 128,
    }


def test_a_line_has_the_listener_that_had_the_port_then(harness):
    """It was stopped, it moved, and another one has its port now: the past stays as it was."""
    context = harness.context()
    context.process.control.listeners.write_statuses(
        [
            replace(POOL, name="wsgi", port=8002, state=ListenerState.STOPPED),
            replace(POOL, name="shop", port=8000),
        ]
    )
    seconds = [waits("8000", 1, listener="wsgi")] * 3 + [waits("8001", 1, listener="wsgi")] * 3
    seconds += [waits("8000", 1, listener="shop")] * 3
    context.store.write(Batch([Frame(START + at, one) for at, one in enumerate(seconds)]))
    rows = ports.accept_queue_depths(context, Span(START, START + len(seconds), 1))
    known = {
        name: np.flatnonzero(np.isfinite(row)).tolist()
        for name, row in zip(rows.names, rows.values, strict=True)
    }
    assert known == {"wsgi :8000": [0, 1, 2], "wsgi :8001": [3, 4, 5], "shop :8000": [6, 7, 8]}


def test_a_line_goes_on_where_an_earlier_version_did_not_say_whose_the_port_was(harness):
    context = harness.context()
    context.process.control.listeners.write_statuses([replace(POOL, name="wsgi", port=8000)])
    seconds = [waits("8000", 1)] * 2 + [waits("8000", 2, listener="wsgi")] * 2
    context.store.write(Batch([Frame(START + at, one) for at, one in enumerate(seconds)]))
    rows = ports.accept_queues(context, Span(START, START + len(seconds), 1))
    assert dict(zip(rows.names, rows.values.tolist(), strict=True)) == {
        "wsgi :8000 waiting": [1, 1, 2, 2],
        "wsgi :8000 backlog": [128, 128, 128, 128],
    }


def test_without_readings_there_are_no_lines(harness):
    assert ports.accept_queues(harness.context(), Span(START, START + MINUTE, 1)).names == ()


def test_a_socket_has_the_name_of_its_service_and_the_next_free_port(context):
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
        (row,) = (row for row in fresh_rows(context, port) if row.port == port)
    assert row.service == service_name(port)
    assert port < row.next_free_port <= port + NEXT_PORTS


def fresh_rows(context, port):
    """The table once it has the port: it may be two seconds old."""
    eventually(lambda: any(row.port == port for row in ports.sockets(context)))
    return ports.sockets(context)


def test_connections_turned_away_have_lines_beside_those_that_were_accepted(harness):
    context = harness.context()

    def of(metric, **numbers):
        return {SeriesKey(metric, (("listener", name),)): float(n) for name, n in numbers.items()}

    counts = of(NEW_CONNECTIONS, wsgi=9, asgi=2) | of(TURNED_AWAY, wsgi=4, asgi=0)
    context.store.write(Batch([Frame(START, {}, counts)]))
    lines = ports.opened_by_listener(context, Span(START, START + 1, 1))
    assert dict(zip(lines.names, lines.values[:, 0].tolist(), strict=True)) == {
        "asgi": 2.0,
        "asgi turned away": 0.0,
        "wsgi": 9.0,
        "wsgi turned away": 4.0,
    }


def test_an_event_loop_has_requests_on_it_where_others_have_threads(harness):
    """A listener changes from threads to a loop; each point says what was counted then."""
    context = harness.context()

    def of(listener, **gauges):
        return {SeriesKey(metric, (("listener", listener),)): one for metric, one in gauges.items()}

    of_both = {ACTIVE_REQUESTS: 4.0, OPEN_CONNECTIONS: 5.0}
    of_threads = of_both | {BUSY_THREADS: 3.0, QUEUED_REQUESTS: 1.0}
    frames = [
        Frame(
            START + second,
            of("loop", **of_both)
            | of("pool", **of_threads)
            | of("changed", **(of_threads if second < 2 else of_both)),
        )
        for second in range(4)
    ]
    context.store.write(Batch(frames))
    lines = ports.inside(context, Span(START, START + 4, 1))
    values = dict(zip(lines.names, lines.values.tolist(), strict=True))
    of_loop = {name.partition(" ")[2] for name in values if name.startswith("loop")}
    assert of_loop == {"connections open", "requests on the loop"}
    of_pool = {name.partition(" ")[2] for name in values if name.startswith("pool")}
    assert of_pool == {"connections open", "requests queued", "threads busy"}
    assert values["loop requests on the loop"] == [4.0] * 4
    assert np.isfinite(values["changed threads busy"]).tolist() == [True, True, False, False]
    on_loop = values["changed requests on the loop"]
    assert np.isfinite(on_loop).tolist() == [False, False, True, True]
    since = ports.inside(context, Span(START + 2, START + 4, 1))
    assert set(since.names) <= set(lines.names), "a poll adds no line"
