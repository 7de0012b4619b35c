"""The chapters as data: whole, registered, and of one mind with themselves."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from servescope import chapters
from servescope.actions import experiments
from servescope.actions.experiments import ExperimentRequest
from servescope.chapters import CHAPTERS, chapter_of
from servescope.chapters.chapter import Bars, Chapter
from servescope.chapters.guesses import NumberGuess

PARTS = {"chapter", "exchange_steps", "guesses", "message_rules"}
"""Modules of the package that are no chapter."""

SETTINGS = [(chapter, setting) for chapter in CHAPTERS for setting in chapter.settings]
IDS = [f"{chapter.name}-{setting.name}" for chapter, setting in SETTINGS]


def test_each_module_is_a_chapter_and_each_chapter_stands_in_the_list_once():
    modules = {one.name for one in pkgutil.iter_modules(chapters.__path__)} - PARTS
    found = [importlib.import_module(f"servescope.chapters.{name}").CHAPTER for name in modules]
    assert all(isinstance(one, Chapter) for one in found)
    assert sorted(one.name for one in found) == sorted(one.name for one in CHAPTERS)
    assert [one.number for one in CHAPTERS] == sorted({one.number for one in CHAPTERS})


@pytest.mark.parametrize(("chapter", "setting"), SETTINGS, ids=IDS)
def test_theory_answers_the_question(chapter, setting):
    assert chapter_of(chapter.name) is chapter
    assert chapter.setting(setting.name) is setting
    assert [one.name for one in chapter.settings].count(setting.name) == 1
    assert setting.because.endswith(".")
    asked = chapter.asked(setting)
    assert (asked.picture is None) == (setting.points == ())
    if isinstance(asked.picture, Bars) and asked.picture.asked:
        of = next(one for one in setting.points if one.label == asked.picture.asked)
        assert of.expected == setting.expected
    elif isinstance(asked.picture, Bars) and isinstance(asked.guess, NumberGuess):
        of_all = {one.expected for one in setting.points} - {None}
        assert of_all <= {setting.expected}, "name the bar that the guess is of"
    request = ExperimentRequest(
        chapter.name,
        setting.name,
        list(setting.expected) if isinstance(setting.expected, tuple) else setting.expected,
        setting.edited.initial if setting.edited else "",
    )
    assert experiments.read(request).guess == setting.expected
    assert asked.guess.text(setting.expected)


def test_there_is_nothing_of_another_name():
    assert chapter_of("none") is None
    assert CHAPTERS[0].setting("none") is None
