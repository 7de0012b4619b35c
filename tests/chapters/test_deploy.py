"""The steps of a signalled gunicorn say which process got which signal, and what gunicorn wrote."""

from __future__ import annotations

import pytest

from servescope.chapters.deploy import CHAPTER


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("kill-threads", "sends KILL to process 7, a worker"),
        ("hup-server", "sends HUP to process 7, gunicorn itself"),
    ],
)
def test_a_step_names_the_signal_and_its_process(setting, said):
    lost = {"pid": 0, "error": "closed", "at_ms": 600.0}
    measured = {
        "outcomes": [lost] * 6,
        "signalled": 7,
        "signalled_ms": 500.0,
        "log": [(550.0, "Worker exiting (pid: 7)")],
    }
    reading = CHAPTER.read(CHAPTER.setting(setting), measured)
    texts = [step.text for step in reading.steps]
    assert texts[1:3] == [said, "writes: “Worker exiting (pid: 7)”"]
    assert reading.told == (
        "No request was answered. The last of the 6 ended 0.6 s after they were sent.",
    )
