"""The table of phases: complete, as documented, and kept by every connection."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from servescope.hosting.conversation import Conversation
from servescope.serving.connection import ConnectionContext
from servescope.serving.date_header import date_header
from servescope.serving.models.asyncio import phases
from servescope.serving.models.asyncio.connection import LoopConnection
from servescope.serving.models.asyncio.phases import TRANSITIONS, Phase
from tests.serving.models.asyncio.idle_site import idle_site


def test_each_phase_has_a_row():
    assert set(TRANSITIONS) == set(Phase)


def test_the_documented_table_names_each_phase_once():
    rows = re.findall(r"^([A-Z]+) +\|", phases.__doc__ or "", re.MULTILINE)
    assert rows == [phase.name for phase in Phase]


def test_each_phase_can_be_reached_from_the_first():
    reached, due = {Phase.READING}, [Phase.READING]
    while due:
        following = TRANSITIONS[due.pop()] - reached
        reached |= following
        due.extend(following)
    assert reached == set(Phase)


def test_nothing_follows_the_last():
    assert [phase for phase in Phase if not TRANSITIONS[phase]] == [Phase.CLOSED]


def test_each_phase_but_that_of_a_thread_can_be_closed():
    closable = {phase for phase in Phase if Phase.CLOSED in TRANSITIONS[phase]}
    assert closable == set(Phase) - {Phase.THREAD, Phase.CLOSED}


class Handler:
    """Notes that the connection was closed."""

    was_closed = False

    def on_close(self) -> None:
        self.was_closed = True


@pytest.fixture
def connection():
    loop = asyncio.new_event_loop()
    owner: Any = SimpleNamespace(
        loop=loop, request_handler=lambda _connection: Handler(), forget=lambda _connection: None
    )
    ours, theirs = socket.socketpair()
    with closing(loop), theirs:
        conversation = Conversation(idle_site(), ("", 0), 0)
        context = ConnectionContext(lambda _exchange: None, date_header(), 10**9)
        made = LoopConnection(owner, ours, conversation, context)
        yield made
        made.phase = Phase.READING
        made.close()


@pytest.mark.parametrize("after", Phase, ids=lambda phase: f"to_{phase.name}")
@pytest.mark.parametrize("before", Phase, ids=lambda phase: f"from_{phase.name}")
def test_a_connection_enters_what_the_table_allows(connection, before, after):
    connection.phase = before
    handler: Any = Handler()
    if after in TRANSITIONS[before]:
        connection.enter(after, handler)
        assert (connection.phase, connection.handler) == (after, handler)
    else:
        with pytest.raises(RuntimeError, match=f"{before.name}.*{after.name}"):
            connection.enter(after, handler)
        assert (connection.phase, connection.handler) == (before, None)


def test_a_closed_connection_has_told_its_handler(connection):
    handler: Any = Handler()
    connection.enter(Phase.RUNNING, handler)
    connection.close()
    assert handler.was_closed
    assert (connection.phase, connection.handler) == (Phase.CLOSED, None)
