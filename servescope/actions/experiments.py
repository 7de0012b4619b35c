"""Start an experiment of a chapter."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servescope.actions import fields
from servescope.chapters import chapter_of
from servescope.errors import LoadRefusedError
from servescope.records.experiments import ExperimentPlan

if TYPE_CHECKING:
    from servescope.control.experiments import Experiments
    from servescope.records.experiments import Experiment


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """An experiment as a person described it, unread."""

    chapter: object
    setting: object
    guess: object


def start(experiments: Experiments, request: ExperimentRequest) -> Experiment:
    """Ask the leader for an experiment.

    Raises LoadRefusedError when there is no such chapter, without a guess, or while other load goes
    on.
    """
    return experiments.request(read(request), time.time())


def read(request: ExperimentRequest) -> ExperimentPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    chapter = chapter_of(fields.text(request.chapter))
    if chapter is None:
        raise LoadRefusedError(f"there is no chapter {request.chapter}")
    setting = chapter.setting(fields.text(request.setting))
    if setting is None:
        raise LoadRefusedError("choose one of the experiments")
    guess = chapter.guess
    if request.guess in (None, ""):
        raise LoadRefusedError("guess first: nothing is lost by a wrong guess")
    number = fields.number_of(guess.unit, "the guess", request.guess)
    if not guess.least <= number <= guess.most:
        bounds = f"{guess.least:,g} to {guess.most:,g} {guess.unit}"
        raise LoadRefusedError(f"the guess is from {bounds}, not {number:,.10g}")
    return ExperimentPlan(chapter.name, setting.name, number)
