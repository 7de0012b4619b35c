"""Events, and which of them touch a span."""

from servescope.records.dashboard import Event, EventKind


def test_events_that_touch_a_span(control, other):
    moment = Event(EventKind.LEADER, 100.0, "took over")
    span = Event(EventKind.LISTENER, 50.0, "restart", end_s=60.0)
    running = Event(EventKind.LOAD_RUN, 90.0, "run 1")
    numbers = {event.text: control.events.add(event) for event in (moment, span, running)}

    def texts(start, end):
        return [event.text for event in other.events.between(start, end)]

    assert texts(0, 1000) == ["restart", "run 1", "took over"]
    assert texts(55, 58) == ["restart"]
    assert texts(60.5, 90) == []
    assert texts(100.0, 101.0) == ["run 1", "took over"]
    assert texts(500, 600) == ["run 1"]
    control.events.end(numbers["run 1"], 120.0)
    assert texts(500, 600) == []
    (ended,) = other.events.between(110, 111)
    assert ended == Event(EventKind.LOAD_RUN, 90.0, "run 1", 120.0, numbers["run 1"])
