"""WebSockets: those held open, what goes over them, and their handshakes and lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.asking import ask, lines_by, lines_of
from servescope.queries.rows import Lines
from servescope.queries.traffic import LISTENER, STATUS, of_listener
from servescope.store.base import Aggregation, Matching

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

MESSAGES_PER_S: Final = "{message}/s"
HANDSHAKE_P50: Final = "handshake p50"
HANDSHAKE_P95: Final = "handshake p95"
MEAN_LIFE: Final = "mean life of those that ended"

_SWITCHED: Final = ((STATUS, "101"),)
_DIRECTIONS: Final = {"received": "receive", "sent": "transmit"}


def held_open(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """WebSockets held open, by listener."""
    return lines_by(
        context,
        span,
        catalog.WEBSOCKETS_OPEN,
        Aggregation.MAX,
        LISTENER,
        "{connection}",
        of_listener(listener),
    )


def messages(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Whole messages per second, received and sent."""
    return _by_direction(context, span, catalog.WEBSOCKET_MESSAGES, MESSAGES_PER_S, listener)


def octets(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Bytes of frames per second, received and sent."""
    return _by_direction(context, span, catalog.WEBSOCKET_IO, "By/s", listener)


def times(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Seconds of a handshake, p50 and p95, and how long those that ended had been open, mean."""
    handshakes = context.store.quantiles(
        (0.5, 0.95),
        Matching(catalog.REQUEST_DURATION, _SWITCHED + of_listener(listener)),
        span.start,
        span.end,
        span.step,
    )
    empty = np.full((2, handshakes.times.size), np.nan)
    p50, p95 = handshakes.values[0] if len(handshakes.values) else empty
    closed = ask(
        context, span, catalog.WEBSOCKETS_CLOSED, Aggregation.SUM, (), of_listener(listener)
    )
    seconds = ask(context, span, catalog.WEBSOCKET_TIME, Aggregation.SUM, (), of_listener(listener))
    life = np.full(handshakes.times.size, np.nan)
    if len(closed.values) and len(seconds.values):
        ended = np.nan_to_num(closed.values[0]) > 0
        life[ended] = seconds.values[0][ended] / closed.values[0][ended]
    return Lines(
        handshakes.times,
        (HANDSHAKE_P50, HANDSHAKE_P95, MEAN_LIFE),
        np.array([p50, p95, life]),
        "s",
        handshakes.actual_step,
    )


def _by_direction(
    context: QueryContext, span: Span, metric: str, unit: str, listener: str
) -> Lines:
    wanted = {
        name: (metric, (*of_listener(listener), ("network.io.direction", direction)))
        for name, direction in _DIRECTIONS.items()
    }
    return lines_of(context, span, wanted, Aggregation.RATE, unit)
