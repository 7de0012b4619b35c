"""Experiments carried out by a reconciler, as the leader does it."""

from __future__ import annotations

import time

import pytest

from servescope.control import Control
from servescope.records.experiments import ExperimentPlan
from servescope.runtime.experiments import ExperimentReconciler, _Host
from servescope.settings import Settings

SECONDS = 90


class Experimenter:
    """Carries out settings of chapters; `statuses` are those of the listener meanwhile."""

    def __init__(self, folder, reconciler=ExperimentReconciler):
        self.control = Control(folder)
        settings = Settings(data_dir=folder)
        self._reconciler = reconciler(self.control, folder / "rings", settings)
        self.statuses = self._reconciler.statuses

    def carry_out(self, chapter, setting, text=None, meanwhile=lambda: None):
        """The experiment, when it is over; `meanwhile` is called all the time."""
        initial = setting.edited.initial if setting.edited else ""
        plan = ExperimentPlan(
            chapter.name, setting.name, setting.expected, initial if text is None else text
        )
        number = self.control.experiments.request(plan, time.time()).id
        self._reconciler.reconcile()
        give_up = time.monotonic() + SECONDS
        while not self.control.experiments.by_id(number).is_over:
            assert time.monotonic() < give_up
            meanwhile()
            time.sleep(0.01)
        return self.control.experiments.by_id(number)

    def stop(self):
        self._reconciler.stop()
        self.control.close()


@pytest.fixture
def experimenter(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVESCOPE_DATA_DIR", str(tmp_path))  # of the processes that it starts
    experimenter = Experimenter(tmp_path)
    yield experimenter
    experimenter.stop()


def bytes_of(steps, side):
    """The text that a side sent in all steps of a transcript, its CR LF as such."""
    shown = "".join(one["data"] for one in steps if one["side"] == side)
    return shown.replace("\\r\\n\n", "\r\n")


@pytest.fixture
def carried_out(tmp_path):
    """Carry out an experiment here: `carried_out(experiment, text, **settings)`; its measurement.

    What it raises is raised; it has no chapter and no span in the store.
    """
    controls = []

    def carry_out(experiment, text="", **settings):
        controls.append(Control(tmp_path))
        reconciler = ExperimentReconciler(
            controls[-1], tmp_path / "rings", Settings(data_dir=tmp_path, **settings)
        )
        folder = tmp_path / "experiment"
        folder.mkdir(exist_ok=True)
        return experiment.carry_out(_Host(reconciler, folder, text, "an experiment"))

    yield carry_out
    for control in controls:
        control.close()
