"""The parts of a chapter: a question, a guess, an experiment on a real server, and a theory.

A chapter is data and pure functions, so that one can be added without touching the rest: it says
which listener and which requests its experiment takes, and judges what was measured. The leader
carries the experiment out (`servescope.runtime.experiments`), the page shows it
(`components.chapter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servescope.records.listeners import AppKind, ConcurrencyModel


@dataclass(frozen=True, slots=True)
class SimultaneousRequests:
    """`requests` GETs of `target`, each on a connection of its own, all sent at one moment.

    They go to a listener of their own. Measured are `answered_ms`: how long after that moment each
    whole response was there, in order of their arrival.
    """

    app: str  # as a listener names it
    app_kind: AppKind
    model: ConcurrencyModel
    threads: int  # for a model that has threads
    target: str  # origin-form
    requests: int


@dataclass(frozen=True, slots=True)
class Guess:
    """The number that a person commits to before anything is shown."""

    label: str
    unit: str
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that the experiment measures: where it stands in the picture, and its theory.

    `expected` is None where the theory says nothing of it.
    """

    label: str
    expected: float | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of the chapter's only knob: an experiment and its theory.

    `expected` is the theory's answer to the question; `because` is the reason, a whole sentence.
    """

    name: str
    label: str
    experiment: SimultaneousRequests
    points: tuple[Point, ...]
    expected: float
    because: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """A question about web servers and the way to its answer.

    `measured_points` gives the measured value of each of the setting's points from what the
    experiment measured, `answer` the one that answers the question. `tolerance` is the share by
    which a measurement may be off the theory on a machine without other work.
    """

    name: str  # in its address: /learn/NAME
    number: int
    title: str
    question: str
    before: tuple[str, ...]  # what a newcomer has to know to guess, a paragraph each
    guess: Guess
    knob: str
    settings: tuple[Setting, ...]
    across: str  # name of the picture's horizontal axis
    up: str  # what its bars are the height of
    measured_points: Callable[[Mapping[str, Any]], tuple[float, ...]]
    answer: Callable[[Mapping[str, Any]], float]
    tolerance: float
    after: tuple[str, ...]  # what it means, a paragraph each

    def setting(self, name: str) -> Setting | None:
        """The setting of this name."""
        return next((one for one in self.settings if one.name == name), None)

    def agrees(self, setting: Setting, measured: Mapping[str, Any]) -> bool:
        """Whether the measured answer is as near to the theory as it may be expected to be."""
        off = abs(self.answer(measured) - setting.expected)
        return off <= self.tolerance * setting.expected
