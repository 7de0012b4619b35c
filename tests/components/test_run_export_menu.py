"""The menu of a run offers each format that a run can be exported in, and no other."""

from components.run_export_menu import LABELS
from servescope.exports.run_writing import RUN_FORMATS


def test_each_format_has_an_item():
    assert list(LABELS) == list(RUN_FORMATS)
