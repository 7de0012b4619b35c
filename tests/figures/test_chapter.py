"""The picture of an experiment can be read on a phone, and shows what the guess is of."""

import pytest

from servescope.chapters import CHAPTERS
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
        assert figures.has_guess_above(figure, guess) == is_above
        assert len(figure["layout"]["shapes"]) == (not is_above)


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
