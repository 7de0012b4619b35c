import pytest

from components.run_links import address_of_event
from servescope.records.dashboard import Event, EventKind


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("run 12: 500/s on wsgi", "/runs/12"),
        ("comparison 3: 40/s", "/servers?comparison=3#compare"),
        ("search 2: wsgi /", "/load#capacity"),
        ("verdict 4: wsgi and asgi", "/load#verdict"),
        ("experiment 7: Ports, free and taken", "/learn/ports?experiment=7"),
        ("experiment 7: a chapter that there was", ""),
        ("run: 500/s on wsgi", ""),
    ],
)
def test_an_event_of_load_leads_to_what_it_is_about(app, text, address):
    with app.server.test_request_context():
        assert address_of_event(Event(EventKind.LOAD_RUN, 0.0, text)) == address


def test_another_event_leads_nowhere(app):
    with app.server.test_request_context():
        assert address_of_event(Event(EventKind.LISTENER, 0.0, "run 1: restarted")) == ""
