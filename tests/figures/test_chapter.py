"""The picture of an experiment can be read on a phone."""

import pytest

from servescope.chapters import CHAPTERS
from servescope.chapters.chapter import Bars, Reading
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
