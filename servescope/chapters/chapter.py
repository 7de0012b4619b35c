"""The parts of a chapter: a question, a guess, an experiment on a real server, and a theory.

A chapter is data and pure functions, so that one can be added without touching the rest: it names
its experiment (`servescope.experiments`), and reads what was measured. The leader carries the
experiment out (`servescope.runtime.experiments`), the page shows it (`components.chapter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servescope.chapters.guesses import Answer, Guess
    from servescope.experiments.host import Experimenting


@dataclass(frozen=True, slots=True)
class Snippet:
    """Commands or a program to copy, below a label."""

    label: str
    code: str


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another page of this dashboard."""

    text: str
    path: str


Passage = str | Snippet | Link
"""A piece of a chapter's text: a paragraph, something to copy, a link."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that the experiment measures: where it stands in the picture, and its theory.

    `expected` is None where the theory says nothing of it. `at` is its place on the axis of a
    Curve.
    """

    label: str
    expected: float | None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture with a bar for each point.

    The guess is of the point `asked`, by its label; of all of them if that is empty.
    """

    across: str  # name of the horizontal axis
    up: str  # what the bars are the height of
    unit: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A picture with each point at its place on a horizontal axis of numbers."""

    across: str
    up: str
    unit: str


@dataclass(frozen=True, slots=True)
class EditedText:
    """A text that the person may change before the experiment takes it: a request, an app.

    The theory of the setting is that of `initial`; of a changed text only the measurement is told.
    A text that is a program is run: then it `is_code`, and takes the setting `edited_apps`.
    """

    label: str
    initial: str
    most_characters: int = 4_000
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words, and how its answer is guessed, pictured and judged.

    `tolerance` is the share by which an answer, and each point, may be off the theory on a machine
    without other work.
    """

    text: str
    guess: Guess
    picture: Bars | Curve | None = None
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of the chapter's only knob: an experiment and its theory.

    `expected` is the theory's answer to the question; `because` is the reason, a whole sentence.
    A setting with a `question` of its own asks this in place of the chapter's. `takes_s` is how
    long the experiment takes, where that is long; 0 stands for some seconds. `seen_on` are the
    pages with something of it, where they are not those of the chapter.
    """

    name: str
    label: str
    experiment: Experimenting
    expected: Answer
    because: str
    points: tuple[Point, ...] = ()
    edited: EditedText | None = None
    question: Question | None = None
    takes_s: float = 0.0
    seen_on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened during an experiment, and the bytes or the text that belong to it."""

    at_ms: float  # since the experiment's first
    side: str  # client, kernel, server, app, …
    text: str
    data: str = ""


def steps_of(measured: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of a `servescope.experiments.transcript.Transcript`."""
    return tuple(Step(**one) for one in measured["steps"])


@dataclass(frozen=True, slots=True)
class Reading:
    """A measurement as the chapter reads it.

    `points` are the values of the setting's points, in their order; `facts` further measurements by
    their names; `told` sentences with the figures just measured.
    """

    answer: Answer
    points: tuple[float, ...] = ()
    steps: tuple[Step, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A question about web servers and the way to its answer.

    `read` reads what the experiment of a setting measured. `guess`, `picture` and `tolerance` are
    those of `question`: see Question.
    """

    name: str  # in its address: /learn/NAME
    number: int
    title: str
    question: str
    before: tuple[Passage, ...]  # what a newcomer has to know to guess
    guess: Guess
    knob: str
    settings: tuple[Setting, ...]
    read: Callable[[Setting, Mapping[str, Any]], Reading]
    after: tuple[Passage, ...]  # what it means
    picture: Bars | Curve | None = None
    tolerance: float = 0.0
    seen_on: tuple[str, ...] = ("Requests", "Latency", "Ports", "Host")  # pages with its span
    video: str = ""  # target of a video of the bundled site, which the page plays beside a result

    def setting(self, name: str) -> Setting | None:
        """The setting of this name."""
        return next((one for one in self.settings if one.name == name), None)

    def asked(self, setting: Setting) -> Question:
        """The question of this setting."""
        return setting.question or Question(self.question, self.guess, self.picture, self.tolerance)

    def agrees(self, setting: Setting, reading: Reading) -> bool:
        """Whether the measured answer is as near to the theory as it may be expected to be."""
        asked = self.asked(setting)
        return asked.guess.off(reading.answer, setting.expected) <= asked.tolerance
