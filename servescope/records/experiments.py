"""An experiment of a chapter: what a person guessed and asked for, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from servescope.records.load import TERMINAL_STATES

if TYPE_CHECKING:
    from servescope.records.load import RunState

WITHIN_S: Final = 60.0
"""How long an experiment may take, the start of its listener included."""


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """One experiment as asked for, by the names of a chapter and of one of its settings."""

    chapter: str
    setting: str
    guess: float | str | tuple[float, ...]  # as the chapter's guess has its answers
    text: str = ""  # as the person changed it; empty where there is nothing to change


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment in the store; `measured` is empty until it is done.

    Its kind says what `measured` holds: see `servescope.experiments`; beside it stand the epoch
    seconds `from_s` and `to_s` of its span, where it had one.
    """

    id: int
    plan: ExperimentPlan
    state: RunState
    requested_s: float
    started_s: float | None
    ended_s: float | None
    measured: dict[str, Any] = field(default_factory=dict)
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in TERMINAL_STATES
