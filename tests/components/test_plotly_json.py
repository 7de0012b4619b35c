"""Answers are encoded while another thread imports pandas."""

import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from plotly.io.json import to_json_plotly

from components import plotly_json


@pytest.fixture
def pandas(monkeypatch):
    """`sys.modules` has pandas as it is in the first moments of its import."""
    module = ModuleType("pandas")
    module.__spec__ = ModuleSpec("pandas", None)
    module.__spec__._initializing = True
    monkeypatch.setitem(sys.modules, "pandas", module)
    return module


@pytest.mark.usefixtures("pandas")
def test_a_module_that_is_being_imported_is_passed_over(monkeypatch):
    monkeypatch.setattr(plotly_json.plotly_json, "get_module", plotly_json.loaded_module)
    assert json.loads(to_json_plotly({"y": [1.5, None, "text"]})) == {"y": [1.5, None, "text"]}


def test_a_module_is_found_once_its_import_has_ended(pandas):
    assert plotly_json.loaded_module("pandas", should_load=False) is None
    pandas.__spec__._initializing = False
    assert plotly_json.loaded_module("pandas", should_load=False) is pandas
    assert plotly_json.loaded_module("no_such_module", should_load=False) is None
