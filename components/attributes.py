"""Attributes of HTML whose names are no Python names."""

from __future__ import annotations

from typing import Any


def attributes(**named: str) -> dict[str, Any]:
    """`aria_label="x"` as `{"aria-label": "x"}`, `data_empty` as `data-empty`."""
    return {name.replace("_", "-"): value for name, value in named.items()}
