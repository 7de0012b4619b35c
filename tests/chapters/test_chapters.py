"""The chapters as data: whole, registered, and of one mind with themselves."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from servescope import chapters
from servescope.chapters import CHAPTERS, chapter_of
from servescope.chapters.chapter import Chapter

PARTS = {"chapter"}
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
def test_theory_answers_the_question_and_a_measurement_like_it_agrees(chapter, setting):
    assert chapter_of(chapter.name) is chapter
    assert chapter.setting(setting.name) is setting
    assert [one.name for one in chapter.settings].count(setting.name) == 1
    assert len(setting.points) == setting.experiment.requests
    assert setting.points[-1].expected == setting.expected
    assert chapter.guess.least <= setting.expected <= chapter.guess.most
    for off, agrees in ((1.0, True), (1 + chapter.tolerance * 0.9, True), (1.5, False)):
        measured = {"answered_ms": [setting.expected * off] * len(setting.points)}
        assert chapter.agrees(setting, measured) is agrees


def test_there_is_nothing_of_another_name():
    assert chapter_of("none") is None
    assert CHAPTERS[0].setting("none") is None
