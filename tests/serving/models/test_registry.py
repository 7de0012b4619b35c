"""The registry of concurrency models, and all the places that derive from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from servescope.records.listeners import ConcurrencyModel
from servescope.serving.models import REGISTRY, model_class

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Where a model shows itself that was registered at run time."""
    folder = tmp_path_factory.mktemp("registry")
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.models.registers_a_model", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_model_has_its_class():
    assert set(REGISTRY) == set(ConcurrencyModel)
    for model in ConcurrencyModel:
        assert callable(model_class(model))


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("settings", "green_threads"),
        ("help of the option", True),
        ("option", "green_threads"),
        ("form of a server", True),
        ("form of a comparison", True),
        ("comparison that was asked for", ["sequential", "green_threads"]),
        ("answer", 200),
    ],
)
def test_a_model_that_was_registered_can_be_chosen(found, place, shown):
    assert found[place] == shown


def test_the_settings_reference_names_each_model():
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if "_MODEL`" in line]
    assert rows
    assert any(all(f"`{model}`" in row for model in ConcurrencyModel) for row in rows)
