"""The sentences of a chapter's page on an experiment, until it is over and after that."""

from __future__ import annotations

import time

from components.chapter import QUESTION, experiment_view, question_panel
from servescope.chapters import more_than_one_request, queues_and_load, state_and_safety
from servescope.records.experiments import Experiment, ExperimentPlan
from servescope.records.load import RunState

CURVE = queues_and_load.CHAPTER.setting("curve")
GUESS = tuple(float(20 + place) for place in range(len(queues_and_load.LEVELS)))
STEP = {"answered": 5, "mean_ms": 30.0, "p50_ms": 30.0, "p99_ms": 30.0, "max_ms": 30.0}
MEASURED = {
    "answered": 50,
    "connection_seconds": None,
    "steps": {f"{level} %": STEP for level, _ in queues_and_load.LEVELS},
}


def walk(part):
    """The part and all that is in it, texts too, in the order of the page."""
    if isinstance(part, list | tuple):
        return [one for inner in part for one in walk(inner)]
    if part is None:
        return []
    return [part, *walk(getattr(part, "children", None))]


def texts(parts):
    return [one for one in walk(parts) if isinstance(one, str)]


def view(state, started_s=None, measured=None):
    plan = ExperimentPlan(queues_and_load.CHAPTER.name, CURVE.name, GUESS)
    experiment = Experiment(1, plan, state, 0.0, started_s, None, measured or {})
    return experiment_view(queues_and_load.CHAPTER, 1, experiment)


def test_until_it_is_over_it_says_how_long_it_takes_and_how_much_of_that_is_over():
    assert "It begins in a moment." in texts(view(RunState.REQUESTED))
    waiting = view(RunState.RUNNING, time.time() - 7)
    assert any("which takes about 18 s: 7 s so far" in text for text in texts(waiting))
    (bar,) = [one for one in walk(waiting) if type(one).__name__ == "Progress"]
    assert (bar.value, bar.max) == ("7", "18")


def test_a_result_says_what_the_other_settings_do_only_after_it_asked_for_another_guess():
    told = "".join(texts(view(RunState.DONE, 100.0, MEASURED)))
    order = ["Guessed: ", CURVE.because[:40], "guess again", "What it means"]
    order.append(queues_and_load.CHAPTER.after[-1][:40])
    places = [told.index(text) for text in order]
    assert places == sorted(places)


def test_a_drawn_guess_stands_in_the_table_beside_measurement_and_theory():
    told = texts(view(RunState.DONE, 100.0, MEASURED))
    at = told.index("Guess")
    assert told[at - 2 : at + 5] == [
        "Measured",
        "Theory",
        "Guess",
        "10 %",
        "30 ms",
        "20 ms",
        "20 ms",
    ]


def test_no_line_ends_between_a_number_and_its_unit():
    kept = [
        one.children
        for one in walk(view(RunState.DONE, 100.0, MEASURED))
        if getattr(one, "className", "") == "number"
    ]
    assert "20 ms" in kept
    assert "50 %" in kept


def test_the_key_of_a_picture_says_that_a_guess_is_too_high_for_it():
    chapter = more_than_one_request.CHAPTER
    for guess, name in ((100.0, "guess"), (60_000.0, "guess (too high to be seen here)")):
        plan = ExperimentPlan(chapter.name, "event-loop", guess)
        measured = {"answered_ms": [100.0] * more_than_one_request.REQUESTS}
        done = Experiment(1, plan, RunState.DONE, 0.0, 1.0, 2.0, measured)
        assert name in texts(experiment_view(chapter, 1, done))


def test_no_line_of_the_question_ends_between_a_number_and_its_unit():
    chapter = queues_and_load.CHAPTER
    panel = question_panel(chapter, chapter.setting("stall"), "", "", "")
    (question,) = [one for one in walk([panel]) if getattr(one, "id", "") == QUESTION]
    kept = [one.children for one in walk([question]) if getattr(one, "className", "") == "number"]
    assert kept == ["10 s", "40 ms", "4 s", "99 of 100"]


def test_a_measurement_that_is_off_says_how_far_it_is_without_other_work():
    told = "".join(texts(view(RunState.DONE, 100.0, MEASURED)))
    assert "off the theory; without other work on this machine it is at most 10 % off." in told


def test_the_sign_at_the_end_of_a_line_is_explained_where_it_stands():
    chapter = state_and_safety.CHAPTER
    step = {"at_ms": 0.0, "side": "client", "text": "asks", "data": r"GET / HTTP/1.1\r\n"}
    for data, is_explained in ((step["data"], True), ("16 03 01", False)):
        measured = {"sent": 1, "received": 1, "read": [], "steps": [step | {"data": data}]}
        plan = ExperimentPlan(chapter.name, "https", 0.0)
        done = Experiment(1, plan, RunState.DONE, 0.0, 1.0, 2.0, measured)
        told = texts(experiment_view(chapter, 1, done))
        assert (r"\r\n is how the protocol ends a line, by two bytes." in told) == is_explained


def test_somebody_on_the_way_reads_all_three_or_none():
    measured = {"sent": 92, "received": 962, "steps": []}
    https = state_and_safety.CHAPTER.setting("https")
    for read, said in (
        (["path", "cookie", "page"], "could read the path, the cookie and the page."),
        ([], "could read none of the three."),
    ):
        (told,) = state_and_safety.CHAPTER.read(https, measured | {"read": read}).told
        assert said in told
