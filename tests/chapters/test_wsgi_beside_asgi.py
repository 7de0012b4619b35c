"""The sentences about event streams say how many clients had an event."""

from __future__ import annotations

import pytest

from servescope.chapters.wsgi_beside_asgi import CHAPTER, CLIENTS


@pytest.mark.parametrize(
    ("served", "said", "at_the_end"),
    [
        (CLIENTS, "all 12 clients had one.", "each of them had an event."),
        (4, "8 of the 12 clients had none.", "8 of them had no event."),
        (0, "No event came within 1.75 s.", "12 of them had no event."),
    ],
)
def test_the_clients_without_an_event_are_counted(served, said, at_the_end):
    arrivals = [(client, 1.0 + client) for client in range(served)]
    reading = CHAPTER.read(CHAPTER.settings[0], {"arrivals": arrivals})
    (told,) = reading.told
    assert told.endswith(said)
    assert reading.steps[-1].text.endswith(at_the_end)
