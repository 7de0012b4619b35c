"""The picture of an experiment can be read on a phone, and shows what the guess is of."""

from itertools import pairwise

import pytest

from servescope.chapters import CHAPTERS, queues_and_load
from servescope.chapters.chapter import Bars, Curve, Reading
from servescope.figures import chapter as figures

SETTINGS = {
    f"{chapter.name} {setting.name}": (chapter, setting)
    for chapter in CHAPTERS
    for setting in chapter.settings
    if isinstance(chapter.asked(setting).picture, Bars)
}
ROOM = 40
"""Characters side by side below the bars, on a phone."""


@pytest.mark.parametrize("name", SETTINGS)
def test_the_labels_of_bars_stand_upright_side_by_side(name):
    chapter, setting = SETTINGS[name]
    reading = Reading(1.0, points=(1.0,) * len(setting.points))
    axis = figures.picture(chapter, setting, reading, 1.0)["layout"]["xaxis"]
    assert axis["tickangle"] == 0
    longest = [max(map(len, text.split("<br>"))) for text in axis["ticktext"]]
    assert sum(longest) <= ROOM
    assert [text.replace("<br>", " ") for text in axis["ticktext"]] == axis["tickvals"]
    assert "title" not in axis, "a line of a figure does not wrap"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_guess_stands_at_the_bar_that_it_is_of(name):
    chapter, setting = SETTINGS[name]
    drawn = chapter.asked(setting).picture
    reading = Reading(1.0, points=(1.0,) * len(setting.points))
    (nothing,) = figures.picture(chapter, setting, reading, 0.0)["layout"]["shapes"]
    assert nothing["y0"] == 0.0, "a guess of none is one, too"
    (line,) = figures.picture(chapter, setting, reading, 1.0)["layout"]["shapes"]
    assert (line["y0"], line["y1"]) == (1.0, 1.0)
    labels = [point.label for point in setting.points]
    places = [place for place in range(len(labels)) if line["x0"] < place < line["x1"]]
    assert [labels[place] for place in places] == ([drawn.asked] if drawn.asked else labels)


def test_a_guess_far_above_all_else_is_known_to_be_outside_the_picture():
    chapter, setting = SETTINGS["more-than-one-request event-loop"]
    reading = Reading(100.0, points=(100.0,) * len(setting.points))
    for guess, is_above in ((0.0, False), (200.0, False), (300.0, True), (60_000.0, True)):
        figure = figures.picture(chapter, setting, reading, guess)
        assert bool(figures.guess_out_of_sight(figure, guess)) == is_above
        assert len(figure["layout"]["shapes"]) == (not is_above)


def test_of_a_curve_a_part_may_be_too_high_for_the_picture():
    chapter, setting = queues_and_load.CHAPTER, queues_and_load.CHAPTER.setting("curve")
    reading = Reading((20.0,) * 9, points=(20.0,) * 9)
    for guess, said in (
        ((50.0,) * 9, ""),
        ((50.0,) * 8 + (10_000.0,), "in part too high to be seen here"),
        ((10_000.0,) * 9, "too high to be seen here"),
    ):
        figure = figures.picture(chapter, setting, reading, guess)
        assert figures.guess_out_of_sight(figure, guess) == said


def test_a_picture_of_few_clients_has_a_tick_at_each_whole_number():
    chapter, setting = SETTINGS["accept-queue clients-3"]
    figure = figures.picture(chapter, setting, Reading(3.0, points=(3.0, 0.0, 0.0)), 2.0)
    axis = figure["layout"]["yaxis"]
    assert (axis["dtick"], axis["ticksuffix"]) == (1, " clients")


def test_the_places_of_a_curve_to_guess_are_as_far_apart_as_they_are_drawn():
    setting = queues_and_load.CHAPTER.setting("curve")
    at = [point.at for point in setting.points]
    assert {round(after - before, 9) for before, after in pairwise(at)} == {10.0}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[one.name for one in CHAPTERS])
def test_the_key_has_the_shapes_of_the_picture(chapter):
    for setting in chapter.settings:
        drawn = chapter.asked(setting).picture
        if drawn is None:
            continue
        reading = Reading(1.0, points=(1.0,) * len(setting.points))
        guess = (1.0,) * len(setting.points) if isinstance(drawn, Curve) else 1.0
        figure = figures.picture(chapter, setting, reading, guess)
        shapes = {one["name"]: shape_of(one) for one in figure["data"]}
        for line in figure["layout"].get("shapes", ()):
            shapes["guess"] = line["line"]["dash"]
        assert shapes == figures.shapes(drawn)


def shape_of(trace):
    if trace["type"] == "bar":
        return "bar"
    return trace["marker"]["symbol"] if trace["mode"] == "markers" else trace["line"]["dash"]
