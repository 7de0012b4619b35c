"""The mix of a scenario, compiled: which flow starts next, and what is counted of its steps."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from servescope.load.flows import ActiveFlow, CompiledFlow
from servescope.load.steps import CompiledStep, label_of
from servescope.records.scenarios import WebSocketStep

if TYPE_CHECKING:
    from servescope.load.tally import Tally
    from servescope.records.scenarios import Scenario


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

    def begin(self, index: int, user: int | None = None) -> ActiveFlow:
        """Start flow number `index` of the scenario."""
        return self._flows[index].begin(self._rows, user)


def is_websocket(step: object) -> bool:
    """Whether a step is a WebSocket conversation."""
    return isinstance(step, WebSocketStep)
