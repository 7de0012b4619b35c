"""Experiments: read, checked and written, or refused with a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope import chapters
from servescope.actions import experiments
from servescope.actions.experiments import ExperimentRequest
from servescope.chapters import more_than_one_request
from servescope.chapters.chapter import EditedText, Question
from servescope.chapters.guesses import ChoiceGuess, CurveGuess, NumberGuess
from servescope.errors import LoadRefusedError
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState
from servescope.settings import Settings
from tests.store.conftest import store

__all__ = ["store"]

CHAPTER = more_than_one_request.CHAPTER
SETTINGS = Settings()
REQUEST = ExperimentRequest("more-than-one-request", "two-threads", " 400 ")


def start(control, request, settings=SETTINGS, *, at_this_machine=True):
    return experiments.start(
        control.experiments, settings, request, at_this_machine=at_this_machine
    )


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"chapter": None}, "there is no chapter None"),
        ({"chapter": "none"}, "there is no chapter none"),
        ({"setting": None}, "choose one of the experiments"),
        ({"setting": "none"}, "choose one of the experiments"),
        ({"guess": None}, "guess first"),
        ({"guess": ""}, "guess first"),
        ({"guess": "soon"}, "the guess is a number of ms, not 'soon'"),
        ({"guess": 0}, "the guess is a number from 1 to 60,000 ms, not 0"),
        ({"guess": 60_001}, "the guess is a number from 1 to 60,000 ms, not 60,001"),
        ({"guess": "nan"}, "the guess is a number of ms, not 'nan'"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(control, changes, refusal):
    with pytest.raises(LoadRefusedError) as caught:
        start(control, replace(REQUEST, **changes))
    assert str(caught.value).startswith(refusal)
    assert control.experiments.active() is None


def test_an_experiment_is_asked_for(control):
    asked = start(control, REQUEST)
    assert asked.state is RunState.REQUESTED
    assert asked.plan == ExperimentPlan("more-than-one-request", "two-threads", 400.0)


@pytest.fixture
def other_guess(monkeypatch):
    """The chapter with another kind of guess, and with a text to change."""

    def with_guess(guess, **changes):
        setting = replace(CHAPTER.settings[0], **changes)
        changed = replace(CHAPTER, guess=guess, settings=(setting,))
        monkeypatch.setattr(chapters, "CHAPTERS", (changed,))

    return with_guess


OF_TEXT = ExperimentRequest("more-than-one-request", "one-at-a-time", 400, "GET / HTTP/1.1\r\n")
CHOICE = ChoiceGuess("The status is", (("200", "200 OK"), ("400", "400 Bad Request")))
PART = NumberGuess("Connected", "of 12 clients", 0, 12)
CURVE = CurveGuess("It waits", "ms", ("10 %", "90 %"), 500)


@pytest.mark.parametrize(
    ("guess", "given", "read"),
    [(CHOICE, "400", "400"), (CURVE, "[1, 90.5]", (1.0, 90.5))],
    ids=["choice", "curve"],
)
def test_a_guess_of_another_kind_is_read_and_comes_back_from_the_store(
    control, other_guess, guess, given, read
):
    other_guess(guess)
    asked = start(control, replace(OF_TEXT, guess=given))
    assert asked.plan.guess == read
    assert control.experiments.by_id(asked.id).plan == asked.plan


@pytest.mark.parametrize(
    ("guess", "given", "refusal"),
    [
        (CHOICE, None, "guess first"),
        (CHOICE, "418", "choose one of the answers, not '418'"),
        (PART, 13, "the guess is a number from 0 to 12, not 13"),
        (PART, "all", "the guess is a number, not 'all'"),
        (CURVE, "", "guess first"),
        (CURVE, "[1]", "draw the whole curve: it has 2 places"),
        (CURVE, "{", "draw the whole curve"),
        (CURVE, "[1, 501]", "the guess is a number from 0 to 500 ms, not 501"),
        (CURVE, '[1, "x"]', "the guess is a number of ms, not 'x'"),
    ],
)
def test_a_guess_of_another_kind_that_cannot_be_is_refused(other_guess, guess, given, refusal):
    other_guess(guess)
    with pytest.raises(LoadRefusedError) as caught:
        experiments.read(replace(OF_TEXT, guess=given))
    assert str(caught.value).startswith(refusal)


def test_a_setting_with_a_question_of_its_own_takes_its_guess(other_guess):
    other_guess(CURVE, question=Question("Which status?", CHOICE))
    assert experiments.read(replace(OF_TEXT, guess="400")).guess == "400"
    with pytest.raises(LoadRefusedError, match="choose one of the answers"):
        experiments.read(replace(OF_TEXT, guess="[1, 2]"))


def test_a_changed_text_is_kept_byte_by_byte_within_its_bounds(other_guess):
    other_guess(CHAPTER.guess, edited=EditedText("The request", "GET /", 20))
    assert experiments.read(OF_TEXT).text == "GET / HTTP/1.1\r\n"
    with pytest.raises(LoadRefusedError, match="the text is empty"):
        experiments.read(replace(OF_TEXT, text=" "))
    with pytest.raises(LoadRefusedError, match="the text has 21 characters; at most 20"):
        experiments.read(replace(OF_TEXT, text="x" * 21))


@pytest.mark.parametrize(
    ("is_on", "at_this_machine", "refusal"),
    [
        (False, True, "only where the setting SERVESCOPE_EDITED_APPS=true allows it"),
        (True, False, "only for somebody at this very machine"),
    ],
    ids=["the setting is off", "somebody elsewhere"],
)
def test_code_that_a_person_writes_is_refused_without_the_setting_and_from_elsewhere(
    control, other_guess, is_on, at_this_machine, refusal
):
    other_guess(CHAPTER.guess, edited=EditedText("The app", "app = None", is_code=True))
    settings = Settings(edited_apps=is_on)
    with pytest.raises(LoadRefusedError, match=refusal):
        start(control, OF_TEXT, settings, at_this_machine=at_this_machine)
    assert control.experiments.active() is None


def test_code_that_a_person_writes_is_taken_from_somebody_at_this_machine(control, other_guess):
    other_guess(CHAPTER.guess, edited=EditedText("The app", "app = None", is_code=True))
    assert start(control, OF_TEXT, Settings(edited_apps=True)).plan.text == OF_TEXT.text
