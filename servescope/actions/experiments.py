"""Start an experiment of a chapter."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.chapters import chapter_of
from servescope.chapters.guesses import ChoiceGuess, NumberGuess
from servescope.errors import LoadRefusedError
from servescope.records.experiments import ExperimentPlan
from servescope.settings import PREFIX

if TYPE_CHECKING:
    from servescope.chapters.chapter import EditedText, Setting
    from servescope.chapters.guesses import Answer, Guess
    from servescope.control.experiments import Experiments
    from servescope.records.experiments import Experiment
    from servescope.settings import Settings

OFF: Final = (
    f"an app written here is run only where the setting {PREFIX}EDITED_APPS=true allows it: it can "
    "do whatever this dashboard may do on this machine"
)
ELSEWHERE: Final = "an app written here is run only for somebody at this very machine"


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """An experiment as a person described it, unread."""

    chapter: object
    setting: object
    guess: object  # number: a number; choice: its name; curve: a JSON array of numbers, as text
    text: object = ""


def start(
    experiments: Experiments,
    settings: Settings,
    request: ExperimentRequest,
    *,
    at_this_machine: bool,
) -> Experiment:
    """Ask the leader for an experiment, on behalf of a person who may be at this machine.

    Raises LoadRefusedError when there is no such chapter, without a guess, for code that may not
    be run, or while other load goes on.
    """
    plan = read(request)
    chapter = chapter_of(plan.chapter)
    setting = None if chapter is None else chapter.setting(plan.setting)
    objection = (
        "" if setting is None else why_not(settings, setting, at_this_machine=at_this_machine)
    )
    if objection:
        raise LoadRefusedError(objection)
    return experiments.request(plan, time.time())


def why_not(settings: Settings, setting: Setting, *, at_this_machine: bool) -> str:
    """Why nobody may have this experiment carried out; empty for all that runs no code."""
    if setting.edited is None or not setting.edited.is_code:
        return ""
    if not settings.edited_apps:
        return OFF
    return "" if at_this_machine else ELSEWHERE


def read(request: ExperimentRequest) -> ExperimentPlan:
    """The plan that a request describes. Raises LoadRefusedError for a field that says nothing."""
    chapter = chapter_of(fields.text(request.chapter))
    if chapter is None:
        raise LoadRefusedError(f"there is no chapter {request.chapter}")
    setting = chapter.setting(fields.text(request.setting))
    if setting is None:
        raise LoadRefusedError("choose one of the experiments")
    guess = _guess(chapter.asked(setting).guess, request.guess)
    return ExperimentPlan(chapter.name, setting.name, guess, _edited(setting.edited, request.text))


def _guess(kind: Guess, given: object) -> Answer:
    if given in (None, ""):
        raise LoadRefusedError("guess first: nothing is lost by a wrong guess")
    if isinstance(kind, ChoiceGuess):
        chosen = fields.text(given)
        if chosen not in dict(kind.choices):
            raise LoadRefusedError(f"choose one of the answers, not {fields.quoted(chosen)}")
        return chosen
    if isinstance(kind, NumberGuess):
        return _number(kind.unit, kind.least, kind.most, given)
    try:
        drawn = json.loads(fields.text(given))
    except ValueError:
        drawn = None
    if not isinstance(drawn, list) or len(drawn) != len(kind.places):
        raise LoadRefusedError(f"draw the whole curve: it has {len(kind.places)} places")
    return tuple(_number(kind.unit, 0.0, kind.most, one) for one in drawn)


def _number(unit: str, least: float, most: float, given: object) -> float:
    counted = "" if unit.startswith("of ") else unit  # “of 12 clients” says once more how many
    number = fields.number_of(counted, "the guess", given)
    if not least <= number <= most:
        bounds = f"{least:,g} to {most:,g} {counted}".rstrip()
        raise LoadRefusedError(f"the guess is a number from {bounds}, not {number:,.10g}")
    return number


def _edited(edited: EditedText | None, given: object) -> str:
    """The text as the person changed it, untrimmed: each byte of it may count."""
    if edited is None:
        return ""
    text = "" if given is None else str(given)
    if not text.strip():
        raise LoadRefusedError("the text is empty")
    if len(text) > edited.most_characters:
        most = f"{edited.most_characters:,}"
        raise LoadRefusedError(f"the text has {len(text):,} characters; at most {most}")
    return text
