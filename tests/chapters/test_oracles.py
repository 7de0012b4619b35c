"""Each experiment carried out for real: its measurement is what its chapter's theory says."""

from __future__ import annotations

import pytest

from servescope.control import Control
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState
from servescope.runtime.experiments import ExperimentReconciler
from servescope.settings import Settings
from tests.chapters.test_chapters import IDS, SETTINGS
from tests.waiting import eventually

pytestmark = pytest.mark.alone
SECONDS = 60


@pytest.fixture
def reconciler(tmp_path):
    control = Control(tmp_path)
    reconciler = ExperimentReconciler(control, tmp_path / "rings", Settings(data_dir=tmp_path))
    yield control, reconciler
    reconciler.stop()
    control.close()


@pytest.mark.parametrize(("chapter", "setting"), SETTINGS, ids=IDS)
def test_the_measurement_is_what_theory_says(reconciler, chapter, setting):
    control, carries_out = reconciler
    number = control.experiments.request(ExperimentPlan(chapter.name, setting.name, 1.0), 0.0).id
    carries_out.reconcile()
    eventually(lambda: control.experiments.by_id(number).is_over, SECONDS)
    done = control.experiments.by_id(number)
    assert (done.state, done.message) == (RunState.DONE, "")
    values = chapter.measured_points(done.measured)
    for point, value in zip(setting.points, values, strict=True):
        if point.expected is not None:
            assert value == pytest.approx(point.expected, rel=chapter.tolerance)
    assert chapter.agrees(setting, done.measured)
