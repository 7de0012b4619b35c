"""The picture says what is known of each stage, and that the rest is not."""

import time
from dataclasses import replace

import pytest
from dash import html

from components.path_picture import NAMES, picture
from servescope import catalog
from servescope.histogram import count
from servescope.queries.span import Span
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerState
from servescope.store.base import Batch, Frame, HistogramDelta
from tests.components.conftest import START, key, requests_key
from tests.components.test_parts import texts

pytestmark = pytest.mark.usefixtures("app")  # links are below its path prefix


def stage(name, *seconds, listener="wsgi"):
    return {
        key(catalog.STAGE_DURATION, listener=listener, stage=name): HistogramDelta(
            count(list(seconds)), sum(seconds)
        )
    }


def gauge(metric, value, **labels):
    return {key(metric, **labels): value}


@pytest.fixture
def show(context, running):
    """The stages of a picture by name, each with its texts; `changes` are of the listener."""

    def picture_of(listener="wsgi", *, is_now=True, **changes):
        context.process.control.listeners.write_statuses([replace(running, **changes)])
        span = Span(START, START + 5, 1)
        shown = picture(context, span, listener, is_now=is_now)
        ordered = next((one for one in shown if isinstance(one, html.Ol)), None)
        if ordered is None:
            return texts(shown)
        return {
            getattr(one, "data-stage"): " ".join(" ".join(texts(one)).split())
            for one in ordered.children
        }

    return picture_of


def test_a_stage_tells_what_waits_its_times_and_its_rate(show, record):
    record(
        *(
            Frame(
                START + second,
                gauge(catalog.QUEUED_REQUESTS, 3.0, listener="wsgi")
                | gauge(catalog.BUSY_THREADS, 8.0, listener="wsgi")
                | gauge(catalog.ACCEPT_QUEUE_DEPTH, 1.0, port="5555")
                | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 128.0, port="5555"),
                {},
                stage("kernel", *[0.0] * 10)
                | stage("queue", *[0.4] * 10)
                | stage("app", *[0.3] * 10),
            )
            for second in range(5)
        )
    )
    shown = show()
    assert shown["kernel"].endswith("1 of 128 waiting now time not measured 10 req/s")
    assert "3 waiting now ended requests: p50 " in shown["queue"]
    assert "ended" not in shown["app"]
    assert "p99 too few 10 req/s held here State: bad." in shown["queue"]
    assert "8 of 8 busy" in shown["workers"]
    assert "3 at a time" in shown["app"]
    assert "State: bad." in shown["workers"]


def _of_three_listeners(context, running, depths, busy):
    """The boxes of three listeners together, by name: each its text and how wide its bar is."""
    names = ("asgi", "wsgi", "files")
    listed = [
        replace(
            running,
            name=name,
            port=5001 + at,
            wanted_port=5001 + at,
            model=ConcurrencyModel.ASYNCIO if name == "asgi" else running.model,
            app_kind=AppKind.ASGI if name == "asgi" else running.app_kind,
        )
        for at, name in enumerate(names)
    ]
    context.process.control.listeners.write_statuses(listed)
    gauges = {}
    for one, depth in zip(listed, depths, strict=True):
        gauges |= gauge(catalog.ACCEPT_QUEUE_DEPTH, depth, port=str(one.port))
        gauges |= gauge(catalog.ACCEPT_QUEUE_BACKLOG, 128.0, port=str(one.port))
    for name, number in busy.items():
        gauges |= gauge(catalog.BUSY_THREADS, number, listener=name)
    context.store.write(Batch([Frame(START + second, gauges, {}, {}) for second in range(5)]))

    def boxes(*, is_now):
        shown = picture(context, Span(START, START + 5, 1), "", is_now=is_now)
        (ordered,) = (one for one in shown if isinstance(one, html.Ol))
        found = {}
        for box in ordered.children:
            bars = [
                part.children.style["width"]
                for part in box._traverse()
                if getattr(part, "className", "") == "path-bar"
            ]
            found[getattr(box, "data-stage")] = (" ".join(texts(box)), *bars)
        return found

    return boxes


def test_a_full_listener_among_idle_ones_is_not_hidden_in_a_sum(context, running):
    """Backlogs and threads are each listener's own: 129 of 128 is full, whatever others have."""
    boxes = _of_three_listeners(context, running, (0, 129, 2), {"wsgi": 8.0, "files": 0.0})
    now, past = boxes(is_now=True), boxes(is_now=False)
    assert "131 waiting now, wsgi 129 of 128" in now["kernel"][0]
    assert "up to 131 waiting, wsgi 129 of 128" in past["kernel"][0]
    assert "8 of 16 busy, wsgi 8 of 8" in now["workers"][0]
    assert now["kernel"][1] == now["workers"][1] == past["kernel"][1] == "100%"
    assert "384" not in now["kernel"][0] + past["kernel"][0]


def test_of_idle_listeners_none_is_named(context, running):
    boxes = _of_three_listeners(context, running, (0, 0, 0), {"wsgi": 0.0, "files": 0.0})
    now = boxes(is_now=True)
    assert "0 waiting now " in now["kernel"][0]
    assert "0 of 16 busy " in now["workers"][0]
    assert now["kernel"][1] == now["workers"][1] == "0%"


def test_a_gauge_of_now_is_its_newest_reading_and_one_of_the_past_its_most(show, record):
    numbers = (9.0, 700.0, 40.0, 20.0, 5.0)
    record(
        *(
            Frame(
                START + second,
                gauge(catalog.QUEUED_REQUESTS, number, listener="wsgi")
                | gauge(catalog.OPEN_CONNECTIONS, number + 8, listener="wsgi")
                | gauge(catalog.LEFT_CONNECTIONS, number - 5, listener="wsgi"),
                {
                    key(catalog.NEW_CONNECTIONS, listener="wsgi"): 20.0,
                    key(catalog.TURNED_AWAY, listener="wsgi"): 12.0,
                },
                stage("queue", 0.4),
            )
            for second, number in enumerate(numbers)
        )
    )
    now, past = show(), show(is_now=False)
    assert now["clients"] == "Clients 13 open now 0 left by clients 20 new/s 12 turned away/s"
    assert "5 waiting now" in now["queue"]
    assert "up to 708 open up to 695 left by clients" in past["clients"]
    assert "up to 700 waiting" in past["queue"]
    assert " now" not in past["queue"] + past["clients"]


def test_where_nothing_is_known_of_any_listener_no_loop_is_claimed(context, record):
    record(Frame(START, gauge(catalog.CPU_UTILIZATION, 0.5, **{"cpu.logical_number": "all"})))
    context.process.control.listeners.write_statuses([])
    said = texts(picture(context, Span(START, START + 5, 1), "", is_now=True))
    assert "not measured" in said
    assert "none: a loop calls the app" not in said


def test_of_a_host_that_nobody_asks_anything_what_its_gauges_say_is_shown(context, record):
    """As another host's: its listeners are not listed here, and no request of theirs ended."""
    idle = (
        gauge(catalog.OPEN_CONNECTIONS, 0.0, listener="far")
        | gauge(catalog.BUSY_THREADS, 0.0, listener="far")
        | gauge(catalog.CPU_UTILIZATION, 0.5, **{"cpu.logical_number": "all"})
    )
    record(*(Frame(START + second, idle) for second in range(5)))
    context.process.control.listeners.write_statuses([])
    said = " ".join(texts(picture(context, Span(START, START + 5, 1), "", is_now=True)))
    assert "Clients 0 open" in said
    assert "0 busy" in said


def test_where_nobody_asked_the_kernel_nobody_knows_which_clients_have_left(show, record):
    record(Frame(START, gauge(catalog.OPEN_CONNECTIONS, 3.0, listener="wsgi")))
    assert "3 open now left by clients: unknown 0 new/s" in show()["clients"]


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        (ConcurrencyModel.SEQUENTIAL, AppKind.WSGI, "1 of 1 busy"),
        (ConcurrencyModel.PREFORK, AppKind.WSGI, "1 of 16 busy"),
        (ConcurrencyModel.ASYNCIO, AppKind.WSGI, "1 of 8 busy"),
        (ConcurrencyModel.ASYNCIO, AppKind.ASGI, "5 on the loop"),
    ],
)
def test_each_model_is_told_as_it_is(show, record, model, kind, said):
    record(
        Frame(
            START,
            gauge(catalog.BUSY_THREADS, 1.0, listener="wsgi")
            | gauge(catalog.ACTIVE_REQUESTS, 5.0, listener="wsgi"),
        )
    )
    shown = show(model=model, app_kind=kind)
    assert said in shown["workers"]
    has_queue = kind is AppKind.WSGI
    assert ("a loop calls the app" in shown["queue"]) is not has_queue


def test_nothing_recorded_is_not_zero(show):
    shown = show()
    for name in ("kernel", "read", "queue", "workers", "app", "body", "write"):
        assert "not measured" in shown[name]
        assert "none ended" not in shown[name]
    assert shown["clients"] == "Clients not measured"


@pytest.mark.parametrize(
    ("listener", "code", "told"),
    [
        ("", "none-runs", "no listener runs"),
        ("wsgi", "none-runs", "no listener runs"),
        ("wsgi", "not-listening", "does not run"),
    ],
)
def test_where_no_listener_runs_nothing_failed_to_be_measured(
    context, running, record, listener, code, told
):
    now = int(time.time())
    record(*(Frame(second, {}, {}, {}) for second in range(now - 5, now)))
    # On port 1 nobody listens, whatever runs on this machine.
    stopped = replace(running, state=ListenerState.STOPPED, port=1, wanted_port=1)
    other = replace(running, name="asgi", port=2, wanted_port=2)
    others = [other] if code == "not-listening" else []
    context.process.control.listeners.write_statuses([stopped, *others])
    shown = html.Div(picture(context, Span(now - 5, now, 1), listener, is_now=True))
    said = texts(shown)
    assert said.count(told) == len(("clients", *NAMES))
    assert not any("not measured" in one or "Nothing was measured" in one for one in said)
    found = [part for part in shown._traverse() if hasattr(part, "data-code")]
    assert [getattr(one, "data-code") for one in found] == [code]


def test_a_listener_that_there_is_none(show):
    for is_now in (True, False):
        assert show(listener="other", is_now=is_now) == [
            "There is no listener or app named “other”, and nothing is recorded of one.",
            " ",
            "See Servers",
        ]


def test_a_listener_that_was_removed(show, record):
    record(
        Frame(START + 9, {}, {}, {requests_key(listener="shop"): HistogramDelta(count([1.0]), 1.0)})
    )
    assert show(listener="shop") == [
        "Nothing is known of a listener or app shop in this span.",
        "No listener or app named “shop” is here now: all that is shown of it was recorded before.",
        " ",
        "See Servers",
    ]


def test_of_a_past_span_it_says_nothing_but_of_its_path(context, running, record):
    context.process.control.listeners.write_statuses([running])
    record(*(Frame(START + second, {}, {}, stage("app", *[0.001] * 9)) for second in range(5)))
    said = texts(picture(context, Span(START, START + 5, 1), "wsgi", is_now=False))
    assert any(one.startswith("No stage held requests back") for one in said)
    assert not any("Nothing was" in one for one in said)
    nothing = texts(picture(context, Span(START - 60, START - 5, 1), "wsgi", is_now=False))
    assert any(one.startswith("Nothing was measured of the path") for one in nothing)
    assert not any("req/s" in one for one in nothing)


@pytest.mark.parametrize("is_now", [True, False])
def test_a_finding_of_the_path_leads_to_its_own_seconds(context, running, record, is_now):
    context.process.control.listeners.write_statuses([running])
    record(*(Frame(START + second, {}, {}, stage("app", *[0.9] * 9)) for second in range(5)))
    shown = html.Div(picture(context, Span(START, START + 5, 1), "wsgi", is_now=is_now))
    found = [part.href for part in shown._traverse() if getattr(part, "className", "") == "way-on"]
    assert f"/latency?listener=wsgi&from={START}&to={START + 5}" in found
