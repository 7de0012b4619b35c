"""Sockets: who listens, who waits to be accepted, and in which state connections are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.lines import joined, lines_by_label, of_listeners, renamed, selected
from servescope.queries.rows import Lines, PortRow
from servescope.records.listeners import ListenerState
from servescope.sampling.owners import listening_table
from servescope.service_names import service_name
from servescope.sockets.binding import next_free_port
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.metrics import Labels

LISTENS_S: Final = 10
"""A port that was seen within so many seconds listens: the readings of several hosts need not end
with the same second."""

_STATE: Final = "network.connection.state"


def sockets(context: QueryContext) -> list[PortRow]:
    """Every listening TCP socket of this host as it is now; ours first, then by port.

    None for another host: sockets are looked at, not recorded.
    """
    if not context.is_home:
        return []
    ours = {
        status.port: f"{status.name} (TLS)" if status.is_tls else status.name
        for status in context.process.listeners()
        if status.state is ListenerState.RUNNING
    }
    rows = [
        PortRow(
            address=row.address,
            port=row.port,
            inode=row.inode,
            process=row.process,
            pid=row.pid,
            listener=ours.get(row.port, ""),
            accept_queue_depth=row.accept_queue_depth,
            backlog=row.backlog,
            service=service_name(row.port),
            next_free_port=next_free_port(row.address, row.port),
        )
        for row in listening_table()
    ]
    return sorted(rows, key=lambda row: (not row.listener, row.port, row.address, row.inode))


def accept_queues(context: QueryContext, span: Span) -> Lines:
    """Deepest accept queue of each of our ports, with its backlog beside it; see `_of_interest`."""
    waiting = accept_queue_depths(context, span)
    backlogs = _by_port(context, span, catalog.ACCEPT_QUEUE_BACKLOG)
    wanted = [name in waiting.names for name in backlogs.names]
    return joined(
        [renamed(waiting, "{} waiting"), renamed(selected(backlogs, wanted), "{} backlog")]
    )


def accept_queue_depths(context: QueryContext, span: Span) -> Lines:
    """Deepest accept queue of each of our ports; see `_of_interest` and `_by_port`."""
    found = _by_port(context, span, catalog.ACCEPT_QUEUE_DEPTH)
    return of_listeners(context, selected(found, _of_interest(found)))


def _by_port(context: QueryContext, span: Span, metric: str) -> Lines:
    """The most of a gauge by port, with the listener in front that had the port then: `wsgi :8000`.

    Earlier versions did not record whose a port was. Such a line gets the name of the listener that
    has the port now; on another host it has only the port.
    """
    query = span.query(metric, by=("listener", "port"))
    found = context.store.aggregate(query, Aggregation.MAX)
    now = {str(one.port): one.name for one in context.process.listeners()}
    rows: dict[str, NDArray[np.float64]] = {}
    for (listener, port), values in zip(found.groups, found.values, strict=True):
        whose = listener or (now.get(port, "") if context.is_home else "")
        name = f"{whose} :{port}" if whose else port
        rows[name] = np.fmax(rows[name], values) if name in rows else values
    values = np.array(list(rows.values())).reshape(-1, found.times.size)
    without_mean = (True,) * len(rows)
    return Lines(found.times, tuple(rows), values, "{connection}", found.actual_step, without_mean)


def _of_interest(depths: Lines) -> list[bool]:
    """Mark the ports that listen at the end of the span, or had connections waiting within it.

    A listener on port 0 has another port after each restart. The ones before would fill the graph,
    to say nothing but that they were there.
    """
    has_value = ~np.isnan(depths.values)
    if not has_value.any():
        return [False] * len(depths.names)
    newest = int(np.flatnonzero(has_value.any(axis=0))[-1])
    steps = -(-LISTENS_S // depths.step)
    listens = has_value[:, max(newest + 1 - steps, 0) : newest + 1].any(axis=1)
    waited = np.nan_to_num(depths.values).max(axis=1) > 0
    wanted: list[bool] = (listens | waited).tolist()
    return wanted


def connections_by_state(context: QueryContext, span: Span) -> Lines:
    """TCP connections of our ports by state."""
    query = span.query(catalog.CONNECTION_COUNT, by=(_STATE,))
    return lines_by_label(context, query, Aggregation.AVG, "{connection}")


def opened_by_listener(context: QueryContext, span: Span) -> Lines:
    """Connections accepted per second, by listener, and those of them that were turned away."""
    opened, turned_away = (
        lines_by_label(
            context, span.query(metric, by=("listener",)), Aggregation.RATE, "{connection}/s"
        )
        for metric in (catalog.NEW_CONNECTIONS, catalog.TURNED_AWAY)
    )
    return of_listeners(context, joined([opened, renamed(turned_away, "{} turned away")]))


def on_loop(context: QueryContext, span: Span, where: Labels = ()) -> Lines:
    """Unfinished requests of each listener whose app an event loop calls, the mean of each step.

    It is one in the steps in which its requests were counted and no threads of its were.
    """
    active, busy = (
        lines_by_label(
            context, span.query(metric, by=("listener",), where=where), Aggregation.AVG, ""
        )
        for metric in (catalog.ACTIVE_REQUESTS, catalog.BUSY_THREADS)
    )
    threads = dict(zip(busy.names, busy.values, strict=True))
    values = active.values.copy()
    for name, row in zip(active.names, values, strict=True):
        if name in threads:
            row[np.isfinite(threads[name])] = np.nan
    found = replace(active, values=values)
    return selected(found, [bool(np.isfinite(row).any()) for row in values])


def inside(context: QueryContext, span: Span) -> Lines:
    """Within the server: connections open, requests queued, threads busy, by listener.

    Of the queue the most in each step, like the accept queue's: its mean would hide a pile-up.
    Where an event loop calls the app there is no queue for threads: see `on_loop`.
    """
    wanted = (
        (catalog.OPEN_CONNECTIONS, Aggregation.AVG, "{} connections open"),
        (catalog.QUEUED_REQUESTS, Aggregation.MAX, "{} requests queued"),
        (catalog.BUSY_THREADS, Aggregation.AVG, "{} threads busy"),
    )
    parts = []
    for metric, aggregation, form in wanted:
        query = span.query(metric, by=("listener",))
        parts.append(renamed(lines_by_label(context, query, aggregation, ""), form))
    parts.append(renamed(on_loop(context, span), "{} requests on the loop"))
    return of_listeners(context, joined(parts))
