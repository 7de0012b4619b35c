"""The mix of a scenario, compiled: which flow starts next, and what is counted of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Protocol

from servescope.load.flows import ActiveFlow, CompiledFlow
from servescope.load.steps import CompiledStep
from servescope.records.scenarios import WebSocketStep

if TYPE_CHECKING:
    from servescope.load.step_tally import StepTally
    from servescope.records.scenarios import Scenario, Step


class StepRows(Protocol):
    """Where the steps of a mix are counted."""

    def step(self, step: Step, label: str) -> StepTally:
        """The row for requests of a step; steps of the same label share it."""

    def messages(self, label: str) -> StepTally:
        """The row for the messages of a WebSocket step."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a run that one of several generators carries out, counted from 0.

    Of arrivals, of rows of the data and of the values of `{n}` it has number `part` and then each
    `parts`-th: together the generators send what one would.
    """

    part: int = 0
    parts: int = 1


WHOLE = Share()


class Mix:
    """The flows of a scenario as the generator carries them out; see `Tally.step`.

    Raises LoadRefusedError for a template that is none, ValueError for a request that is none.
    """

    def __init__(
        self,
        scenario: Scenario,
        tally: StepRows,
        *,
        host: str,
        agent: str,
        is_tls: bool,
        share: Share = WHOLE,
    ) -> None:
        columns = scenario.data.columns
        rows = [dict(zip(columns, row, strict=True)) for row in scenario.data.rows]
        self._rows = islice(cycle(rows or [{}]), share.part, None, share.parts)
        self._flows = []
        for flow in scenario.flows:
            steps = tuple(
                CompiledStep(
                    step,
                    tally.step(step, step.label),
                    tally.messages(step.label) if is_websocket(step) else None,
                    host=host,
                    agent=agent,
                    keep_alive=scenario.keep_alive,
                    has_cookies=flow.cookies,
                    counted=count(share.part + 1, share.parts),
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
