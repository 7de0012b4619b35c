"""The graphs of WebSockets: what a request log cannot show, since one request is a whole talk."""

from __future__ import annotations

from typing import Final

from components.live import LiveGraph
from servescope import catalog
from servescope.figures import theme
from servescope.figures.lines import LinePlot, together
from servescope.queries import websocket

EMPTY: Final = "No WebSocket in this span."
ADVICE: Final = "A WebSocket that an app opens shows here a second or two later."

METRICS: Final = (
    catalog.WEBSOCKETS_OPEN,
    catalog.WEBSOCKETS_CLOSED,
    catalog.WEBSOCKET_TIME,
    catalog.WEBSOCKET_MESSAGES,
    catalog.WEBSOCKET_IO,
)

GRAPHS: Final = (
    LiveGraph(
        "websocket-open",
        "WebSockets held open by listener",
        "Connections past their handshake that neither side has closed. Each costs memory and a "
        "descriptor, and no thread.",
        lambda context, span, chosen: websocket.held_open(context, span, chosen[0]),
        LinePlot(listener_styles=theme.by_listener, step_line=True, drop_idle=True),
        EMPTY,
        ADVICE,
    ),
    LiveGraph(
        "websocket-messages",
        "WebSocket messages per second",
        "Whole messages, however many frames they came in: received from clients, sent to them. "
        "Pings, pongs and closes are not counted.",
        lambda context, span, chosen: websocket.messages(context, span, chosen[0]),
        LinePlot(drop_idle=True, idle_as=together),
        EMPTY,
        ADVICE,
    ),
    LiveGraph(
        "websocket-bytes",
        "WebSocket: bytes received and sent",
        "Bytes a second of all frames as they went over the wire, compressed where both sides "
        "agreed to; the handshake counts as a request.",
        lambda context, span, chosen: websocket.octets(context, span, chosen[0]),
        LinePlot(drop_idle=True, idle_as=together),
        EMPTY,
        ADVICE,
    ),
    LiveGraph(
        "websocket-times",
        "WebSocket handshake and life",
        "Handshake: from the request's arrival in the kernel to the 101 handed back to it, mean of "
        "all stages of the request. Life: from the 101 to the end of the connection, the mean of "
        "those that ended then. The axis is logarithmic: one takes a millisecond, the other may "
        "take hours.",
        lambda context, span, chosen: websocket.times(context, span, chosen[0]),
        LinePlot(log=True, drop_idle=True),
        EMPTY,
        ADVICE,
    ),
)
