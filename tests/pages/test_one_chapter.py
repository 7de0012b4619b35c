"""The page of a chapter before a guess: no byte that reaches the browser depends on the answer.

The server sends the same bytes for a chapter with another answer, reason and measurement. So nobody
can read the answer from them.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from plotly.io.json import to_json_plotly

from components.chapter import kept_numbers
from servescope import chapters
from servescope.chapters import CHAPTERS
from servescope.chapters.chapter import Reading
from servescope.control import Control
from servescope.settings import Settings
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process

NAMES = [chapter.name for chapter in CHAPTERS]


@pytest.fixture
def page(app):
    with app.server.test_request_context():
        yield sys.modules["pages.one_chapter"]


@pytest.fixture
def context(tmp_path):
    store, control = open_store(tmp_path), Control(tmp_path)
    yield leading_process(store, control, Settings(data_dir=tmp_path)).home
    control.close()
    store.close()


def with_other_answers(chapter):
    """The chapter with another answer in each place that has one."""

    def other(setting):
        question = setting.question
        changed = None if question is None else replace(question, picture=None, tolerance=7.0)
        return replace(
            setting, expected="other", because="Another reason.", points=(), question=changed
        )

    return replace(
        chapter,
        settings=tuple(map(other, chapter.settings)),
        read=lambda *_: Reading("other"),
        after=("Another meaning.",),
        picture=None,
        tolerance=7.0,
        seen_on=(),
        video="",
    )


def sent(page, context, chapter):
    """All that the page of this chapter sends before an experiment has a number."""
    parts = [page.layout(chapter), page.props(context, None, (chapter.name, ""))]
    for setting in chapter.settings:
        parts.append(page.parts_of_setting(setting.name, chapter.name))
        parts.append(page.props(context, None, (chapter.name, "not a number")))
    return to_json_plotly(parts)


@pytest.mark.parametrize("name", NAMES)
def test_no_byte_depends_on_the_answer(page, context, monkeypatch, name):
    chapter = chapters.chapter_of(name)
    told = sent(page, context, chapter)
    for part in kept_numbers(chapter.question):  # a number with its unit is an element of its own
        assert (part if isinstance(part, str) else part.children) in told
    changed = with_other_answers(chapter)
    monkeypatch.setattr(chapters, "CHAPTERS", (changed,))
    assert sent(page, context, changed) == told


@pytest.mark.parametrize("name", NAMES)
def test_the_document_of_a_chapter_has_nothing_of_what_a_result_says(app, name):
    chapter = chapters.chapter_of(name)
    document = app.server.test_client().get(f"/learn/{name}").get_data(as_text=True)
    assert chapter.title in document
    told = [setting.because for setting in chapter.settings]
    told += [passage for passage in chapter.after if isinstance(passage, str)]
    assert [text for text in told if to_json_plotly(text)[1:-1] in document] == []
    assert "Theory" not in document
