"""The kinds of guess that a person can commit to: a number, a choice, a drawn curve.

Guess, theory and measurement of a chapter have one form, the answer: a number, the name of a
choice, or a number for each place of a curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Answer = float | str | tuple[float, ...]


def number_text(value: float, unit: str) -> str:
    """The number with three digits that count, and its unit."""
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    is_noun = unit.isalpha() and len(unit) > len("ms")
    return f"{text} {unit.removesuffix('s') if text == '1' and is_noun else unit}".strip()


def _numbers(answer: Answer) -> tuple[float, ...]:
    return answer if isinstance(answer, tuple) else (float(answer),)


def _share_off(measured: Answer, expected: Answer) -> float:
    """The share by which the worst of the numbers is off."""
    pairs = zip(_numbers(measured), _numbers(expected), strict=True)
    return max(
        0.0 if one == other else abs(one / other - 1) if other else math.inf for one, other in pairs
    )


@dataclass(frozen=True, slots=True)
class NumberGuess:
    """A number between two bounds."""

    label: str
    unit: str
    least: float
    most: float

    def text(self, answer: Answer) -> str:
        """The answer in words."""
        return number_text(_numbers(answer)[0], self.unit)

    def off(self, measured: Answer, expected: Answer) -> float:
        """By which share the measured answer is off the expected one."""
        return _share_off(measured, expected)


@dataclass(frozen=True, slots=True)
class ChoiceGuess:
    """One of some answers, each by its name and its label."""

    label: str
    choices: tuple[tuple[str, str], ...]

    def text(self, answer: Answer) -> str:
        """The label of the choice; a text that is no choice as it is."""
        return next((label for name, label in self.choices if name == answer), str(answer))

    def off(self, measured: Answer, expected: Answer) -> float:
        """0 for the same choice, infinity for another."""
        return 0.0 if measured == expected else math.inf


@dataclass(frozen=True, slots=True)
class CurveGuess:
    """A number at each of some places: a curve that the person draws."""

    label: str
    unit: str
    places: tuple[str, ...]
    most: float  # the least is 0

    def text(self, answer: Answer) -> str:
        """The numbers in the order of their places."""
        numbers = (number_text(value, "") for value in _numbers(answer))
        return f"{', '.join(numbers)} {self.unit}"

    def off(self, measured: Answer, expected: Answer) -> float:
        """The share by which the worst place is off."""
        return _share_off(measured, expected)


Guess = NumberGuess | ChoiceGuess | CurveGuess
