"""A store in a folder of its own, and two processes' control tables in its file."""

import pytest

from servescope.control import Control
from servescope.records.capacity import CapacityPlan
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.records.verdicts import JudgedSide, VerdictPlan
from tests.store.conftest import store

__all__ = ["store"]


@pytest.fixture
def other(tmp_path):
    """The same folder as another process has it open."""
    other = Control(tmp_path)
    yield other
    other.close()


@pytest.fixture
def load_plan():
    return LoadPlan.constant("files", "/größe?q=1", rate=50.5, seconds=3, keep_alive=False, seed=7)


@pytest.fixture
def capacity_plan():
    return CapacityPlan("files", "/größe", 0.05, 0.01, most_rate=2_000)


@pytest.fixture
def verdict_plan():
    scenario = Scenario(Poisson(40, 2.5), (Flow((RequestStep(target="/größe"),)),))
    return VerdictPlan(JudgedSide("files"), JudgedSide("wsgi"), scenario, 0.05, 30)


@pytest.fixture
def comparison_plan():
    models = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.PREFORK)
    return ComparisonPlan.constant(
        models, "a:b", "/größe", 40, 2.5, 16, loop_app="c:d", listeners=("wsgi",)
    )
