"""WebSockets: those held open, their messages and bytes, their handshakes and lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.lines import lines_by_label, named_lines, of_listeners
from servescope.queries.rows import Lines
from servescope.queries.traffic import LISTENER, STATUS, of_listener
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

MESSAGES_PER_S: Final = "{message}/s"
HANDSHAKE_MEAN: Final = "handshake, mean"
MEAN_LIFE: Final = "life, mean of those that ended"

_SWITCHED: Final = ((STATUS, "101"),)
_DIRECTIONS: Final = {"received": "receive", "sent": "transmit"}


def held_open(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """WebSockets held open, by listener."""
    query = span.query(catalog.WEBSOCKETS_OPEN, by=(LISTENER,), where=of_listener(listener))
    return of_listeners(context, lines_by_label(context, query, Aggregation.MAX, "{connection}"))


def messages(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Whole messages per second, received and sent."""
    return _by_direction(context, span, catalog.WEBSOCKET_MESSAGES, MESSAGES_PER_S, listener)


def octets(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Bytes of frames per second, received and sent."""
    return _by_direction(context, span, catalog.WEBSOCKET_IO, "By/s", listener)


def times(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Mean seconds of a handshake, and how long those that ended had been open, mean.

    Handshakes are too few for percentiles of a second.
    """
    where = of_listener(listener)
    handshakes = context.store.mean(span.query(catalog.REQUEST_DURATION, where=_SWITCHED + where))
    nothing = np.full(handshakes.times.size, np.nan)
    mean = handshakes.values[0] if len(handshakes.values) else nothing
    closed, seconds = (
        context.store.aggregate(span.query(metric, where=where), Aggregation.SUM)
        for metric in (catalog.WEBSOCKETS_CLOSED, catalog.WEBSOCKET_TIME)
    )
    life = np.full(handshakes.times.size, np.nan)
    if len(closed.values) and len(seconds.values):
        ended = np.nan_to_num(closed.values[0]) > 0
        life[ended] = seconds.values[0][ended] / closed.values[0][ended]
    return Lines(
        handshakes.times,
        (HANDSHAKE_MEAN, MEAN_LIFE),
        np.array([mean, life]),
        "s",
        handshakes.actual_step,
        (True, True),
    )


def _by_direction(
    context: QueryContext, span: Span, metric: str, unit: str, listener: str
) -> Lines:
    of_direction = {
        name: (*of_listener(listener), ("network.io.direction", direction))
        for name, direction in _DIRECTIONS.items()
    }
    queries = {name: span.query(metric, where=where) for name, where in of_direction.items()}
    return named_lines(context, queries, Aggregation.RATE, unit)
