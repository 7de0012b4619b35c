"""Runs that are kept: described, repeated and deleted, or refused with a sentence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import kept_runs
from servescope.actions.kept_runs import RunWords, read_tags
from servescope.errors import LoadRefusedError
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadPlan, RunState
from tests.actions.field_values import FIELDS

PLAN = LoadPlan.constant("wsgi", "/x", 5, 1, seed=7)


@pytest.fixture
def run(control):
    """A run that is over; its listener runs."""
    status = ListenerStatus(
        "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:b", 5555
    )
    control.listeners.write_statuses([status])
    run = control.load_runs.request(PLAN, 1.0)
    return control.load_runs.update(run.id, state=RunState.FAILED)


def test_words_are_kept_without_blanks_around_them(control, run):
    words = RunWords("  before ", "first\r\nsecond", "sqlite, ,release 2,sqlite,")
    told = kept_runs.describe(control.load_runs, run.id, words)
    assert (told.name, told.note, told.tags) == ("before", "first\nsecond", ("sqlite", "release 2"))
    nothing = kept_runs.describe(control.load_runs, run.id, RunWords(None, "", None))
    assert (nothing.name, nothing.note, nothing.tags) == ("", "", ())


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (RunWords("x" * 81, "", ""), "the name has at most 80 characters, not 81"),
        (RunWords("a\nb", "", ""), "the name is one line of characters that can be shown"),
        (RunWords("", "x" * 4_001, ""), "the note has at most 4,000 characters, not 4,001"),
        (RunWords("", "a\0b", ""), "the note has characters that cannot be shown"),
        (RunWords("", "", "a," + "x" * 41), "a tag has at most 40 characters, not 41"),
        (RunWords("", "", ",".join(map(str, range(13)))), "a run has at most 12 tags, not 13"),
    ],
)
def test_words_that_cannot_be_are_refused_and_nothing_is_written(control, run, words, refusal):
    with pytest.raises(LoadRefusedError, match=refusal):
        kept_runs.describe(control.load_runs, run.id, words)
    assert control.load_runs.by_id(run.id) == run


@given(st.tuples(FIELDS, FIELDS, FIELDS))
def test_whatever_a_browser_sends_is_read_or_refused(values):
    class Kept:
        describe = staticmethod(lambda *told: told)

    with suppress(LoadRefusedError):
        kept_runs.describe(Kept(), 1, RunWords(*values))


@given(st.text())
def test_tags_written_again_are_the_same(text):
    with suppress(LoadRefusedError):
        assert read_tags(", ".join(read_tags(text))) == read_tags(text)


def test_a_run_is_repeated_with_its_plan_and_seed(control, settings, run):
    again = kept_runs.repeat(control, settings, run.id)
    assert (again.id, again.plan, again.state) == (run.id + 1, PLAN, RunState.REQUESTED)
    with pytest.raises(LoadRefusedError, match=f"load run {again.id} is requested"):
        kept_runs.repeat(control, settings, run.id)
    with pytest.raises(LoadRefusedError, match="no load run 7"):
        kept_runs.repeat(control, settings, 7)


def test_a_run_of_a_comparison_is_repeated_outside_of_it(control, settings, run):
    compared = control.load_runs.request(replace(PLAN, comparison=3), 2.0)
    control.load_runs.update(compared.id, state=RunState.FAILED)
    again = kept_runs.repeat(control, settings, compared.id)
    assert again.plan == run.plan


def test_a_run_whose_listener_is_gone_is_not_repeated(control, settings, run):
    control.listeners.write_statuses([])
    with pytest.raises(LoadRefusedError, match="there is no listener or app 'wsgi' here"):
        kept_runs.repeat(control, settings, run.id)


def test_a_run_is_deleted_once_it_is_over(control, settings, run, tmp_path):
    again = kept_runs.repeat(control, settings, run.id)
    with pytest.raises(LoadRefusedError, match=f"load run {again.id} is requested: stop it"):
        kept_runs.delete(control.load_runs, tmp_path, again.id)
    assert kept_runs.delete(control.load_runs, tmp_path, run.id) == run
    with pytest.raises(LoadRefusedError, match=f"no load run {run.id}"):
        kept_runs.delete(control.load_runs, tmp_path, run.id)
