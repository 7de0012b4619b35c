"""No experiment begins anything when its time is over, and it leaves nothing behind."""

from __future__ import annotations

import os
import threading

import pytest

from servescope.records.load import RunState
from servescope.runtime import experiments
from tests.chapters.test_chapters import IDS, SETTINGS
from tests.descriptors import open_sockets
from tests.processes import children


@pytest.mark.parametrize(("chapter", "setting"), SETTINGS, ids=IDS)
def test_an_experiment_without_time_ends_with_the_reason(
    experimenter, monkeypatch, chapter, setting
):
    monkeypatch.setattr(experiments, "WITHIN_S", 0.0)
    text = setting.edited.initial if setting.edited and not setting.edited.is_code else None
    sockets, processes = open_sockets(), set(children(os.getpid()))
    over = experimenter.carry_out(chapter, setting, text)
    assert over.state is RunState.FAILED
    assert over.message.startswith(
        ("the experiment was not over within", "the setting edited_apps")
    )
    assert experimenter.statuses() == []
    assert open_sockets() == sockets
    assert set(children(os.getpid())) <= processes  # one of another test's browser may have ended
    assert not [one.name for one in threading.enumerate() if one.name.startswith("learn-")]
