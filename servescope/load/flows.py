"""The flows of a scenario, compiled, and those in progress."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from servescope.load.carried_values import MissingValueError, carried
from servescope.load.cookies import CookieJar
from servescope.load.steps import CompiledStep, label_of
from servescope.records.scenarios import WebSocketStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.load.connections import Connection
    from servescope.load.exchange import Exchange
    from servescope.load.tally import Tally
    from servescope.records.scenarios import Scenario
    from servescope.wire.http1_client import Response


class User:
    """A user of the closed model: one flow at a time, on a connection of its own."""

    __slots__ = ("connection",)

    def __init__(self) -> None:
        self.connection: Connection | None = None  # while it is idle


class ActiveFlow:
    """A flow in progress: where it stands, and what it has of earlier answers."""

    __slots__ = ("cookies", "missing", "position", "steps", "user", "values", "websocket_key")

    def __init__(
        self,
        steps: tuple[CompiledStep, ...],
        values: dict[str, str],
        cookies: CookieJar | None,
        user: User | None,
    ) -> None:
        self.steps = steps
        self.position = 0
        self.values = values
        self.cookies = cookies
        self.user = user
        self.websocket_key = ""
        self.missing = ""  # why the next step cannot be sent, a sentence

    @property
    def step(self) -> CompiledStep:
        """The step it is at."""
        return self.steps[self.position]

    def is_last(self) -> bool:
        """Whether no step follows the present one."""
        return self.position + 1 >= len(self.steps)

    def take(self, exchange: Exchange, response: Response) -> None:
        """Keep what the next steps need of an answer."""
        step = exchange.step
        if self.cookies is not None:
            target = step.target(self)
            for name, value in response.headers:
                if name == b"set-cookie":
                    self.cookies.store(value.decode("latin-1"), target)
        if step.carried:
            try:
                self.values.update(carried(step.carried, response, step.label))
            except MissingValueError as error:
                self.missing = str(error)


class CompiledFlow:
    """One flow of the mix; `begin` starts it once more.

    `constant` stands for all its flows when it is one request that is always the same: then there
    is no state to keep.
    """

    __slots__ = ("_has_cookies", "_is_tls", "constant", "steps")

    def __init__(self, steps: tuple[CompiledStep, ...], has_cookies: bool, is_tls: bool) -> None:
        self.steps = steps
        self._has_cookies = has_cookies
        self._is_tls = is_tls
        is_constant = len(steps) == 1 and steps[0].constant is not None
        self.constant = ActiveFlow(steps, {}, None, None) if is_constant else None

    def begin(self, rows: Iterator[dict[str, str]], user: User | None) -> ActiveFlow:
        """A flow at its first step, with the next row of the data."""
        cookies = CookieJar(is_tls=self._is_tls) if self._has_cookies else None
        return ActiveFlow(self.steps, dict(next(rows)), cookies, user)


class Mix:
    """The flows of a scenario as the generator carries them out; see `Tally.step`.

    Raises LoadRefusedError for a template that is none, ValueError for a request that is none.
    """

    def __init__(
        self, scenario: Scenario, tally: Tally, *, host: str, agent: str, is_tls: bool
    ) -> None:
        columns = scenario.data.columns
        rows = [dict(zip(columns, row, strict=True)) for row in scenario.data.rows]
        self._rows = cycle(rows or [{}])
        self._flows = []
        for flow in scenario.flows:
            steps = tuple(
                CompiledStep(
                    step,
                    tally.step(step, label_of(step)),
                    tally.messages(label_of(step)) if is_websocket(step) else None,
                    host=host,
                    agent=agent,
                    keep_alive=scenario.keep_alive,
                    has_cookies=flow.cookies,
                )
                for step in flow.steps
            )
            self._flows.append(CompiledFlow(steps, flow.cookies, is_tls))
        self.constant = [flow.constant for flow in self._flows]
        """By number of the flow: the one that stands for all of them, None where each differs."""
        self.is_stepwise = any(
            len(flow.steps) > 1 or any(map(is_websocket, flow.steps)) for flow in scenario.flows
        )
        """Whether an answer may make a request due."""

    def begin(self, index: int, user: User | None = None) -> ActiveFlow:
        """Start flow number `index` of the scenario."""
        return self._flows[index].begin(self._rows, user)


def is_websocket(step: object) -> bool:
    """Whether a step is a WebSocket conversation."""
    return isinstance(step, WebSocketStep)
