"""When flows start: by a schedule (the open model), or when users come to it (the closed one)."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Final, Protocol

from servescope.errors import LoadRefusedError
from servescope.load.report import LoadModel
from servescope.scenarios.arrivals import arrivals_ns, flow_choices

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

    from servescope.load.flows import ActiveFlow
    from servescope.load.mix import Mix
    from servescope.records.scenarios import Scenario, Users

NEVER_NS: Final = 2**63
TAKE_UP_LIMIT: Final = 64
"""Flows started in one turn, so that a backlog does not keep responses from being read."""

_NS: Final = 1_000_000_000
_CHOICES: Final = 65_536
"""Flows of users are drawn once, for so many; then the same follow again."""


class Arrivals(Protocol):
    """Where flows come from. Times are `time.monotonic_ns()`."""

    model: LoadModel
    started: int
    """Flows that were started."""

    next_due_ns: int
    """When the next flow is due; NEVER_NS when none is, or only an answer makes one due."""

    def begin(self, start_ns: int) -> None:
        """The run starts at that time."""

    def take_up(self, start: Callable[[ActiveFlow, int, int], None]) -> None:
        """Start the flows that are due: each with its intended time and how late it is, in ns."""

    def flow_ended(self, flow: ActiveFlow, now_ns: int) -> None:
        """A flow is over, whatever came of it."""

    def stop(self) -> None:
        """Start nothing more."""


class OpenModel:
    """Flows start when they are due, whether or not the server keeps up."""

    model = LoadModel.OPEN

    def __init__(self, scenario: Scenario, mix: Mix) -> None:
        self._due_ns: array[int] = arrivals_ns(scenario)
        self._count = len(self._due_ns)
        self._begin = mix.begin
        # Where all requests of a flow are the same, so is the flow: most runs have no other.
        self._constant = mix.constant
        self._choices = flow_choices(scenario, self._count)
        flows = scenario.flows
        self.requests_per_flow = (
            sum(len(flows[choice].steps) for choice in self._choices) / self._count
        )
        self.started = 0
        self._start_ns = 0
        self.next_due_ns = NEVER_NS

    @property
    def flows(self) -> int:
        """How many flows the schedule has."""
        return len(self._due_ns)

    def begin(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self.next_due_ns = start_ns + self._due_ns[0]

    def take_up(self, start: Callable[[ActiveFlow, int, int], None]) -> None:
        clock, due, offset = time.monotonic_ns, self._due_ns, self._start_ns
        begin, constant, choices = self._begin, self._constant, self._choices
        index = self.started
        last = min(index + TAKE_UP_LIMIT, self._count)
        while index < last:
            intended_ns = offset + due[index]
            lag_ns = clock() - intended_ns
            if lag_ns < 0:
                break
            choice = choices[index]
            index += 1
            self.started = index
            start(constant[choice] or begin(choice), intended_ns, lag_ns)
        self.next_due_ns = offset + due[index] if index < self._count else NEVER_NS

    def flow_ended(self, flow: ActiveFlow, now_ns: int) -> None:
        """Nothing follows from it."""

    def stop(self) -> None:
        self._count = self.started
        self.next_due_ns = NEVER_NS


class ClosedModel:
    """Each user starts its next flow so long after the last one ended.

    The first ones start one after the other within the time to think, so that they do not go on in
    step. At most `most_flows` start. Raises LoadRefusedError for more users than connections.
    """

    model = LoadModel.CLOSED

    def __init__(
        self, scenario: Scenario, users: Users, mix: Mix, *, connections: int, most_flows: int
    ) -> None:
        if users.users > connections:
            raise LoadRefusedError(
                f"each of the {users.users:,} users has a connection of its own, and the generator "
                f"may have {connections:,} at most"
            )
        self._users = users.users
        self._think_ns = int(users.think_seconds * _NS)
        self._schedule_ns = int(users.seconds * _NS)
        self._begin = mix.begin
        self._choices = flow_choices(scenario, min(_CHOICES, most_flows))
        self._left = most_flows
        self.started = 0
        self._due: list[tuple[int, int]] = []  # a heap: when, and which user
        self._end_ns = NEVER_NS
        self.next_due_ns = NEVER_NS

    def begin(self, start_ns: int) -> None:
        self._end_ns = start_ns + self._schedule_ns
        self._due = [
            (start_ns + self._think_ns * user // self._users, user) for user in range(self._users)
        ]
        self.next_due_ns = start_ns

    def take_up(self, start: Callable[[ActiveFlow, int, int], None]) -> None:
        clock, due = time.monotonic_ns, self._due
        for _ in range(TAKE_UP_LIMIT):
            now_ns = clock()
            if not due or due[0][0] > now_ns:
                break
            due_ns, user = heapq.heappop(due)
            if due_ns >= self._end_ns or self.started >= self._left:
                continue
            flow = self._begin(self._choices[self.started % len(self._choices)], user)
            self.started += 1
            start(flow, now_ns, now_ns - due_ns)
        self.next_due_ns = due[0][0] if due else NEVER_NS

    def flow_ended(self, flow: ActiveFlow, now_ns: int) -> None:
        due_ns = now_ns + self._think_ns
        if flow.user is not None and due_ns < self._end_ns:
            heapq.heappush(self._due, (due_ns, flow.user))
            self.next_due_ns = self._due[0][0]

    def stop(self) -> None:
        self._due.clear()
        self._end_ns = 0
        self.next_due_ns = NEVER_NS
