"""Bytes fed to the server role in any cut, and the events that come of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.wire.http1_events import BodyData, Event, Idle, Refusal
from servescope.wire.http1_server import Http1Server, State

if TYPE_CHECKING:
    from servescope.wire.http1_rules import Limits


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def events_under(limits: Limits, parts: list[bytes]) -> list[Event]:
    """All events of a connection whose every answer is given at once; body data joined."""
    server = Http1Server(limits)
    found: list[Event] = []
    for part in parts:
        server.receive_data(part)
        while not isinstance(event := server.next_event(), Idle) or server.state is State.DONE:
            if isinstance(event, Idle):
                server.start_next_cycle()
            elif isinstance(event, BodyData) and isinstance(before := found[-1], BodyData):
                found[-1] = BodyData(before.data + event.data)
            else:
                found.append(event)
            if isinstance(event, Refusal):
                break
    return found
