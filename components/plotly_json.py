"""Plotly's JSON encoder beside a thread that imports pandas.

The encoder, which Dash uses for each answer of a callback, takes pandas from `sys.modules` and asks
it for `NaT`. While another thread imports pandas, as the start of a listener does whose app uses
it, the module is there and still without it: each answer failed with an AttributeError for a
second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _plotly_utils.optional_imports import get_module
from plotly.io import _json as plotly_json

if TYPE_CHECKING:
    from types import ModuleType


def connect() -> None:
    """Have the encoder pass over modules that are still being imported."""
    plotly_json.get_module = loaded_module


def loaded_module(name: str, should_load: bool = True) -> ModuleType | None:
    """As `get_module`; None also for a module whose import has not ended."""
    module: ModuleType | None = get_module(name, should_load=should_load)
    is_being_imported = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return None if is_being_imported else module
