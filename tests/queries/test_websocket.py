"""The queries about WebSockets: rates by direction, handshakes apart, lives as a true mean."""

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.queries import websocket
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000


def key(metric, listener, **labels):
    pairs = {name.replace("__", "."): text for name, text in labels.items()}
    return SeriesKey(metric, tuple(sorted({**pairs, "listener": listener}.items())))


def request(status, listener="asgi"):
    return key(
        catalog.REQUEST_DURATION,
        listener,
        http__request__method="GET",
        http__route="/ws/echo",
        http__response__status_code=status,
    )


def delta(*durations):
    return HistogramDelta(histogram.count(np.array(durations)), sum(durations))


@pytest.fixture
def context(harness):
    context = harness.context()
    received = {"network__io__direction": "receive"}
    counts = {
        key(catalog.WEBSOCKET_MESSAGES, "asgi", **received): 6.0,
        key(catalog.WEBSOCKET_MESSAGES, "other", **received): 1.0,
        key(catalog.WEBSOCKET_MESSAGES, "asgi", network__io__direction="transmit"): 4.0,
        key(catalog.WEBSOCKETS_CLOSED, "asgi"): 3.0,
        key(catalog.WEBSOCKET_TIME, "asgi"): 30.0,
        key(catalog.WEBSOCKETS_CLOSED, "other"): 1.0,
        key(catalog.WEBSOCKET_TIME, "other"): 90.0,
    }
    gauges = {key(catalog.WEBSOCKETS_OPEN, "asgi"): 2.0}
    histograms = {request("101"): delta(0.002), request("200"): delta(1.0, 1.0)}
    idle = dict.fromkeys(counts, 0.0)
    context.store.write(
        Batch([Frame(START, gauges, counts, histograms), Frame(START + 1, gauges, idle)])
    )
    return context


def test_rates_by_direction_of_one_listener_or_all(context):
    span = Span(START, START + 2, 1)
    one = websocket.messages(context, span, "asgi")
    assert one.names == ("received", "sent")
    assert one.values.tolist() == [[6, 0], [4, 0]]
    assert websocket.messages(context, span).values.tolist() == [[7, 0], [4, 0]]
    assert websocket.held_open(context, span).values.tolist() == [[2, 2]]


def test_only_handshakes_count_as_handshakes_and_lives_are_a_mean_of_all(context):
    span = Span(START, START + 2, 1)
    handshake, life = websocket.times(context, span).values
    assert handshake[0] == pytest.approx(0.002)
    assert np.isnan(handshake[1])
    assert life[0] == 30.0  # 120 s of four, not the mean of two means
    assert np.isnan(life[1]), "nobody ended"
    assert websocket.times(context, span, "asgi").values[1][0] == 10.0


def test_without_websockets_there_are_gaps_and_no_error(harness):
    context = harness.context()
    harness.fill(context, START, START + 5)
    span = Span(START, START + 5, 1)
    for ask in (websocket.messages, websocket.octets, websocket.times, websocket.held_open):
        assert np.isnan(ask(context, span).values).all()
