"""Experiments: read, checked and written, or refused with a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.actions import experiments
from servescope.actions.experiments import ExperimentRequest
from servescope.errors import LoadRefusedError
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState
from tests.store.conftest import store

__all__ = ["store"]

REQUEST = ExperimentRequest("more-than-one-request", "two-threads", " 400 ")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"chapter": None}, "there is no chapter None"),
        ({"chapter": "none"}, "there is no chapter none"),
        ({"setting": None}, "choose one of the experiments"),
        ({"setting": "none"}, "choose one of the experiments"),
        ({"guess": None}, "guess first"),
        ({"guess": ""}, "guess first"),
        ({"guess": "soon"}, "the guess is a number of ms, not 'soon'"),
        ({"guess": 0}, "the guess is from 1 to 60,000 ms, not 0"),
        ({"guess": 60_001}, "the guess is from 1 to 60,000 ms, not 60,001"),
        ({"guess": "nan"}, "the guess is a number of ms, not 'nan'"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(control, changes, refusal):
    with pytest.raises(LoadRefusedError) as caught:
        experiments.start(control.experiments, replace(REQUEST, **changes))
    assert str(caught.value).startswith(refusal)
    assert control.experiments.active() is None


def test_an_experiment_is_asked_for(control):
    asked = experiments.start(control.experiments, REQUEST)
    assert asked.state is RunState.REQUESTED
    assert asked.plan == ExperimentPlan("more-than-one-request", "two-threads", 400.0)
